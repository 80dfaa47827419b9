"""The files of a trial's MLflow run: pictures, and the trained network as a model that MLflow loads."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from studies.store.store import Store

_CODE = Path(__file__).with_name("served.py")
_DPI = 110
_REQUIRED = ("clearer-studies", "torch", "numpy", "mlflow")


def write_trial_files(folder: Path, store: Store, row: dict[str, Any], curve: Sequence[dict[str, Any]]) -> None:
    """Writes what there is of a trial: `architecture.png`, `alpha.png`, `clean_degraded_restored.png`, `model/`."""
    if row["architecture"]:
        (folder / "architecture.png").write_bytes(_drawn(row["architecture"]))
        if row["alpha"] and curve:
            from analysis.figures.alpha import draw_alpha
            from analysis.figures.style import as_png

            figure = draw_alpha(pd.DataFrame(curve), row["architecture"])
            (folder / "alpha.png").write_bytes(as_png(figure, _DPI))
    example = store.read(f"stages/test/{row['test_key']}/example.png") if row["test_key"] else None
    if example is not None:
        (folder / "clean_degraded_restored.png").write_bytes(example)
    network = store.read(f"stages/train/{row['train_key']}/network.safetensors") if row["train_key"] else None
    if network is not None:
        _write_model(folder / "model", network, row)


@functools.lru_cache(maxsize=256)
def _drawn(architecture: str) -> bytes:
    """Many trials share an architecture, and drawing takes longer than all else that is sent."""
    from analysis.figures.architecture import draw_architecture  # matplotlib takes long to load
    from analysis.figures.style import as_png

    return as_png(draw_architecture(architecture), _DPI)


def _write_model(folder: Path, network: bytes, row: dict[str, Any]) -> None:
    """The folder of an MLflow model: the same bytes whenever and wherever it is written."""
    import mlflow
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    images = Schema([TensorSpec(np.dtype("float32"), (-1, row["image_channels"], -1, -1))])
    model = Model(
        model_uuid=row["train_key"][:32],
        utc_time_created=str(row["finished_at"].replace(tzinfo=None)),
        signature=ModelSignature(images, images),
    )
    used = json.loads(row["versions"])
    file = folder.with_name("network.safetensors")
    file.write_bytes(network)
    mlflow.pyfunc.save_model(
        folder,
        python_model=str(_CODE),
        artifacts={"network": str(file)},
        pip_requirements=[f"{name}=={used[name]}" for name in _REQUIRED if name in used] + ["safetensors"],
        mlflow_model=model,
    )
    file.unlink()
    about = model.flavors["python_function"]  # its paths are this machine's; a reader looks at their last part alone
    about["model_code_path"] = _CODE.name
    about["artifacts"]["network"]["uri"] = file.name
    model.save(folder / "MLmodel")

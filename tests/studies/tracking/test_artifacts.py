"""The files of a trial's run: pictures, and the trained network as a model that MLflow loads."""

import shutil
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from PIL import Image

from studies.store.store import Store
from studies.tracking.artifacts import write_trial_files


@pytest.fixture
def store(study_storage: Path) -> Store:
    return Store(str(study_storage))


def row_of(store: Store, kind: str) -> dict[str, Any]:
    """The row of a trial of a kind."""
    rows = store.rows("lambda_pareto", store.trial_ids("lambda_pareto"))
    return next(row for row in rows if row["kind"] == kind)


def written(folder: Path, store: Store, row: dict[str, Any]) -> dict[str, bytes]:
    """The files of a trial, below `folder`, which is left empty."""
    folder.mkdir(parents=True)
    curve = store.curve(f"studies/lambda_pareto/curves/{row['trial_id']}.parquet")
    write_trial_files(folder, store, row, curve)
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    shutil.rmtree(folder)
    return found


PICTURES = {"architecture.png", "clean_degraded_restored.png"}


@pytest.mark.parametrize(("kind", "drawn"), [("searched", {"alpha.png"}), ("random", set())])
def test_a_trial_has_pictures_and_a_model(kind: str, drawn: set[str], store: Store, tmp_path: Path) -> None:
    found = written(tmp_path / "files", store, row_of(store, kind))
    assert {name for name in found if not name.startswith("model/")} == PICTURES | drawn
    for name in PICTURES | drawn:
        (tmp_path / "picture.png").write_bytes(found[name])
        with Image.open(tmp_path / "picture.png") as picture:
            picture.verify()
    assert found["model/artifacts/network.safetensors"] == store.read(
        f"stages/train/{row_of(store, kind)['train_key']}/network.safetensors"
    )


def test_files_are_the_same_wherever_and_whenever_they_are_written(store: Store, tmp_path: Path) -> None:
    row = row_of(store, "random")
    one, other = (written(tmp_path / name, store, row) for name in ("one", "another/one"))
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []
    assert not [name for name, data in one.items() if str(tmp_path).encode() in data], "no path of this machine"
    assert not [name for name in one if name.endswith(".pkl")]


def test_a_model_asks_for_what_it_was_trained_with(store: Store, tmp_path: Path) -> None:
    row = row_of(store, "random")
    found = written(tmp_path / "files", store, row)
    asked = found["model/requirements.txt"].decode().split()
    assert f"mlflow=={mlflow.__version__}" in asked
    assert any(line.startswith("torch==") for line in asked)
    about = yaml.safe_load(found["model/MLmodel"])
    assert about["model_uuid"] == row["train_key"][:32]


def test_what_a_failed_trial_has_not_is_left_out(store: Store, tmp_path: Path) -> None:
    row = row_of(store, "searched")
    nothing = row | {"architecture": None, "alpha": None, "test_key": None, "train_key": None}
    assert written(tmp_path / "nothing", store, nothing) == {}
    found = written(tmp_path / "found", store, row | {"test_key": None, "train_key": None})
    assert found.keys() == {"architecture.png", "alpha.png"}

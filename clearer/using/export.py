"""A trained network as an ONNX file for other runtimes: `python -m clearer export`.

PyTorch's exporter through torch.export is used (it needs onnxscript); the older one, through TorchScript, is
deprecated. Padding to multiples of 2^S and cropping back are part of the graph: height and width stay free.
"""

import importlib.util
import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clearer.checkpoint import read_network
from clearer.images.cache import written_whole
from clearer.networks import Network

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
TOLERANCE = 1e-4
SIZES = ((64, 64), (63, 97), (5, 32), (1, 1))
"""Heights and widths at which an exported network is checked."""


def export_file(network: Path, onnx_file: Path) -> float:
    """Writes `onnx_file`, checked; the largest difference of its results to PyTorch's.

    Raises ValueError: a package is missing, the file can't be written, or the results differ by more than 1e-4.
    Raises DamagedError: `network` holds none.
    """
    if missing := [package for package in PACKAGES if importlib.util.find_spec(package) is None]:
        raise ValueError(f"--onnx needs {', '.join(missing)}: pip install {' '.join(missing)}")
    if not onnx_file.absolute().parent.is_dir():
        raise ValueError(f"--onnx {onnx_file}: no folder {onnx_file.parent}; make it, or name another")
    if onnx_file.is_dir():
        raise ValueError(f"--onnx {onnx_file}: is a folder; name a file in it")
    trained, notes = read_network(network)
    data = onnx_bytes(trained, notes)
    difference = largest_difference(trained, data)
    if not difference <= TOLERANCE:
        raise ValueError(f"{network}: ONNX Runtime differs from PyTorch by {difference:.1e}, more than {TOLERANCE}")
    try:
        with written_whole(onnx_file) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise ValueError(f"--onnx {onnx_file}: {error.strerror}") from None
    return difference


def onnx_bytes(network: Network, notes: dict[str, Any] | None = None) -> bytes:
    """An ONNX model: `degraded` (batch, image_channels, height, width) to `restored`; facts and `notes` are JSON."""
    free = {"image": dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)}
    options: dict[str, Any] = {"input_names": ["degraded"], "output_names": ["restored"], "dynamic_shapes": free}
    example = torch.zeros(2, network.image_channels, 24, 40)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of operators that are not there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(network.eval(), (example,), dynamo=True, verbose=False, **options)
    assert program is not None
    model = program.model_proto
    for value in (model.graph.input[0], model.graph.output[0]):
        for place, name in ((0, "batch"), (2, "height"), (3, "width")):
            value.type.tensor_type.shape.dim[place].dim_param = name
    about = {"architecture": str(network.architecture), "channels": network.channels}
    for name, fact in {**about, "image_channels": network.image_channels, **(notes or {})}.items():
        model.metadata_props.add(key=name, value=fact if isinstance(fact, str) else json.dumps(fact))
    return model.SerializeToString()


def largest_difference(network: Network, data: bytes) -> float:
    """Between ONNX Runtime's results and the network's, over random images of `SIZES`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    found = []
    for size in SIZES:
        image = generator.random((1, network.image_channels, *size), dtype=np.float32)
        (restored,) = session.run(["restored"], {"degraded": image})
        with torch.inference_mode():
            found.append(np.abs(restored - network(torch.from_numpy(image)).numpy()).max())
    return float(max(found))

import importlib.util
import os

import numpy as np
import pytest
import torch

from clearer.__main__ import main
from clearer.architecture import Architecture
from clearer.checkpoint import pack_network
from clearer.networks import Network
from clearer.using import export

pytest.importorskip("onnxscript")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def trained():
    torch.manual_seed(0)
    network = Network(Architecture.parse("F-P"), 2, 3)
    image = torch.rand(4, 3, 16, 16)
    with torch.no_grad():
        network(image)
        network.eval().head.weight.mul_(0.2 / network(image).std())
    return network


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The ONNX file that the command wrote; exporting takes seconds."""
    folder = tmp_path_factory.mktemp("export")
    (folder / "network.safetensors").write_bytes(pack_network(trained(), task="denoise", sigma=30.0))
    file = folder / "network.onnx"
    assert main(["export", "--network", str(folder / "network.safetensors"), "--onnx", str(file)]) == 0
    assert sorted(os.listdir(folder)) == ["network.onnx", "network.safetensors"]
    return file


def test_the_runtime_restores_any_size_as_pytorch_does(exported):
    session = onnxruntime.InferenceSession(exported)
    for shape in ((1, 3, 64, 48), (1, 3, 31, 77), (2, 3, 6, 5), (1, 3, 1, 1), (1, 3, 130, 3)):
        image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        (found,) = session.run(None, {"degraded": image.numpy()})
        with torch.inference_mode():
            np.testing.assert_allclose(found, trained()(image).numpy(), rtol=0, atol=1e-5)


def test_the_file_describes_itself(exported):
    model = onnx.load(exported)
    assert {fact.key: fact.value for fact in model.metadata_props} == {
        "architecture": "F-P",
        "channels": "2",
        "image_channels": "3",
        "task": "denoise",
        "sigma": "30.0",
    }
    for value, name in ((model.graph.input[0], "degraded"), (model.graph.output[0], "restored")):
        shape = [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        assert (value.name, shape) == (name, ["batch", 3, "height", "width"])


def test_a_model_of_other_results_is_noticed(exported):
    other = trained()
    with torch.no_grad():
        other.head.weight.add_(0.01)
    assert export.largest_difference(trained(), exported.read_bytes()) < 1e-5
    assert export.largest_difference(other, exported.read_bytes()) > 1e-4


@pytest.fixture
def refused(tmp_path, capsys):
    """The one line that an export is answered with that can't be done."""
    (tmp_path / "network.safetensors").write_bytes(pack_network(trained()))

    def ask(onnx_file="network.onnx", network="network.safetensors"):
        with pytest.raises(SystemExit) as stopped:
            main(["export", "--network", str(tmp_path / network), "--onnx", str(tmp_path / onnx_file)])
        out, err = capsys.readouterr()
        assert (stopped.value.code, out, err.count("\n")) == (2, "", 1)
        assert os.listdir(tmp_path) == ["network.safetensors"]
        return err

    return ask


def test_mistakes_are_one_line(refused):
    assert "missing.safetensors: no such file" in refused(network="missing.safetensors")
    assert "no folder" in refused("deep/network.onnx")
    assert "is a folder" in refused("")


def test_a_missing_package_is_named_with_its_command(refused, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in ("onnxscript", "onnxruntime") else found(name)
    )
    assert "--onnx needs onnxruntime, onnxscript: pip install onnxruntime onnxscript" in refused()


def test_a_difference_is_refused(refused, monkeypatch):
    monkeypatch.setattr(export, "onnx_bytes", lambda network, notes: b"")
    for difference in (2e-4, float("nan")):
        monkeypatch.setattr(export, "largest_difference", lambda network, data, found=difference: found)
        assert "ONNX Runtime differs from PyTorch by" in refused()


def test_a_failed_write_leaves_nothing(refused, monkeypatch):
    def fails(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "onnx_bytes", lambda network, notes: b"")
    monkeypatch.setattr(export, "largest_difference", lambda network, data: 0.0)
    monkeypatch.setattr("pathlib.Path.replace", fails)
    assert "No space left on device" in refused()

import pytest
import torch
from torch import nn

from clearer import probe
from clearer.architecture import Architecture
from clearer.graphs import WARM_UP
from clearer.networks import Network, Supernet
from clearer.probe import step_bytes, step_seconds


def kept_bytes(network: nn.Module, image: torch.Tensor) -> int:
    """The bytes of all that a forward pass keeps for the backward pass, storages counted once."""
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(image)
    return sum(tensor.numel() * tensor.element_size() for tensor in kept.values())


@pytest.mark.parametrize("stage", ["search", "train"])
def test_what_a_step_keeps_is_what_a_whole_batch_keeps(tiny, stage):
    c = tiny.with_values(patch_size=16)
    columns, shape = c.columns_by_cell, (c.channels, c.image_channels)
    network = Supernet(columns, *shape) if stage == "search" else Network(Architecture.repeating("PF", columns), *shape)
    image = torch.zeros(c.batch_size, c.image_channels, c.patch_size, c.patch_size)
    assert step_bytes(stage, c) == pytest.approx(kept_bytes(network, image), rel=0.02)
    assert step_bytes(stage, c.with_values(batch_size=8)) > 3 * step_bytes(stage, c)


@pytest.mark.parametrize("stage", ["search", "train"])
def test_a_step_takes_time(tiny, stage):
    assert step_seconds(stage, tiny, "cpu") > 0


def test_a_gpu_is_probed_with_the_whole_batch_and_as_a_graph(tiny, monkeypatch):
    batches = []

    class Static:
        def __init__(self, device, pool):
            pass

        def __call__(self, step, degraded, clean):
            batches.append(len(degraded))
            return step(degraded, clean)

    c = tiny.with_values(batch_size=4)
    monkeypatch.setattr(probe, "_PROBE_FLOPS", 1)  # a CPU tries one image
    for is_gpu, expected in ((False, []), (True, [4] * (WARM_UP + 1 + probe.PROBE_STEPS))):
        monkeypatch.setattr(probe, "is_static", lambda device, is_gpu=is_gpu: is_gpu)
        monkeypatch.setattr(probe, "StaticStep", Static)
        assert step_seconds("search", c, "cpu") > 0
        assert batches == expected, "the steps before the graph is there are not counted"

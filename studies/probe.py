"""What an iteration takes where none was measured: time, of a few steps of a part of the batch, and memory."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

from clearer.architecture import PARALLEL, Architecture
from clearer.configuration import Configuration
from clearer.networks import Network, Supernet

PROBE_STEPS = 3
_PROBE_FLOPS = 2e10


def half_fusion(c: Configuration) -> Architecture:
    """An architecture with every other column a fusion."""
    letters = ("PF" * sum(c.columns_by_cell))[: sum(c.columns_by_cell)]
    return Architecture.from_letters(letters, c.columns_by_cell)


def step_seconds(stage: str, c: Configuration, device: str) -> float:
    """Seconds of one pass of a batch, forward and back, through the supernet (`search`) or a network at half fusion."""
    torch.set_num_threads(c.threads)
    shape = c.channels, c.image_channels
    if stage == "search":
        network: torch.nn.Module = Supernet(c.columns_by_cell, *shape, c.mixing)
    else:
        network = Network(half_fusion(c), *shape)
    parallel = Architecture.from_letters(PARALLEL * sum(c.columns_by_cell), c.columns_by_cell)
    flops = parallel.flops_per_pixel(*shape) * c.patch_size**2
    batch = max(1, min(c.batch_size, int(_PROBE_FLOPS / flops)))
    image = torch.rand(batch, c.image_channels, c.patch_size, c.patch_size, device=device)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return c.batch_size / batch * _fastest(network, image.to(memory_format=torch.channels_last))


def step_bytes(stage: str, c: Configuration) -> int:
    """Bytes that a step of one search, or of one training at half fusion, keeps for its backward pass, fp32.

    Counted on torch's meta device: nothing is computed.
    """
    shape = c.channels, c.image_channels
    sizes: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        sizes[tensor.untyped_storage()._cdata] = tensor.numel() * tensor.element_size()
        kept.append(tensor)  # or its storage would be another's
        return tensor

    kept: list[torch.Tensor] = []
    with torch.device("meta"):
        network: torch.nn.Module = (
            Supernet(c.columns_by_cell, *shape, c.mixing) if stage == "search" else Network(half_fusion(c), *shape)
        )
        image = torch.empty(c.batch_size, c.image_channels, c.patch_size, c.patch_size)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            network(image)
    return sum(sizes.values())


def _fastest(network: torch.nn.Module, image: torch.Tensor) -> float:
    times = []
    for _ in range(PROBE_STEPS):
        started = time.perf_counter()
        F.mse_loss(network(image), image).backward()
        if image.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times)

"""What an iteration takes where none was measured: time, of a few steps of a part of the batch, and memory."""

import functools
import time

import torch
import torch.nn.functional as F

from clearer.architecture import PARALLEL, Architecture
from clearer.configuration import Configuration
from clearer.networks import Network, Supernet

PROBE_STEPS = 3
_PROBE_FLOPS = 2e10


def half_fusion(columns_by_cell: tuple[int, ...]) -> Architecture:
    """An architecture with every other column a fusion."""
    letters = ("PF" * sum(columns_by_cell))[: sum(columns_by_cell)]
    return Architecture.from_letters(letters, columns_by_cell)


def step_seconds(stage: str, c: Configuration, device: str) -> float:
    """Seconds of one pass of a batch, forward and back, through the supernet (`search`) or a network at half fusion."""
    torch.set_num_threads(c.threads)
    shape = c.channels, c.image_channels
    if stage == "search":
        network: torch.nn.Module = Supernet(c.columns_by_cell, *shape, c.mixing)
    else:
        network = Network(half_fusion(c.columns_by_cell), *shape)
    parallel = Architecture.from_letters(PARALLEL * sum(c.columns_by_cell), c.columns_by_cell)
    flops = parallel.flops_per_pixel(*shape) * c.patch_size**2
    batch = max(1, min(c.batch_size, int(_PROBE_FLOPS / flops)))
    image = torch.rand(batch, c.image_channels, c.patch_size, c.patch_size, device=device)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return c.batch_size / batch * _fastest(network, image.to(memory_format=torch.channels_last))


def step_bytes(stage: str, c: Configuration) -> int:
    """Bytes that a step of one search, or of one training at half fusion, keeps for its backward pass, fp32."""
    weights, a_pixel = _kept_bytes(stage, c.columns_by_cell, c.channels, c.image_channels, c.mixing)
    return weights + round(a_pixel * c.batch_size * c.patch_size**2)


@functools.cache
def _kept_bytes(
    stage: str, columns_by_cell: tuple[int, ...], channels: int, image_channels: int, mixing: str
) -> tuple[int, float]:
    """Bytes that do not depend on the image, and bytes a pixel: counted over a small one."""
    if stage == "search":
        network: torch.nn.Module = Supernet(columns_by_cell, channels, image_channels, mixing)
    else:
        network = Network(half_fusion(columns_by_cell), channels, image_channels)
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor  # its memory is not another's meanwhile
        return tensor

    image = torch.zeros(2, image_channels, *[2 ** len(columns_by_cell)] * 2)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network(image)
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    sizes = {own: tensor.numel() * tensor.element_size() for own, tensor in kept.items()}
    fixed = sum(size for own, size in sizes.items() if own in weights or kept[own].dim() < 4)
    return fixed, (sum(sizes.values()) - fixed) / (output.numel() / image_channels)


def _fastest(network: torch.nn.Module, image: torch.Tensor) -> float:
    times = []
    for _ in range(PROBE_STEPS):
        started = time.perf_counter()
        F.mse_loss(network(image), image).backward()
        if image.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times)

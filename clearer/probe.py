"""What an iteration takes where none was measured: time, of a few steps of a part of the batch, and memory."""

import functools
import time
from typing import Any

import torch
import torch.nn.functional as F

from clearer.architecture import all_parallel, half_fusion
from clearer.configuration import Configuration
from clearer.networks import MultiScale, Network, Supernet

PROBE_STEPS = 3
_PROBE_FLOPS = 2e10


def step_seconds(stage: str, c: Configuration, device: str) -> float:
    """Seconds of one pass of a batch, forward and back, through the supernet (`search`) or a network at half fusion."""
    torch.set_num_threads(c.threads)
    network = _network(stage, *_shape(c))
    flops = all_parallel(c.columns_by_cell).flops_per_pixel(c.channels, c.image_channels) * c.patch_size**2
    batch = max(1, min(c.batch_size, int(_PROBE_FLOPS / flops)))
    image = torch.rand(batch, c.image_channels, c.patch_size, c.patch_size, device=device)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return c.batch_size / batch * _fastest(network, image.to(memory_format=torch.channels_last))


def step_bytes(stage: str, c: Configuration) -> int:
    """Bytes that a step of one search, or of one training at half fusion, keeps for its backward pass, fp32."""
    weights, a_pixel = _kept_bytes(stage, *_shape(c))
    return weights + round(a_pixel * c.batch_size * c.patch_size**2)


def _shape(c: Configuration) -> tuple[Any, ...]:
    return c.columns_by_cell, c.channels, c.image_channels, c.mixing


def _network(stage: str, columns: tuple[int, ...], channels: int, image_channels: int, mixing: str) -> MultiScale:
    if stage == "search":
        return Supernet(columns, channels, image_channels, mixing)
    return Network(half_fusion(columns), channels, image_channels)


@functools.cache
def _kept_bytes(stage: str, columns: tuple[int, ...], *more: Any) -> tuple[int, float]:
    """Bytes that do not depend on the image, and bytes a pixel: counted over a small one."""
    network = _network(stage, columns, *more)
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor  # its memory is not another's meanwhile
        return tensor

    image = torch.zeros(2, network.image_channels, *[2 ** len(columns)] * 2)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network(image)
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    sizes = {own: tensor.numel() * tensor.element_size() for own, tensor in kept.items()}
    fixed = sum(size for own, size in sizes.items() if own in weights or kept[own].dim() < 4)
    return fixed, (sum(sizes.values()) - fixed) / (output.numel() / network.image_channels)


def _fastest(network: torch.nn.Module, image: torch.Tensor) -> float:
    """The seconds of the fastest step; on a CPU those of its processor time, which other load does not lengthen."""
    times = []
    for _ in range(PROBE_STEPS):
        started = _now(image.is_cuda)
        F.mse_loss(network(image), image).backward()
        if image.is_cuda:
            torch.cuda.synchronize()
        times.append(_now(image.is_cuda) - started)
    return min(times)


def _now(on_gpu: bool) -> float:
    return time.perf_counter() if on_gpu else time.process_time() / torch.get_num_threads()

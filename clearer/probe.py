"""What an iteration takes where none was measured: time, of a few steps of a part of the batch, and memory."""

import functools
import time
from typing import Any

import torch
import torch.nn.functional as F

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.graphs import WARM_UP, Losses, StaticStep, Step, is_static, new_pool
from clearer.modules import fp32
from clearer.networks import MultiScale, Network, Supernet

PROBE_STEPS = 3
_PROBE_FLOPS = 2e10


def step_seconds(stage: str, c: Configuration, device: str) -> float:
    """Seconds of one pass of a batch, forward and back, through the supernet (`search`) or a network at half fusion."""
    torch.set_num_threads(c.threads)
    network = _network(stage, *_shape(c))
    largest = Architecture.repeating("P", c.columns_by_cell)
    flops = largest.flops_per_pixel(c.channels, c.image_channels) * c.patch_size**2
    on_cpu = max(1, min(c.batch_size, int(_PROBE_FLOPS / flops)))
    batch = c.batch_size if is_static(torch.device(device)) else on_cpu  # a part would leave a GPU half idle
    image = torch.rand(batch, c.image_channels, c.patch_size, c.patch_size, device=device)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def step(degraded: torch.Tensor, clean: torch.Tensor) -> Losses:
        with torch.autocast(image.device.type, torch.bfloat16, enabled=c.precision == "bf16"):
            restored = network(degraded)
        F.mse_loss(restored.float(), clean).backward()
        return {}

    with fp32(c.precision == "tf32"):
        return c.batch_size / batch * _fastest(step, image.to(memory_format=torch.channels_last))


def step_bytes(stage: str, c: Configuration) -> int:
    """Bytes that a step of one search, or of one training at half fusion, keeps for its backward pass, fp32."""
    weights, a_pixel = _kept_bytes(stage, *_shape(c))
    return weights + round(a_pixel * c.batch_size * c.patch_size**2)


def _shape(c: Configuration) -> tuple[Any, ...]:
    return c.columns_by_cell, c.channels, c.image_channels, c.mixing


def _network(stage: str, columns: tuple[int, ...], channels: int, image_channels: int, mixing: str) -> MultiScale:
    if stage == "search":
        return Supernet(columns, channels, image_channels, mixing)
    return Network(Architecture.repeating("PF", columns), channels, image_channels)


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


def _fastest(step: Step, image: torch.Tensor) -> float:
    """The seconds of the fastest step, on a GPU as a graph; on a CPU of processor time, which other load leaves."""
    times, before = [], 0
    if is_static(image.device):
        step, before = functools.partial(StaticStep(image.device, new_pool(image.device)), step), WARM_UP + 1
    for _ in range(before):
        step(image, image)
    for _ in range(PROBE_STEPS):
        started = _now(image.is_cuda)
        step(image, image)
        if image.is_cuda:
            torch.cuda.synchronize()
        times.append(_now(image.is_cuda) - started)
    return min(times)


def _now(on_gpu: bool) -> float:
    return time.perf_counter() if on_gpu else time.process_time() / torch.get_num_threads()

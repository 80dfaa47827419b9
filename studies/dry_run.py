"""What a study would run and what it would cost; computes nothing but a probe of a few steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from rich.console import Console

from clearer.architecture import PARALLEL, Architecture, supernet_parameters
from clearer.configuration import Configuration
from clearer.networks import Network, Supernet
from clearer.timing import device_name
from studies.connection import connect
from studies.progress import duration
from studies.scheduling import Cluster
from studies.stages import Place

PROBE_STEPS = 3
_PROBE_FLOPS = 2e10
_STAGE_BYTES = 50_000
_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """Seconds of one slot, and bytes in the store."""

    seconds: float
    bytes: float


def show(missing: Sequence[Configuration], place: Place, address: str | None, console: Console) -> int:
    """Prints what the trials that are missing would cost; the exit status.

    Raises:
        ClusterError: the cluster can never hold a trial.
    """
    if not missing:
        return 0
    threads = max(c.threads for c in missing)
    with connect(address):
        cluster = Cluster(place.gpus)
        cluster.check_request(threads)
        slots = cluster.slots(threads)
    pace = {shape: _probe(c) for shape, c in {_shape(c): c for c in missing}.items()}
    searched = [c for c in missing if c.kind == "searched"]
    costs = [_search_cost(c, pace[_shape(c)][0]) for c in searched] + [
        _training_cost(c, pace[_shape(c)][1]) for c in missing
    ]
    seconds, size = sum(cost.seconds for cost in costs), sum(cost.bytes for cost in costs)
    lines = (
        f"searches    {len(searched)}",
        f"trainings   at most {len(missing)}: trials that find one architecture share its training, earlier studies' stages are reused",
        f"time        about {duration(seconds)} of one slot, {duration(seconds / slots)} with the {slots} slots of this cluster",
        f"disk        about {size / 1e6:,.0f} MB",
        f"basis       {PROBE_STEPS} steps of each shape on {device_name('cpu', 1)}; trainings at half fusion, half parallel; tests and testing times not counted",
    )
    for line in lines:
        console.print(line, soft_wrap=True)
    if place.gpus:
        console.print(
            "the probe ran on the CPU of this machine: what a GPU takes is not known before a step was measured on one"
        )
    return 0


def _search_cost(c: Configuration, pace: float) -> Cost:
    return Cost(
        c.search_iterations * pace,
        _FLOAT_BYTES * supernet_parameters(c.columns_by_cell, c.channels, c.image_channels) + _STAGE_BYTES,
    )


def _training_cost(c: Configuration, pace: float) -> Cost:
    return Cost(
        c.train_iterations * pace, _FLOAT_BYTES * _half(c).parameters(c.channels, c.image_channels) + _STAGE_BYTES
    )


def _shape(c: Configuration) -> tuple[object, ...]:
    return c.cells, c.columns, c.channels, c.image_channels, c.batch_size, c.patch_size, c.mixing, c.threads


def _half(c: Configuration) -> Architecture:
    """An architecture with every other column a fusion."""
    letters = ("PF" * sum(c.columns_by_cell))[: sum(c.columns_by_cell)]
    return Architecture.from_letters(letters, c.columns_by_cell)


def _probe(c: Configuration) -> tuple[float, float]:
    """Seconds of one search iteration and of one training iteration, from a few steps of a part of the batch."""
    torch.set_num_threads(c.threads)
    flops = (
        Architecture.from_letters(PARALLEL * sum(c.columns_by_cell), c.columns_by_cell).flops_per_pixel(
            c.channels, c.image_channels
        )
        * c.patch_size**2
    )
    batch = max(1, min(c.batch_size, int(_PROBE_FLOPS / flops)))
    image = torch.rand(batch, c.image_channels, c.patch_size, c.patch_size).to(memory_format=torch.channels_last)
    scale = c.batch_size / batch
    supernet = Supernet(c.columns_by_cell, c.channels, c.image_channels, c.mixing).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = Network(_half(c), c.channels, c.image_channels).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    learning = (c.search_iterations - c.warmup_iterations) / c.search_iterations
    return (1 + learning) * scale * _step_seconds(supernet, image), scale * _step_seconds(network, image)


def _step_seconds(network: torch.nn.Module, image: torch.Tensor) -> float:
    times = []
    for _ in range(PROBE_STEPS):
        started = time.perf_counter()
        F.mse_loss(network(image), image).backward()
        times.append(time.perf_counter() - started)
    return min(times)

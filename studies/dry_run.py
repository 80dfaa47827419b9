"""What a study would run and what it would cost; computes nothing but a probe of a few steps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from rich.console import Console

from clearer.architecture import PARALLEL, Architecture, supernet_parameters
from clearer.configuration import Configuration
from clearer.networks import Network, Supernet
from clearer.timing import device_name
from studies.progress import duration
from studies.scheduling import connect
from studies.stages import Place
from studies.store import Store

_PROBE_FLOPS = 2e10
_STAGE_BYTES = 50_000
_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """Seconds of one slot, and bytes in the store."""

    seconds: float
    bytes: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.seconds + other.seconds, self.bytes + other.bytes)


def show(study: str, trials: Sequence[Configuration], missing: Sequence[Configuration], store: Store, place: Place, address: str | None, console: Console) -> int:
    """Prints the plan; raises ClusterError where the cluster can never hold a trial. The exit status."""
    kinds = Counter(c.kind for c in missing)
    console.print(f"{study}: {len(trials)} trials, {len(trials) - len(missing)} there, {len(missing)} to run ({', '.join(f'{n} {kind}' for kind, n in kinds.items()) or 'none'})")
    if not missing:
        return 0
    with connect(address, place.gpus, None) as cluster:
        cluster.check_request(max(c.threads for c in missing))
        slots = cluster.slots(max(c.threads for c in missing))
    pace = {shape: _probe(c) for shape, c in {_shape(c): c for c in missing}.items()}
    searched = [c for c in missing if c.kind == "searched"]
    total = Cost(0, 0)
    for c in searched:
        total += Cost(c.search_iterations * pace[_shape(c)][0], _FLOAT_BYTES * supernet_parameters(c.columns_by_cell, c.channels, c.image_channels) + _STAGE_BYTES)
    for c in missing:
        total += Cost(c.train_iterations * pace[_shape(c)][1], _FLOAT_BYTES * _half(c).parameters(c.channels, c.image_channels) + _STAGE_BYTES)
    console.print(f"searches {len(searched)}; trainings at most {len(missing)} (searches that find one architecture share its training)")
    console.print(f"about {duration(total.seconds)} of one slot, {duration(total.seconds / slots)} with the {slots} slots of this cluster; {total.bytes / 1e6:,.0f} MB in the store")
    console.print(f"basis: {PROBE_STEPS} steps of each shape on this machine ({device_name('cpu', 1)}), trainings at half fusion, half parallel; tests and testing times not counted")
    if place.gpus:
        console.print("the probe ran on the CPU: GPU-hours are not estimated before a step was measured on a GPU")
    return 0


PROBE_STEPS = 3


def _shape(c: Configuration) -> tuple[object, ...]:
    return c.cells, c.columns, c.channels, c.image_channels, c.batch_size, c.patch_size, c.mixing, c.threads


def _half(c: Configuration) -> Architecture:
    """An architecture with every other column a fusion."""
    letters = ("PF" * sum(c.columns_by_cell))[: sum(c.columns_by_cell)]
    return Architecture.from_letters(letters, c.columns_by_cell)


def _probe(c: Configuration) -> tuple[float, float]:
    """Seconds of one search iteration and of one training iteration, from a few steps of a part of the batch."""
    torch.set_num_threads(c.threads)
    flops = Architecture.from_letters(PARALLEL * sum(c.columns_by_cell), c.columns_by_cell).flops_per_pixel(c.channels, c.image_channels) * c.patch_size**2
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

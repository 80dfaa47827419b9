"""Testing time: how long a network takes for what was scored, on one device that nothing else uses."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from clearer.configuration import Configuration
from clearer.modules import folded, fp32
from clearer.testing import restore

STEADY = 0.03


class UnsteadyError(ArithmeticError):
    """The medians of the series spread too far in every attempt; the message says how far."""


@dataclass(frozen=True)
class Timing:
    """Milliseconds an image. `spread` is (largest − smallest) / median over the medians of the series."""

    median_ms: float
    iqr_ms: float
    spread: float
    attempts: int


def measure_testing_time(network: nn.Module, inputs: Sequence[Tensor], c: Configuration) -> Timing:
    """The time to restore an image of `inputs` as it is scored: the paper's testing time.

    `inputs` are (1, channels, height, width) each, on the network's device. A call restores every input once, one after
    another, synchronised. A series is `time_calls` calls after one that is not counted. The figure is the median of the
    medians of `time_series` series, with the interquartile range over all calls.

    When the medians spread by more than 3 % all is measured again, up to `time_attempts` times, and the steadiest
    attempt is kept. Raises UnsteadyError: even that one spread by more than `time_spread_limit`.
    """
    network = network.to(inputs[0].device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def call() -> float:
        return 1e3 * _seconds(network, inputs, c.self_ensemble) / len(inputs)

    found: list[Timing] = []
    with torch.inference_mode(), fp32(), folded(network):
        while len(found) < c.time_attempts and not (found and found[-1].spread <= STEADY):
            runs = np.array([[call() for _ in range(c.time_calls + 1)][1:] for _ in range(c.time_series)])
            medians = np.median(runs, axis=1)
            spread = float((medians.max() - medians.min()) / np.median(medians))
            low, high = np.percentile(runs, [25, 75])
            found.append(Timing(float(np.median(medians)), float(high - low), spread, len(found) + 1))
    best = min(found, key=lambda timing: timing.spread)
    if best.spread > c.time_spread_limit:
        said = f"of {c.time_attempts} attempts the best spread by {best.spread:.1%}"
        raise UnsteadyError(f"the device is not steady: {said}, more than time_spread_limit={c.time_spread_limit:g}")
    return best


def pass_seconds(network: nn.Module, inputs: Iterable[Tensor], self_ensemble: int) -> float:
    """Seconds to restore all of `inputs` once, one after another, as the paper prints; warm, after a testing time."""
    with torch.inference_mode(), fp32(), folded(network):
        return sum(_seconds(network, [degraded], self_ensemble) for degraded in inputs)


def _seconds(network: nn.Module, inputs: Sequence[Tensor], self_ensemble: int) -> float:
    _synchronise(inputs[0].device)
    started = time.perf_counter()
    for degraded in inputs:
        restore(network, degraded, self_ensemble)
    _synchronise(inputs[0].device)
    return time.perf_counter() - started


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

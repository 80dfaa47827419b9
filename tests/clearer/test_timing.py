import itertools
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from clearer import timing
from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.networks import Network

INPUTS = [torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)]


class Clock(nn.Module):
    """A network that takes the given seconds, one after another, on a clock that stands still otherwise."""

    def __init__(self, durations):
        super().__init__()
        self.durations, self.now, self.images = iter(durations), 0.0, 0

    def forward(self, image):
        self.now += next(self.durations)
        self.images += 1
        return image


def asking(self_ensemble, series, calls, attempts=3, limit=1e9):
    """A configuration of these settings of a testing time."""
    times = {"time_series": series, "time_calls": calls, "time_attempts": attempts, "time_spread_limit": limit}
    return Configuration(self_ensemble=self_ensemble, **times)


@pytest.fixture
def timed(monkeypatch):
    """The testing time of a clock of the given durations, and the clock."""

    def by_the_clock(durations, *settings, inputs=INPUTS):
        clock = Clock(durations)
        monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: clock.now))
        return timing.measure_testing_time(clock, inputs, asking(*settings)), clock

    return by_the_clock


def attempt(*medians, calls):
    """Seconds of one attempt with one input: each series is a slow first call, then `calls` equal ones."""
    return [seconds for median in medians for seconds in [100.0] + [median] * calls]


def test_a_time_that_is_not_steady_in_any_attempt_is_refused(timed):
    restless = attempt(1.0, 1.5, calls=3) + attempt(1.0, 1.2, calls=3)
    with pytest.raises(timing.UnsteadyError, match=r"of 2 attempts the best spread by 18\.2%.*time_spread_limit=0\.1"):
        timed(restless, 1, 2, 3, 2, 0.1, inputs=INPUTS[:1])
    found, _ = timed(restless, 1, 2, 3, 2, 0.2, inputs=INPUTS[:1])
    assert found.spread == pytest.approx(0.2 / 1.1)


@pytest.mark.parametrize("self_ensemble", [1, 8])
def test_a_steady_network_is_measured_once(timed, self_ensemble):
    found, clock = timed(itertools.repeat(2.0), self_ensemble, 3, 4)
    assert found == timing.Timing(median_ms=2000.0 * self_ensemble, iqr_ms=0.0, spread=0.0, attempts=1)
    assert clock.images == 3 * (4 + 1) * len(INPUTS) * self_ensemble


def test_the_first_call_of_a_series_is_not_counted(timed):
    found, _ = timed(attempt(1.0, 1.0, 1.0, calls=2), 1, 3, 2, inputs=INPUTS[:1])
    assert (found.median_ms, found.iqr_ms) == (1000, 0)


def test_the_steadiest_attempt_is_kept(timed):
    attempts = attempt(1.0, 2.0, calls=3) + attempt(1.0, 1.1, calls=3) + attempt(1.0, 1.5, calls=3)
    found, _ = timed(attempts, 1, 2, 3, inputs=INPUTS[:1])
    assert (found.median_ms, found.spread) == pytest.approx((1050, 0.1 / 1.05))
    assert found.iqr_ms == pytest.approx(100)
    assert found.attempts == 2


def test_attempts_end_when_the_series_agree_or_as_many_are_done(timed):
    unsteady, steady = attempt(1.0, 2.0, calls=1), attempt(1.0, 1.02, calls=1)
    assert timed(unsteady + steady + unsteady, 1, 2, 1, inputs=INPUTS[:1])[1].images == 8
    assert timed(unsteady * 3, 1, 2, 1, 1, inputs=INPUTS[:1])[1].images == 4


def test_the_figure_is_the_median_over_series_of_medians(timed):
    durations = [9.0, 1.0, 2.0, 50.0, 9.0, 2.0, 2.0, 0.1, 9.0, 2.0, 7.0, 2.0]
    found, _ = timed(durations, 1, 3, 3, inputs=INPUTS[:1])
    assert (found.median_ms, found.spread) == pytest.approx((2000, 0))
    assert found.iqr_ms == pytest.approx(0, abs=1e-6)


def test_a_network_takes_time():
    found = timing.measure_testing_time(Network(Architecture.parse("F"), 2), INPUTS, asking(8, 2, 2))
    assert found.median_ms > 0
    assert found.iqr_ms >= 0
    assert found.spread >= 0

"""Successive halving among trainings that compare: Ray Tune's ASHA, one for each group of them, and its replay.

At each rung (an iteration) a training goes on where its PSNR on held-out validation crops is among the best 1/η of
those that the group's trainings had there so far, its own apart; else it is stopped. Nothing of the test split is read.
What is stopped depends on the order in which trainings reach a rung.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

METRIC = "psnr_db"


def rungs(iterations: int, report_iterations: int, reduction: int) -> tuple[int, ...]:
    """The iterations at which trainings of `iterations` are compared; none where `reduction` (η) is 0.

    The first is `iterations` / η² in whole reports (at least one), each other η times the one before; all are below `iterations`.
    """
    if not reduction:
        return ()
    found = [max(1, round(iterations / reduction**2 / report_iterations)) * report_iterations]
    while found[-1] < iterations:
        found.append(found[-1] * reduction)
    return tuple(found[:-1])


def scheduler() -> Any:
    """A scheduler of Tune for packs of `studies.work.jobs`: halving where a job has rungs, first come first served else."""
    from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

    class Halving(FIFOScheduler):
        """An ASHA for each group of jobs that compete."""

        def __init__(self) -> None:
            super().__init__()
            self.groups: dict[str, Any] = {}

        def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
            job = trial.config["pack"].jobs[0]
            if job.rungs and job.rivals not in self.groups:
                self.groups[job.rivals] = ASHAScheduler(
                    time_attr="iteration", metric=METRIC, mode="max", grace_period=job.rungs[0], reduction_factor=job.reduction,
                    max_t=job.configuration.train_iterations - 0.5, stop_last_trials=False,  # no rung at the end, where tests follow
                )  # fmt: skip
            if job.rungs:
                self.groups[job.rivals].on_trial_add(tune_controller, trial)

        def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
            job = trial.config["pack"].jobs[0]
            if not job.rungs:
                return self.CONTINUE
            return self.groups[job.rivals].on_trial_result(tune_controller, trial, result)

    return Halving()


def replay(curves: Mapping[str, Iterable[Mapping[str, Any]]], levels: Iterable[int], reduction: int) -> dict[str, int]:
    """Which trainings halving would have stopped, and at which iteration, had it been on.

    `curves` holds, by training, rows (`iteration, psnr_db, recorded_at`) of trainings that ran to their end; they
    reach the rungs `levels` in the order of `recorded_at`.
    """
    scores: dict[int, list[float]] = {level: [] for level in levels}
    arrivals = sorted(
        (row["recorded_at"], row["iteration"], name, row[METRIC])
        for name, rows in curves.items()
        for row in rows
        if row["iteration"] in scores
    )
    stopped: dict[str, int] = {}
    for _, level, name, score in arrivals:
        if name in stopped:
            continue
        if scores[level] and score < np.percentile(scores[level], 100 * (1 - 1 / reduction)):
            stopped[name] = level
        scores[level].append(score)
    return stopped

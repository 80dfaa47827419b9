"""Rounds: the trials of a study, then those that follow from what they found, until nothing new follows.

A round runs stage by stage (`studies.driver.execution`). With a time budget it runs in waves of as many trials as the cluster
holds at once, each wave to its rows, so that what the time was spent on is finished trials.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd
from rich.console import Console

from analysis.report.report import write_report
from analysis.rows.load import finished, load
from analysis.storage.places import redacted
from analysis.study_results import Results
from clearer.configuration import Configuration
from studies.driver import stopping
from studies.driver.execution import Execution
from studies.driver.progress import Progress, duration
from studies.driver.study import Study, unique
from studies.nodes.connection import connect
from studies.nodes.preflight import check_here, check_nodes
from studies.nodes.scheduling import Cluster
from studies.planning.packs import Packing
from studies.store.claims import Claims
from studies.store.store import Store
from studies.store.study_file import planned_trials, read_study, write_study
from studies.tracking.live import Tracking
from studies.tracking.server import default_uri
from studies.work.jobs import Job
from studies.work.module_times import with_module_times
from studies.work.stages import Fingerprints, Place
from studies.work.trials import Trial, fingerprints_of, prepare


@dataclass
class Findings:
    """What a study's `follow` and `answer` see: the trials planned so far, their rows, and ways to ask for more."""

    rounds: Rounds
    trials: list[Configuration]

    @property
    def options(self) -> argparse.Namespace:
        """The command line."""
        return self.rounds.options

    @property
    def assigned(self) -> Mapping[str, Sequence[Any]]:
        """The fields of `--set`."""
        return self.rounds.assigned

    @property
    def study(self) -> str:
        """The study's name."""
        return self.rounds.study.name

    @property
    def store(self) -> Store:
        """Where results are."""
        return self.rounds.store

    def rows(self) -> pd.DataFrame:
        """The finished rows of the trials."""
        return finished(self.rounds.rows_of(self.trials))

    def recorded(self) -> list[Configuration]:
        """Every trial that this study has ever planned in this store."""
        return planned_trials(self.store, self.rounds.study.name)

    def fingerprints(self, configuration: Configuration) -> Fingerprints:
        """The pixels that a configuration reads."""
        return fingerprints_of(configuration, self.rounds.place.folder, self.rounds.pixels)

    def slots(self) -> int:
        """How many trials the cluster holds at once."""
        return self.rounds.slots(self.trials)

    def run_jobs(self, name: str, jobs: Sequence[Job]) -> None:
        """Runs what is missing of the jobs; those that fail are named on the console."""
        self.rounds.run_jobs(name, [job for job in jobs if self.store.result(job.stage, job.key) is None])


@dataclass
class Rounds:
    """One run of a study's command."""

    study: Study
    options: argparse.Namespace
    assigned: Mapping[str, Sequence[Any]]
    store: Store
    place: Place
    console: Console
    pixels: dict[str, Fingerprints] = field(default_factory=dict)
    planned: list[Configuration] = field(default_factory=list)
    unfinished: list[Trial] = field(default_factory=list)
    lost: list[Job] = field(default_factory=list)
    is_out_of_time: bool = False
    said: list[str] = field(default_factory=list)
    """What there is to say of early stopping."""

    def plan(self, first: Sequence[Configuration]) -> list[Trial]:
        """Takes up the first round; its trials that have no row yet. Every mistake in the request is raised here."""
        self.planned = self._measured(first)
        return self._prepared(self._missing(self.planned))

    def run(self, missing: list[Trial]) -> None:
        """Runs `missing`, then what follows, then writes the report and brings tracking up to date."""
        self._deadline = None if self.options.budget is None else time.monotonic() + self.options.budget
        self._cluster: Cluster | None = None
        self._tracking: Tracking | None = None
        self._nodes: dict[str, Any] = {}
        with contextlib.ExitStack() as self._stack:
            if missing:  # before anything is written
                self._preflight(missing)
            if self._stack.enter_context(self._alone()):
                missing = self._prepared(self._missing(self.planned))
            while True:
                if missing:
                    self._run_round(missing)
                further = self._further()
                if not further:
                    break
                self.planned += further
                missing = self._prepared(self._missing(further))
                self.console.print(
                    f"what was found asks for {len(further)} more trials, {len(further) - len(missing)} there, {len(missing)} to run"
                )
            self._report()

    def _preflight(self, missing: Sequence[Trial]) -> None:
        threads, is_local = max(t.configuration.threads for t in missing), self.options.address in (None, "local")
        about = self.place, missing, threads, self._tracking_uri, self.console
        if is_local:
            check_here(*about)
        self._connected().check_request(threads)
        self._nodes = {} if is_local else check_nodes(*about)

    @property
    def _tracking_uri(self) -> str | None:
        return self.options.tracking_uri or default_uri(self.store)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Two runs of one study would write one study.json: the second waits. Whether this one has waited."""
        owners = []

        def waiting(owner: str) -> None:
            owners.append(owner)
            self.console.print(f"{self.study.name} is being run by {owner} already: waiting", soft_wrap=True)

        with Claims(self.store) as claims, claims.alone(f"studies/{self.study.name}", waiting):
            yield bool(owners)

    def rows_of(self, trials: Sequence[Configuration]) -> pd.DataFrame:
        """The rows that there are of some trials."""
        frame = load(self.store.storage, self.study.name)
        return frame[frame["trial_id"].isin([c.trial_id for c in trials])] if len(frame) else frame

    def slots(self, trials: Sequence[Configuration]) -> int:
        """How many trials the cluster holds at once; joins or starts it."""
        return max(1, self._connected().slots(max((c.threads for c in trials), default=1)))

    def run_jobs(self, name: str, jobs: Sequence[Job]) -> None:
        """Runs jobs that belong to no trial; what did not end is in `lost`."""
        if jobs:
            cluster = self._connected()
            with Progress(self.console) as progress:
                self._execution(progress).run_jobs(name, list(jobs), cluster)
            self.lost += [job for job in jobs if self.store.result(job.stage, job.key) is None]

    def _further(self) -> list[Configuration]:
        """The trials that follow and are not planned yet; none when time is spent, or trials were left for another run."""
        if self.study.follow is None or self.is_out_of_time or self.unfinished:
            return []
        known = {c.trial_id for c in self.planned}
        found = self._measured(self.study.follow(Findings(self, self.planned)))
        return [c for c in unique(found) if c.trial_id not in known]

    def _measured(self, configurations: Sequence[Configuration]) -> list[Configuration]:
        return with_module_times(configurations, self.store, self.options.gpus_per_trial, keep=not self.options.dry_run)

    def _prepared(self, configurations: Sequence[Configuration]) -> list[Trial]:
        return prepare(configurations, self.place.folder, self.pixels)

    def _missing(self, trials: Sequence[Configuration]) -> list[Configuration]:
        """The trials without a row; with `--retry-failed`, those with the row of a failure too."""
        there = self.store.trial_ids(self.study.name)
        if self.options.retry_failed:
            rows = self.store.rows(self.study.name, there & {c.trial_id for c in trials}, ("trial_id", "status"))
            there -= {row["trial_id"] for row in rows if row["status"] == "failed"}
        return [c for c in trials if c.trial_id not in there]

    def _connected(self) -> Cluster:
        if self._cluster is None:
            self._stack.enter_context(connect(self.options.address))
            self._cluster = Cluster(self.options.gpus_per_trial, self.options.concurrent)
        return self._cluster

    def _run_round(self, missing: list[Trial]) -> None:
        cluster = self._connected()
        cluster.check_request(max(trial.configuration.threads for trial in missing))
        if self.options.retry_failed:
            for trial_id in self.store.trial_ids(self.study.name) & {trial.trial_id for trial in missing}:
                self.store.forget_trial(self.study.name, trial_id)
        command = redacted(shlex.join(sys.argv))
        question = self.study.question
        write_study(self.store, self.study.name, self.options.preset, self.planned, command, question, self._nodes)
        started = read_study(self.store, self.study.name)["trials_started_at"]
        for trial in missing:
            trial.started_at = datetime.fromisoformat(started[trial.trial_id]).timestamp()
        with Progress(self.console) as progress:
            execution, wanted = self._execution(progress), self._prepared(self.planned)
            for wave in self._waves(missing):
                if self._deadline is not None and time.monotonic() >= self._deadline:
                    self.is_out_of_time = True
                    break
                ran = execution.run(wave, wanted, cluster)
                self.unfinished += [t for t in ran if t.failure is not None and not t.failure.permanent]

    def _waves(self, missing: list[Trial]) -> list[list[Trial]]:
        size = len(missing) if self._deadline is None else self.slots([trial.configuration for trial in missing])
        return [missing[first : first + size] for first in range(0, len(missing), size)]

    def _execution(self, progress: Progress) -> Execution:
        packing = Packing(self.options.pack, self.place.gpus)
        return Execution(self.study.name, self.store, self.place, packing, progress, self._tracked())

    def _tracked(self) -> Tracking | None:
        """Tracking, opened when it is first needed; None where there is none."""
        uri = self._tracking_uri
        is_known = self.store.read(f"studies/{self.study.name}/study.json") is not None
        if self._tracking is None and is_known and uri not in (None, "none"):
            self._tracking = Tracking(uri, self.study.name, self.store)
            self._stack.callback(self._close_tracking, self._tracking)
        return self._tracking

    def _close_tracking(self, tracking: Tracking) -> None:
        problem = tracking.close()
        if problem:
            self.console.print(f"[yellow]{problem}[/]")

    @property
    def results(self) -> Results:
        """What the planned trials have found so far."""
        return Results(self.store.storage, self.study.name, frozenset(c.trial_id for c in self.planned))

    def _report(self) -> None:
        self.store.compact(self.study.name)
        write_report(self.results)
        self.said = stopping.write(self.store, self.study.name, self.planned)
        tracking = self._tracked()
        if tracking is not None:
            tracking.synchronise()


def out_of_time(budget: float, left: int) -> str:
    """What is said when the time is spent."""
    return f"--budget {duration(budget)} is spent: {left} trials have not started; the same command goes on with them"

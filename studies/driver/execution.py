"""A study from its plan to its rows: search what is missing, train what is missing, test, time, write.

Stage by stage rather than trial by trial: all searches that are missing and all trainings of architectures that are known already
are one run of the cluster, which the trainings of what was found join as soon as the last search has ended; then the testing times,
one at a time. Two trials that need the same stage are then one job, no trial waits for another while it holds a slot, and nothing runs
while time is taken. The price is that the first rows are written when the last network is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from clearer.architecture import Architecture
from clearer.presets import label
from studies.driver.phases import Phases, Work
from studies.driver.progress import Progress
from studies.nodes.scheduling import Cluster
from studies.planning.packs import Packing, training_name
from studies.store.claims import Claims, timing_name
from studies.store.rows import curve_table, row_table
from studies.store.store import Store, as_parquet
from studies.tracking.live import Tracking
from studies.work import stages
from studies.work.jobs import Job
from studies.work.learning import load_curve, load_unfinished_curve
from studies.work.stages import Place
from studies.work.trials import Trial, trial_row


class Execution:
    """Runs the trials of a study that have no row yet."""

    def __init__(
        self,
        study: str,
        store: Store,
        place: Place,
        packing: Packing,
        progress: Progress,
        tracking: Tracking | None,
    ):
        self.study, self.store, self.place, self.packing = study, store, place, packing
        self.progress, self.tracking = progress, tracking

    def run(self, trials: list[Trial], wanted: Sequence[Trial], cluster: Cluster) -> list[Trial]:
        """Computes what is missing and writes a row for each trial that ended; the trials, with their failures.

        `wanted` are all trials that the study wants so far, those that have a row too: packs are planned from them.
        """
        with Claims(self.store) as claims:
            phases = self._phases(claims, cluster)

            def trainings() -> tuple[str, Work]:
                self._take_up_searches(trials)
                found = [trial for trial in trials if _is_open(trial)]
                return "trainings", (self._trainings(found, phases), self._widths(wanted))

            first = [*self._searches_and_references(trials), *self._trainings(_early(trials), phases)]
            phases.run("searches, references, trainings", (first, self._widths(wanted)), trials, trainings)
            name, left = trainings()  # all where nothing was searched, or what other studies had claimed
            phases.run(name, left, trials)
            self._write_references(trials)
            self._time(trials, cluster, claims)
        return trials

    def run_jobs(self, name: str, jobs: list[Job], cluster: Cluster) -> None:
        """Runs jobs that belong to no trial; those that fail are named on the way."""
        with Claims(self.store) as claims:
            self._phases(claims, cluster).run(name, (jobs, {}), [])

    def _phases(self, claims: Claims, cluster: Cluster) -> Phases:
        return Phases(self.store, self.place, self.progress, self.tracking, claims, cluster, self._write)

    def _searches_and_references(self, trials: list[Trial]) -> list[Job]:
        """What is missing of both; architectures that are given are taken up."""
        jobs: dict[str, Job] = {}
        for trial in trials:
            c = trial.configuration
            trial.reference_key = stages.reference_key(c, trial.data)
            if self.store.result("reference", trial.reference_key) is None:
                jobs[trial.reference_key] = Job("reference", trial.reference_key, c, trial.data)
            if c.kind != "searched":
                trial.architecture = Architecture.parse(c.architecture)
                continue
            trial.search_key = stages.search_key(c, trial.data)
            trial.search_reused = trial.search_key in jobs or self.store.result("search", trial.search_key) is not None
            if not trial.search_reused:
                jobs[trial.search_key] = Job("search", trial.search_key, c, trial.data)
        return list(jobs.values())

    def _take_up_searches(self, trials: list[Trial]) -> None:
        """The architectures that finished searches have found."""
        for trial in trials:
            result = self.store.result("search", trial.search_key) if trial.search_key and not trial.failure else None
            if result is not None:
                trial.architecture = Architecture.parse(result["architecture"])

    def _trainings(self, trials: Sequence[Trial], phases: Phases) -> list[Job]:
        """The distinct trainings, with their tests, that trials with an architecture need and that are not under way."""
        jobs: dict[str, Job] = {}
        for trial in trials:
            assert trial.architecture is not None
            c = trial.configuration
            key = stages.train_key(c, trial.architecture, trial.data)
            if trial.train_key is None:
                trial.train_key, trial.test_key = key, stages.test_key(c, key, trial.data)
                there = key in jobs or key in phases.under_way or self.store.result("train", key) is not None
                trial.train_reused = there
                if key in phases.under_way:
                    phases.share(key, trial)
            assert trial.test_key is not None
            if key not in phases.under_way and self.store.result("test", trial.test_key) is None:
                tests = dict(jobs[key].tests if key in jobs else ()) | {trial.test_key: c}
                mildest = min(c.train_halving, jobs[key].reduction if key in jobs else c.train_halving)
                jobs[key] = Job(
                    "train", key, c, trial.data, str(trial.architecture), tuple(tests.items()), reduction=mildest
                )
        return list(jobs.values())

    def _widths(self, wanted: Sequence[Trial]) -> dict[str, int]:
        """The widths of all packs, by name.

        Trainings of given architectures may begin before searches end, so what searches find does not change their widths.
        """
        searched = [t.configuration for t in wanted if t.configuration.kind == "searched"]
        given = [
            (c, Architecture.parse(c.architecture)) for c in (t.configuration for t in wanted) if c.kind != "searched"
        ]
        found = []
        for trial in wanted:
            c = trial.configuration
            key = stages.search_key(c, trial.data) if c.kind == "searched" else None
            result = self.store.result("search", key) if key else None
            if result is not None:
                found.append((c, Architecture.parse(result["architecture"])))
        widths = self.packing.searches(searched) | self.packing.trainings(given)
        others = [(c, architecture) for c, architecture in found if training_name(c, str(architecture)) not in widths]
        return widths | self.packing.trainings(others)

    def _write_references(self, trials: list[Trial]) -> None:
        """One file a protocol beside the rows: what methods without training score on the same pixels."""
        for key, c in {t.reference_key: t.configuration for t in trials if t.reference_key}.items():
            result = self.store.result("reference", key)
            if result is not None:
                about = {
                    "test_set": c.test_set or c.dataset,
                    "image_channels": c.image_channels,
                    "grayscale": c.grayscale,
                }
                table = pa.Table.from_pylist([{**row, **about} for row in result["rows"]])
                self.store.write(f"studies/{self.study}/references/{key[:12]}.parquet", as_parquet(table))

    def _time(self, trials: list[Trial], cluster: Cluster, claims: Claims) -> None:
        ready = [t for t in trials if _is_open(t) and t.train_key is not None]
        if not ready:
            return
        self.progress.phase("testing times", len(ready))
        host = cluster.timing_host()
        with claims.alone(
            timing_name(host),
            lambda owner: self.progress.say(f"another study ({owner}) takes times on {host}: waiting"),
        ):
            self._time_ready(ready, cluster)

    def _time_ready(self, ready: list[Trial], cluster: Cluster) -> None:
        requests = [(t.configuration, t.architecture, t.data, t.train_key) for t in ready]
        for trial, found in zip(ready, cluster.time_networks(requests, self.place), strict=True):  # type: ignore[arg-type]
            if found.startswith("error: "):
                trial.time_error = found.removeprefix("error: ")
            else:
                trial.time_key = found
            row = self._write(trial)
            took = (
                f"{row['test_time_ms']:.1f} ms an image"
                if row["test_time_ms"] is not None
                else f"not timed: {trial.time_error}"
            )
            self.progress.ended(trial.trial_id, f"{label(trial.configuration)}  {took}")

    def _write(self, trial: Trial) -> dict[str, Any]:
        row = trial_row(self.study, trial, self.store)
        records = []
        for stage, key in (("search", trial.search_key), ("train", trial.train_key)):
            left = stage == "train" and trial.stopped is not None
            load = load_unfinished_curve if left else load_curve
            records += load(self.store, stage, key) if key else []
        self.store.end_trial(self.study, trial.trial_id, row_table(row), curve_table(records, trial.trial_id))
        return row


def _is_open(trial: Trial) -> bool:
    """Whether a trial has its architecture and nothing has ended it."""
    return trial.failure is trial.stopped is None and trial.architecture is not None


def _early(trials: Sequence[Trial]) -> list[Trial]:
    """The trials whose training waits for no search, and competes with none."""
    return [t for t in trials if _is_open(t) and t.search_key is None and not t.configuration.train_halving]

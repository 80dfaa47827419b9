"""A study from its plan to its rows: search what is missing, train what is missing, test, time, write.

Stage by stage rather than trial by trial: all searches that are missing are one phase, then all distinct
trainings, then the testing times one at a time. Two trials that need the same stage are then one job, no
trial waits for another while it holds a slot, and nothing runs while time is taken. The price is that
the first rows are written when the last network is trained. What another study on the same store
computes at this moment is left to it, and waited for when all else of the phase is done.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from studies import stages
from studies.claims import POLL_SECONDS, Claims, timing_name
from studies.jobs import Failure, Job
from studies.learning import load_curve, load_unfinished_curve
from studies.packs import Packing, packs
from studies.progress import Progress, duration
from studies.rows import curve_table, row_table
from studies.scheduling import Cluster, Watcher
from studies.stages import Place
from studies.store import Store, as_parquet
from studies.study import label
from studies.tracking import Tracking
from studies.trial import Trial, mean, trial_row


class Execution:
    """Runs the trials of a study that have no row yet."""

    claims: Claims

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
        self._wanted = wanted
        with Claims(self.store) as self.claims:
            self._search(trials, cluster)
            self._write_references(trials)
            self._train(trials, cluster)
            self._time(trials, cluster)
        return trials

    def _search(self, trials: list[Trial], cluster: Cluster) -> None:
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
        widths = self.packing.searches(t.configuration for t in self._wanted if t.configuration.kind == "searched")
        self._phase("searches and references", list(jobs.values()), trials, cluster, widths)
        for trial in trials:
            result = self.store.result("search", trial.search_key) if trial.search_key and not trial.failure else None
            if result is not None:
                trial.architecture = Architecture.parse(result["architecture"])

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

    def _train(self, trials: list[Trial], cluster: Cluster) -> None:
        jobs: dict[str, Job] = {}
        for trial in trials:
            if trial.architecture is None:
                continue
            c = trial.configuration
            key = trial.train_key = stages.train_key(c, trial.architecture, trial.data)
            trial.test_key = stages.test_key(c, key, trial.data)
            trial.train_reused = key in jobs or self.store.result("train", key) is not None
            if self.store.result("test", trial.test_key) is None:
                tests = dict(jobs[key].tests if key in jobs else ()) | {trial.test_key: c}
                mildest = min(c.train_halving, jobs[key].reduction if key in jobs else c.train_halving)
                jobs[key] = Job(
                    "train", key, c, trial.data, str(trial.architecture), tuple(tests.items()), reduction=mildest
                )
        if jobs:
            self._phase(
                "trainings", list(jobs.values()), trials, cluster, self.packing.trainings(self._architectures())
            )

    def _architectures(self) -> Iterator[tuple[Configuration, Architecture]]:
        """The architectures of all wanted trials that have one."""
        for trial in self._wanted:
            c = trial.configuration
            if c.kind != "searched":
                yield c, Architecture.parse(c.architecture)
                continue
            result = self.store.result("search", stages.search_key(c, trial.data))
            if result is not None:
                yield c, Architecture.parse(result["architecture"])

    def _phase(
        self, name: str, jobs: list[Job], trials: list[Trial], cluster: Cluster, widths: Mapping[str, int]
    ) -> None:
        if not jobs:
            return
        users: dict[str, list[Trial]] = {job.key: [] for job in jobs}
        for trial in trials:
            for key in {trial.reference_key, trial.search_key, trial.train_key}:
                if key in users:
                    users[key].append(trial)

        def text(job: Job) -> str:
            if job.stage == "reference":
                return f"references on {job.configuration.test_set or job.configuration.dataset}"
            if not users[job.key]:
                return label(job.configuration)
            first = label(users[job.key][0].configuration)
            return first if len(users[job.key]) == 1 else f"{first} (and {len(users[job.key]) - 1} more)"

        def progressed(job: Job, progress: dict[str, Any]) -> None:
            self.progress.progressed(job.key, progress)
            if self.tracking is not None:
                self.tracking.progressed(users[job.key], job.stage, job.key, progress["record"])

        def ended(job: Job, failure: Failure | None) -> None:
            for trial in users[job.key] if job.stage != "reference" else ():
                trial.failure = failure
                if failure is not None and failure.permanent:
                    self._write(trial)
                    if self.tracking is not None:
                        self.tracking.trial_failed(trial)
            if self.tracking is not None and failure is None and job.stage != "reference":
                self.tracking.stage_ended(users[job.key], job.stage, job.key)
            self.progress.ended(job.key, failure.reason if failure else self._outcome(job), failure is not None)
            self.claims.release(_names(job))

        def stopped(job: Job, spent: dict[str, Any]) -> None:
            for trial in users[job.key]:
                trial.stopped, trial.test_key = spent, None
                self._write(trial)
            self.progress.ended(job.key, f"stopped at iteration {spent['iterations']}, behind the others")
            self.claims.release(_names(job))

        self.progress.phase(name, len(jobs))
        watcher = Watcher(lambda job: self.progress.started(job.key, text(job), job.stage), progressed, ended, stopped)
        for claimed in self._claimed(jobs):
            missing = [job for job in claimed if not self._is_there(job, users[job.key])]
            for job in claimed:
                if job not in missing:
                    self.progress.ended(job.key, f"{text(job)}  {self._outcome(job)}  by another study")
                    self.claims.release(_names(job))
            if missing:
                cluster.run_phase(packs(missing, widths), self.place, watcher)

    def _claimed(self, jobs: list[Job]) -> Iterator[list[Job]]:
        """All jobs, each as soon as no other study has claimed it; waits without holding anything of the cluster."""
        waiting = {job.key: job for job in jobs}
        said = False
        while waiting:
            names = {key: _names(job) for key, job in waiting.items()}
            won = self.claims.take(names)
            if won:
                yield [waiting.pop(key) for key in names if key in won]
                continue
            if not said:
                count = "1 stage is" if len(waiting) == 1 else f"{len(waiting)} stages are"
                owners = self.claims.owners(set().union(*names.values()))
                self.progress.say(f"{count} being computed by another study ({owners}): waiting")
                said = True
            time.sleep(POLL_SECONDS)

    def _is_there(self, job: Job, users: list[Trial]) -> bool:
        """Whether another study has finished all of a job since it was planned; what it has finished is reused."""
        there = [self.store.result(stage, key) is not None for stage, key in job.stages]
        for trial in users if there[0] else ():
            if job.stage == "search":
                trial.search_reused = True
            elif job.stage == "train":
                trial.train_reused = True
        return all(there)

    def run_jobs(self, name: str, jobs: list[Job], cluster: Cluster) -> None:
        """Runs jobs that belong to no trial; those that fail are named on the way."""
        with Claims(self.store) as self.claims:
            self._phase(name, jobs, [], cluster, {})

    def _outcome(self, job: Job) -> str:
        result = self.store.result(job.stage, job.key) or {}
        found = f"{result.get('architecture', '')}  {duration(result.get('seconds', 0))}"
        scores = [self.store.result("test", key) for key, _ in job.tests]
        return "  ".join([found, *(f"{mean(s['by_image']['psnr_db']):.2f} dB" for s in scores if s)])

    def _time(self, trials: list[Trial], cluster: Cluster) -> None:
        ready = [
            t
            for t in trials
            if t.failure is t.stopped is None and t.architecture is not None and t.train_key is not None
        ]
        if not ready:
            return
        self.progress.phase("testing times", len(ready))
        host = cluster.timing_host()
        with self.claims.alone(
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


def _names(job: Job) -> set[str]:
    """What a job is claimed by: a training's claim covers its tests, so that studies with other tests of it wait too."""
    return {f"{stage}/{key}" for stage, key in job.stages}

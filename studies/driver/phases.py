"""A phase of a study: jobs that are claimed, run on the cluster as packs, and told of, until each has ended.

What another study on the same store computes at this moment is left to it, and waited for when all else of the phase is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from clearer.presets import label
from studies.driver.progress import Progress, duration
from studies.nodes.queueing import Watcher
from studies.nodes.scheduling import Cluster
from studies.planning.packs import packs
from studies.store.claims import POLL_SECONDS, Claims
from studies.store.store import Store
from studies.tracking.live import Tracking
from studies.work.jobs import Failure, Job, Pack
from studies.work.stages import Place
from studies.work.trials import Trial, mean

Work = tuple[Sequence[Job], Mapping[str, int]]
"""Jobs, and the widths of their packs by name (`studies.planning.packs`)."""


class Phases:
    """Runs the jobs of trials. `write` writes the row of a trial that has ended."""

    def __init__(
        self,
        store: Store,
        place: Place,
        progress: Progress,
        tracking: Tracking | None,
        claims: Claims,
        cluster: Cluster,
        write: Callable[[Trial], object],
    ):
        self.store, self.place, self.progress, self.tracking = store, place, progress, tracking
        self.claims, self.cluster, self._write = claims, cluster, write
        self.under_way: set[str] = set()
        """The keys of the jobs that the cluster has and that have not ended."""
        self._users: dict[str, list[Trial]] = {}

    def run(
        self, name: str, work: Work, trials: Sequence[Trial], then: Callable[[], tuple[str, Work]] | None = None
    ) -> None:
        """Runs jobs to their ends. Once all their searches have ended, `then` names more, which start beside what is left.

        `then` is not asked where another study computes some of the jobs; ask for what is missing afterwards.
        """
        jobs, widths = work
        if not jobs:
            return
        self._add_users(jobs, trials)
        self.progress.phase(name, len(jobs))
        left = len(jobs)
        for claimed in self._claimed(jobs):
            left -= len(claimed)
            missing = self._missing(claimed)
            if missing:
                is_last = then is not None and not left
                further = (lambda: self._further(trials, *then())) if is_last else None  # type: ignore[misc]
                self.cluster.run_phase(packs(missing, widths), self.place, self._watcher(), further)

    def share(self, key: str, trial: Trial) -> None:
        """A job that is under way is another trial's too."""
        self._users[key].append(trial)

    def _further(self, trials: Sequence[Trial], name: str, work: Work) -> list[Pack]:
        """The packs of more jobs, without those that another study has claimed."""
        jobs, widths = work
        won = self.claims.take({job.key: _names(job) for job in jobs}) if jobs else set()
        claimed = [job for job in jobs if job.key in won]
        if not claimed:
            return []
        self._add_users(claimed, trials)
        self.progress.more(name, len(claimed))
        return packs(self._missing(claimed), widths)

    def _add_users(self, jobs: Sequence[Job], trials: Sequence[Trial]) -> None:
        users: dict[str, list[Trial]] = {job.key: [] for job in jobs}
        for trial in trials:
            for key in {trial.reference_key, trial.search_key, trial.train_key}:
                if key in users:
                    users[key].append(trial)
        self._users |= users

    def _watcher(self) -> Watcher:
        return Watcher(
            lambda job: self.progress.started(job.key, self._text(job), job.stage), self._progressed, self._ended, self._stopped
        )  # fmt: skip

    def _text(self, job: Job) -> str:
        users = self._users[job.key]
        if job.stage == "reference":
            return f"references on {job.configuration.test_set or job.configuration.dataset}"
        if not users:
            return label(job.configuration)
        first = label(users[0].configuration)
        return first if len(users) == 1 else f"{first} (and {len(users) - 1} more)"

    def _progressed(self, job: Job, progress: dict[str, Any]) -> None:
        self.progress.progressed(job.key, progress)
        if self.tracking is not None:
            self.tracking.progressed(self._users[job.key], job.stage, job.key, progress["record"])

    def _ended(self, job: Job, failure: Failure | None) -> None:
        users = self._users[job.key] if job.stage != "reference" else []
        for trial in users:
            trial.failure = failure
            if failure is not None and failure.permanent:
                self._write(trial)
                if self.tracking is not None:
                    self.tracking.trial_failed(trial)
        if self.tracking is not None and failure is None and job.stage != "reference":
            self.tracking.stage_ended(users, job.stage, job.key)
        self._release(job, failure.reason if failure else self._outcome(job), failure is not None)

    def _stopped(self, job: Job, spent: dict[str, Any]) -> None:
        for trial in self._users[job.key]:
            trial.stopped, trial.test_key = spent, None
            self._write(trial)
        self._release(job, f"stopped at iteration {spent['iterations']}, behind the others")

    def _release(self, job: Job, outcome: str, failed: bool = False) -> None:
        self.under_way.discard(job.key)
        self.progress.ended(job.key, outcome, failed)
        self.claims.release(_names(job))

    def _claimed(self, jobs: Sequence[Job]) -> Iterator[list[Job]]:
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

    def _missing(self, claimed: Sequence[Job]) -> list[Job]:
        """The jobs that no other study has finished since they were planned; they are under way from now on."""
        missing = [job for job in claimed if not self._is_there(job)]
        self.under_way |= {job.key for job in missing}
        for job in claimed:
            if job not in missing:
                self._release(job, f"{self._text(job)}  {self._outcome(job)}  by another study")
        return missing

    def _is_there(self, job: Job) -> bool:
        """Whether another study has finished all of a job since it was planned; what it has finished is reused."""
        there = [self.store.result(stage, key) is not None for stage, key in job.stages]
        for trial in self._users[job.key] if there[0] else ():
            if job.stage == "search":
                trial.search_reused = True
            elif job.stage == "train":
                trial.train_reused = True
        return all(there)

    def _outcome(self, job: Job) -> str:
        result = self.store.result(job.stage, job.key) or {}
        found = f"{result.get('architecture', '')}  {duration(result.get('seconds', 0))}"
        scores = [self.store.result("test", key) for key, _ in job.tests]
        return "  ".join([found, *(f"{mean(s['by_image']['psnr_db']):.2f} dB" for s in scores if s)])


def _names(job: Job) -> set[str]:
    """What a job is claimed by: a training's claim covers its tests, so that studies with other tests of it wait too."""
    return {f"{stage}/{key}" for stage, key in job.stages}

"""The trials that have no row yet, from what is missing of them to their rows, stage by stage.

1. Searches, and trainings of architectures that are known already, run side by side.
2. Trainings of what was found join them as soon as the last search has ended.
3. Testing times are taken one at a time, while nothing else runs; each trial's row is written with its own.

So two trials that need one stage are one job, and no trial waits for another while it holds a slot. The
price is that the first rows are written when the last network is trained.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from analysis.rows.units import duration
from clearer.configuration import fields_about
from clearer.presets import label, labels
from studies.driver.progress import Progress
from studies.driver.session import Session
from studies.nodes.exchange import Exchange
from studies.planning.packs import packs
from studies.planning.plan import Plan, Task
from studies.store.claims import POLL_SECONDS, Claims, timing_name
from studies.store.rows import configuration_columns, curve_table, row_table
from studies.store.store import Store
from studies.tracking.content import UnderWay
from studies.work.jobs import Ended, Failure, Job, Progressed, Started
from studies.work.keys import Trial
from studies.work.trials import mean, trial_row

Trials = Sequence[Trial]
_READ = sorted(fields_about("pixels"))
"""What a row of references says of what was scored."""
_FAILED = ".failed"
"""How the name of a file ends that says why references have failed."""


@dataclass
class Tasks:
    """Jobs on their way: claimed, computed as packs, told of, until each has ended.

    What another study on this store computes at the moment is left to it, and asked for again until it is done.
    """

    store: Store
    progress: Progress
    claims: Claims
    exchange: Exchange
    labels: Mapping[str, str] = field(default_factory=dict)
    all: dict[str, Task] = field(default_factory=dict)
    _unclaimed: dict[str, Task] = field(default_factory=dict)
    _widths: dict[str, int] = field(default_factory=dict)
    _asked: float = 0.0
    _said: bool = False

    @property
    def open(self) -> list[Task]:
        return [task for task in self.all.values() if not task.has_ended]

    def add(self, name: str, tasks: Mapping[str, Task], widths: Mapping[str, int], follow: bool = False) -> bool:
        """Takes up those that are not on their way and have not failed; whether there are any. Others may `follow`."""
        new = {}
        for key, task in tasks.items():
            there = self.all.get(key)
            if there is not None and not there.has_ended:
                there.trials += [trial for trial in task.trials if trial not in there.trials]
            elif there is None or there.failure is None:
                new[key] = task
        if new:
            self.progress.more(name, Counter(task.job.stage for task in new.values()), follow)
        self.all |= new
        self._unclaimed |= new
        self._widths |= widths
        self._asked = 0.0
        return bool(new)

    def ends(self) -> Iterator[Task]:
        """Each task when it has ended; more may be added meanwhile."""
        while self.open:
            yield from self._claimed()
            if not self.open:
                return
            event = self.exchange.heard(POLL_SECONDS if self._unclaimed else None)
            if isinstance(event, Started):
                tasks = [task for job in event.pack.jobs if not (task := self.all[job.key]).has_ended]
                for task in tasks:
                    task.has_started = True
                self.progress.started({task.job.key: self._text(task) for task in tasks}, event.pack.jobs[0].stage)
            elif isinstance(event, Progressed):
                records = self.all[event.key].records
                while records and records[-1]["iteration"] >= event.iteration:  # what a lost worker told
                    records.pop()
                records.append(event.record)
                self.progress.progressed(event.key, event)
            elif isinstance(event, Ended):
                task = self.all[event.key]
                task.failure = event.failure
                task.records = list(event.curve) or task.records
                yield self._end(task, event.failure.reason if event.failure else self._outcome(task.job))

    def _end(self, task: Task, outcome: str) -> Task:
        task.has_ended = True
        self.progress.ended(task.job.key, outcome, task.failure is not None, task.job.stages)
        self.claims.release(task.job.claims)
        return task

    def _claimed(self) -> Iterator[Task]:
        """Hands out what no other study has claimed; those come back that another has finished meanwhile."""
        if not self._unclaimed or time.monotonic() - self._asked < POLL_SECONDS:
            return
        self._asked = time.monotonic()
        won = self.claims.take({key: task.job.claims for key, task in self._unclaimed.items()})
        others = [task.job for key, task in self._unclaimed.items() if key not in won]
        if others and not self._said:
            count = "1 stage is" if len(others) == 1 else f"{len(others)} stages are"
            owners = self.claims.owners(set().union(*(job.claims for job in others)))
            self.progress.say(f"{count} being computed by another study ({owners}): waiting")
            self._said = True
        claimed = [self._unclaimed.pop(key) for key in list(self._unclaimed) if key in won]
        there = {stage: self.store.finished(stage) for stage in {s for task in claimed for s, _ in task.job.stages}}
        missing = []
        for task in claimed:
            found = [key in there[stage] for stage, key in task.job.stages]
            task.is_new &= not found[0]
            if all(found):
                yield self._end(task, f"{self._text(task)}  {self._outcome(task.job)}  by another study")
            else:
                missing.append(task.job)
        self.exchange.submit(packs(missing, self._widths))

    def _text(self, task: Task) -> str:
        """A task in a few words: the first trial that needs it."""
        if not task.trials or not task.job.is_a_trial_s:
            return task.job.text
        first = self.labels.get(task.trials[0].trial_id) or label(task.trials[0].configuration)
        return first if len(task.trials) == 1 else f"{first} (and {len(task.trials) - 1} more)"

    def _outcome(self, job: Job) -> str:
        result = self.store.result(job.stage, job.key) or {}
        found = f"{result.get('architecture', '')}  {duration(result.get('seconds', 0))}"
        scores = [self.store.result(stage, key) for stage, key in job.stages if stage == "test"]
        return "  ".join([found, *(f"{mean(s['by_image']['psnr_db']):.2f} dB" for s in scores if s)])


class Execution:
    """Computes what is missing of `trials`, and writes their rows; packs are of all that the study has `planned`.

    `started` says when each was first begun.
    """

    def __init__(self, study: str, session: Session, trials: Trials, planned: Trials, started: Mapping[str, str]):
        self.study, self.session, self.store = study, session, session.store
        self.trials, self.planned = trials, planned
        self.started = {trial.trial_id: datetime.fromisoformat(started[trial.trial_id]) for trial in trials}
        own = labels([trial.configuration for trial in planned])[1]
        self.labels = {trial.trial_id: text for trial, text in zip(planned, own, strict=True)}
        self.failures: dict[str, Failure] = {}
        self._tasks: Mapping[str, Task] = {}

    @property
    def left(self) -> list[Trial]:
        """The trials that have not failed."""
        return [trial for trial in self.trials if trial.trial_id not in self.failures]

    @property
    def lost(self) -> list[Task]:
        """What has failed and belongs to no trial."""
        return [task for task in self._tasks.values() if task.failure and not task.job.is_a_trial_s]

    def run_to_rows(self, progress: Progress) -> None:
        """Computes, times and writes; a trial without a row afterwards has failed, and another run may mend it."""
        session = self.session
        session.under_way = self._under_way
        with Claims(self.store) as claims:
            with session.cluster.workers(session.place) as exchange:
                tasks = Tasks(self.store, progress, claims, exchange, self.labels)
                self._tasks = tasks.all
                self._learn(tasks)
            write_references(self.store, self.study, self.trials, self.lost)
            self._time(claims, progress)
        session.under_way = lambda: ()

    def _learn(self, tasks: Tasks) -> None:
        name = "searches, references, trainings"
        while self._add(tasks, name):
            for task in tasks.ends():
                self._fail(task, task.trials)
                if task.job.others_wait and not any(other.job.others_wait for other in tasks.open):
                    self._add(tasks, "trainings")
            name = "trainings"

    def _add(self, tasks: Tasks, name: str) -> bool:
        """Adds what can be computed now; whether there is any. What has failed in this run is not tried again."""
        plan = Plan(self.store, self.left, self.planned)
        wanted = plan.tasks()
        for key in wanted.keys() & tasks.all.keys():
            self._fail(tasks.all[key], wanted[key].trials)
        follow = any(task.job.others_wait for task in [*wanted.values(), *tasks.open])
        return tasks.add(name, wanted, plan.widths(self.session.packing), follow)

    def _fail(self, task: Task, trials: Trials) -> None:
        """Fails trials with a job of theirs, where it has failed."""
        if task.failure is None or not task.job.is_a_trial_s:
            return
        for trial in trials:
            self.failures[trial.trial_id] = task.failure
            if task.failure.permanent:
                self._write(trial, Plan(self.store, [trial]).architecture(trial))

    def _time(self, claims: Claims, progress: Progress) -> None:
        plan = Plan(self.store, self.left, self.planned)
        ready = [(trial, text) for trial in self.left if (text := plan.architecture(trial))]
        if not ready:
            return
        cluster = self.session.cluster
        progress.more("testing times", {"time": len(ready)}, follow=False)
        device = self.session.timed_on(self.study)
        node = cluster.timing_node(max(trial.configuration.threads for trial, _ in ready), device)
        host = node["NodeManagerHostname"] if node else "a node that is started"

        def waiting(owner: str) -> None:
            progress.say(f"another study ({owner}) takes times on {host}: waiting")

        with claims.alone(timing_name(host), waiting):
            times = cluster.time_networks(ready, self.session.place, device, progress.say)
            for (trial, architecture), time_ in zip(ready, times, strict=True):
                milliseconds = self._write(trial, architecture, *time_)
                took = f"not timed: {time_[1]}" if milliseconds is None else f"{milliseconds:.1f} ms an image"
                progress.ended(trial.trial_id, f"{self.labels[trial.trial_id]}  {took}")

    def _write(
        self, trial: Trial, architecture: str | None, time_key: str | None = None, time_error: str | None = None
    ) -> float | None:
        """Writes the row and the curve of a trial; its testing time."""
        train = trial.train_key(architecture) if architecture else None
        failure = self.failures.get(trial.trial_id)
        row = trial_row(self.study, trial, architecture, self.store, time_key) | {
            "status": "failed" if failure else "finished",
            "error": failure.reason if failure else None,
            "started_at": self.started[trial.trial_id],
            "search_reused": self._is_reused(trial.search_key, trial),
            "train_reused": self._is_reused(train, trial),
            "test_time_error": time_error,
        }
        searched, trained = self._curve("search", trial.search_key), self._curve("train", train)
        if trained and failure is None:
            row["validation_psnr_db"] = trained[-1]["psnr_db"]
        records = searched + trained
        self.store.end_trial(self.study, trial.trial_id, row_table(row), curve_table(records, trial.trial_id))
        return row["test_time_ms"]

    def _is_reused(self, key: str | None, trial: Trial) -> bool | None:
        """Whether a stage was there before this run, or was computed for another trial of it."""
        task = self._tasks.get(key or "")
        return None if key is None else task is None or not task.is_new or task.trials[0].trial_id != trial.trial_id

    def _curve(self, stage: str, key: str | None) -> list[dict]:
        """The curve of a stage that has finished, or has failed in this run."""
        task = self._tasks.get(key or "")
        return (self.store.learnt_curve(stage, key) if key else []) or (task.records if task and task.failure else [])

    def _under_way(self) -> list[UnderWay]:
        """The trials that have begun and have no row, with what of their curves is safe; a thread asks for them."""
        records: dict[str, list[dict]] = {}
        for task in list(self._tasks.values()):
            for trial in task.trials if task.has_started and task.job.is_a_trial_s else ():
                records.setdefault(trial.trial_id, []).extend(self._safe(task))
        begun = [trial for trial in self.left if trial.trial_id in records]
        return [UnderWay(t.configuration, self.started[t.trial_id], records[t.trial_id]) for t in begun]

    def _safe(self, task: Task) -> list[dict]:
        if task.has_ended:
            return task.records
        saved = self.store.saved_iteration(task.job.stage, task.job.key)
        return [record for record in list(task.records) if record["iteration"] <= saved]


def run_jobs(name: str, jobs: Sequence[Job], session: Session, progress: Progress) -> list[Task]:
    """Runs jobs that belong to no trial; those that failed, which are named on the way."""
    with Claims(session.store) as claims, session.cluster.workers(session.place) as exchange:
        tasks = Tasks(session.store, progress, claims, exchange)
        tasks.add(name, {job.key: Task(job) for job in jobs}, {})
        return [task for task in tasks.ends() if task.failure is not None]


def write_references(store: Store, study: str, trials: Trials, lost: Sequence[Task]) -> None:
    """One file a protocol beside the rows: what methods without training score on the same pixels, or why they fail."""
    reasons = {task.job.key: task.failure.reason for task in lost if task.failure}
    for key, c in {trial.reference_key: trial.configuration for trial in trials}.items():
        name, result = f"studies/{study}/references/{key[:12]}", store.result("reference", key)
        if result is not None:
            columns = configuration_columns(c)
            rows = [{**row, **{name: columns[name] for name in _READ}} for row in result["rows"]]
            store.write_rows(f"{name}.parquet", rows)
            store.remove(f"{name}{_FAILED}")
        elif key in reasons:
            store.write(f"{name}{_FAILED}", reasons[key].encode())


def failed_references(store: Store, study: str) -> set[str]:
    """The first digits of the keys of references that the last run to need them could not compute."""
    names = store.names(f"studies/{study}/references", rf"[0-9a-f]{{12}}\{_FAILED}")
    return {name.removesuffix(_FAILED) for name in names}

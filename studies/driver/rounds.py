"""One run of a study: a round of trials, then those that follow from what they found, until nothing new follows.

A round runs stage by stage (`studies.driver.execution`). With a time budget it runs in waves of as many
trials as the cluster holds at once, each wave to its rows: what the time was spent on is finished trials.
"""

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from analysis.rows.load import finished
from analysis.storage.places import redacted
from analysis.study_results import Results
from clearer.command import print_prose
from clearer.configuration import Configuration
from clearer.images.datasets import DATASETS
from clearer.presets import Edition, edition, labels, preset_values
from clearer.splits import absent_sets, contents_lines
from clearer.tasks import own
from studies.driver.execution import Execution, failed_references, run_jobs, write_references
from studies.driver.progress import Progress
from studies.driver.session import Session
from studies.driver.study import Findings, Study, unique
from studies.planning.plan import Task
from studies.store.store import Store
from studies.store.study_file import planned_trials, runs_of, write_study
from studies.work.jobs import Failure, Job, References
from studies.work.keys import Trial


@dataclass
class Outcome:
    """What came of one run of a study."""

    study: Study
    planned: list[Configuration]
    unfinished: list[tuple[Configuration, Failure]] = field(default_factory=list)
    """Trials without a row: another run may finish them."""
    lost: list[Task] = field(default_factory=list)
    """Jobs that belong to no trial and failed."""
    is_out_of_time: bool = False

    def lose(self, tasks: Sequence[Task], store: Store) -> None:
        """Keeps jobs that failed, each once, but for those that another try has finished."""
        known = {task.job.key: task for task in [*self.lost, *tasks]}
        self.lost = [task for task in known.values() if store.result(task.job.stage, task.job.key) is None]

    def results(self, session: Session) -> Results:
        """What the planned trials have found so far."""
        return Results(session.store.storage, self.study.name, frozenset(c.trial_id for c in self.planned))


def first_round(study: Study, session: Session) -> list[Configuration]:
    """The trials that a study begins with. Raises ConfigurationError: a mistake in what was asked."""
    o = session.options
    begun_with = [run.get("edition", 1) for run in runs_of(session.store, study.name) if run["preset"] == o.preset]
    if begun_with and min(begun_with) < edition(o.preset):
        o = session.options = replace(o, preset=Edition(o.preset, min(begun_with)))
    first = study.trials(o.preset, o.assigned, o.seeds, o.random, session.place.folder)
    if any(preset_values(o.preset, task) != preset_values(str(o.preset), task) for task in {c.task for c in first}):
        begun = f"{study.name} began with an earlier edition of the preset {o.preset}, and goes on with it"
        session.console.print(f"{begun}; another --storage begins with today's")
    if not o.dry_run and any(c.complexity == "time" and not c.module_times_ms for c in first):
        session.store.check_writable()
    absent = {c: absent_sets(c, session.place.folder) if o.dry_run else [] for c in first}
    for name in sorted(set().union(*absent.values())):
        where = f"--data DIR must name the folder that holds {name}/; python -m clearer data --data DIR fetch {name}"
        session.console.print(f"{name}: its {DATASETS[name].images} images are not here; {where}", soft_wrap=True)
    for line in contents_lines([c for c in first if not absent[c]], session.place.folder):
        session.console.print(line, markup=False, emoji=False, soft_wrap=True)
    return session.measured(first, study.name)


def run(study: Study, session: Session, planned: Sequence[Configuration]) -> Outcome:
    """Runs what is missing of the planned trials, and what follows; then writes the report."""
    return _Run(study, session, list(planned)).to_its_end()


class _Run:
    def __init__(self, study: Study, session: Session, planned: list[Configuration]):
        self.study, self.session = study, session
        self.outcome = Outcome(study, planned)
        budget = session.options.budget
        self._deadline = None if budget is None else time.monotonic() + budget
        self._nodes: dict[str, Any] = {}
        self._progress = Progress(session.console, session.slots_here(planned))

    def to_its_end(self) -> Outcome:
        session, name, outcome = self.session, self.study.name, self.outcome
        missing = session.missing(name, outcome.planned)
        if missing:  # before anything is written
            with self._progress:
                costs = session.costs(missing, outcome.planned)
                self._nodes = session.preflight(costs)
                session.settle_packs(name, outcome.planned)
                self._progress.expect(costs.outlook(session.packing))
        with session.alone(name) as has_waited:
            if has_waited:
                missing = session.missing(name, outcome.planned)
            while True:
                if missing:
                    self._run_round(missing)
                further = self._further()
                if not further:
                    break
                outcome.planned += further
                missing = session.missing(name, further)
                if missing:
                    self._progress.expect(session.costs(missing, outcome.planned).outlook(session.packing))
                there = f"{len(further) - len(missing)} there, {len(missing)} to run"
                session.console.print(f"what was found asks for {len(further)} more trials, {there}")
            self._retry_references()
            session.store.compact(name)
            from analysis.report.report import write_report  # loads matplotlib

            write_report(outcome.results(session))
            if session.store.read(f"studies/{name}/study.json") is not None:
                session.track(name)
        return outcome

    def _run_round(self, missing: list[Trial]) -> None:
        session, name, outcome = self.session, self.study.name, self.outcome
        threads = max(trial.configuration.threads for trial in missing)
        session.cluster.check_request(threads)
        session.cluster.timing_node(threads, session.timed_on(name))
        if session.options.retry_failed:
            for trial_id in session.store.trial_ids(name) & {trial.trial_id for trial in missing}:
                session.store.forget_trial(name, trial_id)
        run = {"command": redacted(shlex.join(sys.argv)), "preset": session.options.preset, **self._nodes}
        run |= {"packing": asdict(session.packing)} if session.packing.gpus else {}
        run |= {"tasks": tasks} if (tasks := own.sources()) else {}
        run |= {"follows_from": self.study.follows_from} if self.study.follows_from else {}
        planned = session.pixels.trials(outcome.planned)
        run |= {"overlaps": session.pixels.overlaps} if session.pixels.overlaps else {}
        about = write_study(session.store, name, outcome.planned, self.study.question, **run)
        session.track(name)
        if session.console.is_terminal or len(outcome.planned) > 1:
            print_prose(session.console, f"all trials: {labels(outcome.planned)[0]}")
        with self._progress as progress:
            at_once = len(missing) if self._deadline is None else session.slots(outcome.planned)
            for wave in (missing[first : first + at_once] for first in range(0, len(missing), at_once)):
                if self._deadline is not None and time.monotonic() >= self._deadline:
                    outcome.is_out_of_time = True
                    break
                execution = Execution(name, session, wave, planned, about["trials_started_at"])
                execution.run_to_rows(progress)
                outcome.lose(execution.lost, session.store)
                failed = [(t.configuration, execution.failures.get(t.trial_id)) for t in wave]
                outcome.unfinished += [(c, failure) for c, failure in failed if failure and not failure.permanent]

    def _retry_references(self) -> None:
        """Computes the references that an earlier run could not; those that trials of this run need were among jobs."""
        session, name, outcome = self.session, self.study.name, self.outcome
        failed = failed_references(session.store, name) - {task.job.key[:12] for task in outcome.lost}
        if failed:
            trials = [t for t in session.pixels.trials(outcome.planned) if t.reference_key[:12] in failed]
            jobs = {t.reference_key: References(t.reference_key, t.configuration, t.data) for t in trials}
            findings(outcome, session).compute("references", list(jobs.values()))
            write_references(session.store, name, trials, outcome.lost)

    def _further(self) -> list[Configuration]:
        """The trials that follow and are not planned yet; none when time is spent or trials are unfinished."""
        if self.study.follow is None or self.outcome.is_out_of_time or self.outcome.unfinished:
            return []
        known = {c.trial_id for c in self.outcome.planned}
        found = self.session.measured(self.study.follow(findings(self.outcome, self.session)), self.study.name)
        return [c for c in unique(found) if c.trial_id not in known]


def findings(outcome: Outcome, session: Session) -> Findings:
    """What a study's `follow` and `answer` see."""
    name, planned = outcome.study.name, outcome.planned

    def compute(text: str, jobs: Sequence[Job]) -> None:
        missing = [job for job in jobs if session.store.result(job.stage, job.key) is None]
        if missing:
            with Progress(session.console) as progress:
                outcome.lose(run_jobs(text, missing, session, progress), session.store)

    return Findings(
        study=name,
        options=session.options,
        store=session.store,
        pixels=session.pixels,
        trials=planned,
        recorded=list(planned_trials(session.store, name).values()),
        rows=finished(outcome.results(session).frame),
        slots=lambda: session.slots(planned),
        module_times=lambda c: session.module_times(c, name),
        compute=compute,
    )

"""The plan of a study: which stages its trials need, which of them the store has, which jobs and packs the rest makes.

It is made of one listing a stage and of the rows' compacted copies; single objects are read only for searches that have
ended and have no row yet. Whoever asks what is missing asks it: the run, the dry run, the disk check and `gc`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from clearer.configuration import Configuration, digest
from studies.planning.packs import Packing
from studies.store.store import Store
from studies.work.jobs import Failure, Job, References, Search, Train
from studies.work.keys import Trial

STAGES = "search train test time reference".split()
ALONE = "time"
"""The stage whose jobs run one at a time, while nothing else does."""
Device = Callable[[int], str]
"""The name of what testing times are taken on, by the number of threads."""


@dataclass
class Need:
    """The stages of one kind that trials need; a key is a tuple where it follows from a search that is still to run."""

    needed: int = 0
    missing: dict[Any, Configuration] = field(default_factory=dict)
    there: set[Any] = field(default_factory=set)

    @property
    def shared(self) -> int:
        """How many trials need a stage that is another's too."""
        return self.needed - len(self.missing) - len(self.there)


@dataclass
class Task:
    """A job that is missing, the trials that need it, and how far it is; it is computed for the first of them."""

    job: Job
    trials: list[Trial] = field(default_factory=list)
    is_new: bool = True
    """Whether its first stage is missing, not only tests of it."""
    has_started: bool = False
    has_ended: bool = False
    failure: Failure | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    """The rows of its curve that were told in this run; of one that diverged, all."""


class Plan:
    """What `trials` need, of all that a study has `planned`, and what the `store` has of it."""

    def __init__(self, store: Store, trials: Sequence[Trial], planned: Sequence[Trial] = ()):
        self.store, self.trials, self.planned = store, trials, planned or trials
        self.finished: Mapping[str, Mapping[str, int]] = {s: store.finished(s) for s in STAGES}
        """The bytes of every finished stage, by kind and key."""
        asked = {trial.search_key for trial in (*self.planned, *trials)} & self.finished["search"].keys()
        self.found = _architectures(store, asked)  # type: ignore[arg-type]

    def architecture(self, trial: Trial) -> str | None:
        """The architecture of a trial; None where its search has not ended."""
        return self.found.get(trial.search_key) if trial.search_key else trial.configuration.architecture

    def needs(self, device: Device | None = None) -> dict[str, Need]:
        """What the trials need, by stage. A time counts as missing where the `device` is not known.

        Trainings, tests and times are upper bounds: a search may find an architecture that is trained already.
        """
        needs = {stage: Need() for stage in STAGES}
        for trial in self.trials:
            for stage, key in self.keys(trial, device).items():
                need = needs[stage]
                need.needed += 1
                if key in self.finished[stage]:
                    need.there.add(key)
                else:
                    need.missing.setdefault(key, trial.configuration)
        return needs

    def keys(self, trial: Trial, device: Device | None = None) -> dict[str, Any]:
        """The key of each stage of a trial; a tuple tells apart what follows from a search that is still to run."""
        c, text = trial.configuration, self.architecture(trial)
        found: dict[str, Any] = {"search": trial.search_key} if trial.search_key else {}
        if text:
            found["train"] = trial.train_key(text)
            found["test"] = trial.tested_key(found["train"])
        else:
            found["train"] = trial.search_key, digest(c.of_stage("train"))
            found["test"] = found["train"], digest(c.of_stage("test"))
        if text and device is not None:
            found["time"] = trial.time_key(text, device(c.threads))
        else:
            found["time"] = text or trial.search_key, digest(c.of_stage("time"))
        return found | {"reference": trial.reference_key}

    def tasks(self) -> dict[str, Task]:
        """The jobs that are missing and can be computed now, by their keys: what waits for a search is not there."""
        tasks: dict[str, Task] = {}
        for trial in self.trials:
            for job in self._jobs(trial):
                task = tasks.setdefault(job.key, Task(job, is_new=job.key not in self.finished[job.stage]))
                task.trials.append(trial)
                if isinstance(job, Train) and isinstance(task.job, Train):
                    tests = tuple(dict([*task.job.tests, *job.tests]).items())
                    task.job = Train(job.key, task.job.configuration, job.data, job.architecture, tests)
        return tasks

    def _jobs(self, trial: Trial) -> Iterator[Job]:
        c, data, text, keys = trial.configuration, trial.data, self.architecture(trial), self.keys(trial)
        if keys["reference"] not in self.finished["reference"]:
            yield References(keys["reference"], c, data)
        if text is None:
            yield Search(keys["search"], c, data)
        elif keys["test"] not in self.finished["test"]:
            yield Train(keys["train"], c, data, text, ((keys["test"], c),))

    def widths(self, packing: Packing) -> dict[str, int]:
        """The widths of all packs, by the names of jobs, from all planned trials.

        Trainings of given architectures may begin before searches end: what searches find does not change their widths.
        """
        searches = [Search(t.search_key, t.configuration, t.data) for t in self.planned if t.search_key]
        given = [self._training(t) for t in self.planned if not t.search_key]
        widths = packing.searches(searches) | packing.trainings(filter(None, given))
        found = [self._training(t) for t in self.planned if t.search_key]
        return widths | packing.trainings(job for job in found if job and job.name not in widths)

    def _training(self, trial: Trial) -> Train | None:
        text = self.architecture(trial)
        return Train("", trial.configuration, trial.data, text) if text else None


def _architectures(store: Store, keys: set[str]) -> dict[str, str]:
    """What finished searches found, by their keys: from the rows, else from their results, read side by side."""
    rows = store.sampled_rows(["search_key", "architecture"], 0) if keys else []
    known = {row["search_key"]: row["architecture"] for row in rows if row["architecture"]}
    found = {key: known[key] for key in keys & known.keys()}
    left = keys - found.keys()
    with ThreadPoolExecutor(32) as pool:  # the wait of each is long on S3
        results = zip(left, pool.map(lambda key: store.result("search", key), left), strict=True)
        return found | {key: result["architecture"] for key, result in results if result is not None}

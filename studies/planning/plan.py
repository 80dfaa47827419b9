"""Which stages the trials that are missing need, and which of them the store has: one listing a stage, no object by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from studies.store.store import Store
from studies.work import stages
from studies.work.trials import Trial

STAGES = ("search", "train", "test", "time", "reference")


@dataclass
class Stages:
    """The stages of one kind that some trials need; a key is a tuple where it follows from a search that is still to run."""

    wanted: int = 0
    todo: dict[Any, Configuration] = field(default_factory=dict)
    there: set[Any] = field(default_factory=set)

    @property
    def shared(self) -> int:
        """How many trials need a stage that is another's too."""
        return self.wanted - len(self.todo) - len(self.there)

    def add(self, key: Any, configuration: Configuration, finished: Mapping[str, int]) -> None:
        """One more trial needs the stage `key`."""
        self.wanted += 1
        if key in finished:
            self.there.add(key)
        else:
            self.todo.setdefault(key, configuration)


@dataclass(frozen=True)
class Plan:
    """The stages by kind, and the bytes of every finished stage in the store by kind and key."""

    stages: Mapping[str, Stages]
    finished: Mapping[str, Mapping[str, int]]


def plan(trials: Sequence[Trial], store: Store, device: Callable[[int], str] | None) -> Plan:
    """What `trials` need. `device` names what testing times are taken on, by the number of threads; where it is not known they count as missing.

    A search that is still to run may find an architecture that is trained already: trainings, tests and times are then
    upper bounds.
    """
    finished = {stage: store.finished(stage) for stage in STAGES}
    found = Plan({stage: Stages() for stage in STAGES}, finished)
    searches = {t.trial_id: stages.search_key(t.configuration, t.data) for t in trials if _is_searched(t)}
    architectures = _architectures(store, {key for key in searches.values() if key in finished["search"]})
    for trial in trials:
        c, data = trial.configuration, trial.data
        search = searches.get(trial.trial_id)
        if search is not None:
            found.stages["search"].add(search, c, finished["search"])
        text = architectures.get(search) if search is not None else c.architecture
        keys = _keys_after(trial, Architecture.parse(text), device) if text else _unknown_keys(c, search)
        keys["reference"] = stages.reference_key(c, data)
        for stage, key in keys.items():
            found.stages[stage].add(key, c, finished[stage])
    return found


def _is_searched(trial: Trial) -> bool:
    return trial.configuration.kind == "searched"


def _architectures(store: Store, keys: set[str]) -> dict[str, str]:
    """What finished searches found, by their keys; read side by side, for the wait of each is long on S3."""
    with ThreadPoolExecutor(32) as pool:
        results = zip(keys, pool.map(lambda key: store.result("search", key), keys), strict=True)
        return {key: result["architecture"] for key, result in results if result is not None}


def _keys_after(trial: Trial, architecture: Architecture, device: Callable[[int], str] | None) -> dict[str, Any]:
    c, data = trial.configuration, trial.data
    train = stages.train_key(c, architecture, data)
    time: Any = str(architecture), _values(c, "time")
    if device is not None:
        time = stages.time_key(c, architecture, data, device(c.threads))
    return {"train": train, "test": stages.test_key(c, train, data), "time": time}


def _unknown_keys(c: Configuration, search: str | None) -> dict[str, Any]:
    """Keys that tell apart what follows from a search that is still to run."""
    train = search, _values(c, "train")
    return {"train": train, "test": (train, _values(c, "test")), "time": (search, _values(c, "time"))}


def _values(c: Configuration, stage: str) -> str:
    return repr(c.of_stage(stage))

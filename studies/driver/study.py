"""A study: a question, and the configurations that answer it.

The first round of trials is a grid: points × axes × seeds, beside random architectures and the ends of
the space. What follows from a round's results (an architecture retrained on another task, the next
proposal of a sampler) is the next round; `studies.driver.rounds` runs them until nothing new follows.
"""

import argparse
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from clearer.architecture import FUSION, PARALLEL, Architecture
from clearer.configuration import SEARCH_ONLY, Configuration, check_name
from clearer.fields import ConfigurationError
from clearer.presets import PRESETS, preset_values
from clearer.streams import stream
from clearer.tasks.known import TASKS, USUAL
from clearer.tasks.own import register
from clearer.tasks.task import Task
from studies.driver.options import Multiple, Options
from studies.store.store import Store
from studies.work.jobs import Job
from studies.work.trials import Pixels

Axes = Mapping[str, Sequence[Any]]
"""The values of fields that vary."""
Points = Callable[[str, Path | None], Sequence[Mapping[str, Any]]]
"""Of a preset and the data folder: fields that change together, each point with all the axes."""


@dataclass(frozen=True)
class Findings:
    """What a study's `follow` and `answer` see: what was asked, the trials planned so far, and their finished rows.

    `slots` says how many trials the cluster holds at once; `compute` has jobs computed that belong to no trial;
    `module_times` has those of a configuration measured where trials run, unless the store has them.
    """

    study: str
    options: Options
    store: Store
    pixels: Pixels
    trials: Sequence[Configuration]
    recorded: Sequence[Configuration]
    """Every trial that this study has ever planned in this store."""
    rows: pd.DataFrame
    slots: Callable[[], int]
    compute: Callable[[str, Sequence[Job]], None]
    module_times: Callable[[Configuration], tuple[float, ...]]

    @property
    def found(self) -> dict[str, str]:
        """The architectures of the finished trials, by `trial_id`."""
        return dict(zip(self.rows["trial_id"], self.rows["architecture"], strict=True)) if len(self.rows) else {}


@dataclass(frozen=True)
class Study:
    """`axes` are the fields that a preset varies and their values; `random` the number of random architectures.

    With `ends` the all-parallel and the all-fusion network are trained too: the largest and the smallest of a space.
    Without `searched` the first round has no searches. `follow` gives the trials that follow from what was found, again
    and again until it gives none that is new; where it chooses, `follows_from` names the column that it goes by.
    `answer` says in lines what the rows answer; `arguments` adds flags. `task` are tasks of one's own, on which it runs
    unless its points, its axes or `--set` name others. It has the presets that `axes` and `random` name: one will do.
    """

    name: str
    random: Mapping[str, int] = field(default_factory=dict)
    axes: Mapping[str, Axes] = field(default_factory=dict)
    task: type[Task] | Sequence[type[Task]] = ()
    ends: bool = True
    points: Points = lambda preset, folder: [{}]
    searched: bool = True
    replaced_by_assigned: bool = False
    follow: Callable[[Findings], list[Configuration]] | None = None
    follows_from: str = ""
    answer: Callable[[Findings], list[str]] | None = None
    arguments: Callable[[argparse.ArgumentParser], None] | None = None
    check: Callable[[Axes], None] | None = None
    question: str = ""

    @property
    def presets(self) -> list[str]:
        """The presets that it has, the usual one first."""
        return [preset for preset in PRESETS if preset in {*self.axes, *self.random}]

    def trials(
        self,
        preset: str,
        assigned: Axes,
        seeds: int | None = None,
        random: int | None = None,
        folder: Path | None = None,
    ) -> list[Configuration]:
        """Every configuration of the first round, without repeats: searched or given ones, then those without a search.

        `assigned` fields replace the preset's values and the study's own points and axes: one value holds for all
        trials, several are an axis. `seeds` replicates count upwards from the `seed` assigned, in the place of the
        preset's; `random` replaces the preset's number of random architectures.

        Raises:
            ConfigurationError: a field that does not exist, or a value that it can't take.
        """
        _check_assigned(assigned, seeds)
        if preset not in self.presets:
            there = ", ".join(self.presets) or "none; axes={'quick': {…}} gives it that one"
            raise ConfigurationError(f"preset={preset}: of its presets the study {self.name} has {there}")
        tasks = self._own_tasks()
        if self.check is not None:
            self.check(assigned)
        searched: list[Configuration] = []
        fixed: list[Configuration] = []
        for point in self.points(preset, folder):
            is_replaced = self.replaced_by_assigned and any(len(values) > 1 for values in assigned.values())
            own = {} if is_replaced else self.axes.get(preset, {})
            axes: dict[str, Any] = {**tasks, **{name: [value] for name, value in point.items()}, **own, **assigned}
            if seeds:
                first = int(assigned.get("seed", [0])[0])
                axes["seed"] = range(first, first + seeds)
            found = [configuration(preset, values) for values in product(axes)]  # a later round's mistakes show here
            if self.searched or "architecture" in assigned:
                searched += found
            if "architecture" not in assigned:
                fixed += self._fixed_trials(preset, axes, self.random.get(preset, 0) if random is None else random)
        return unique([*searched, *fixed])

    def _own_tasks(self) -> dict[str, list[str]]:
        """The axis of the tasks of the study's own, which are known from then on; none without."""
        classes = [self.task] if isinstance(self.task, type) else list(self.task)
        names = [task.name for task in classes]
        for task in classes:
            if not task.name.isidentifier():
                raise ConfigurationError(f"task={task.name}: the name of {task.__name__} must be one of letters and _")
            if names.count(task.name) > 1 or task.name in TASKS:
                raise ConfigurationError(f"task={task.name}: two tasks of one name; rename {task.__name__}")
            register(task)
        return {"task": names} if names else {}

    def _fixed_trials(self, preset: str, axes: Axes, count: int) -> list[Configuration]:
        """Trials without a search: `count` random architectures, and the all-parallel and all-fusion networks."""
        shared = {name: values for name, values in axes.items() if name not in SEARCH_ONLY}
        found = []
        for c in (configuration(preset, values) for values in product(shared)):
            columns = c.columns_by_cell
            found += [c.with_values(kind="random", architecture=str(a)) for a in random_architectures(columns, count)]
            ends = [Architecture.repeating(one, columns) for one in (PARALLEL, FUSION)] if self.ends else []
            found += [c.with_values(kind="given", architecture=str(a)) for a in ends]
        return found


def configuration(preset: str, values: Mapping[str, Any]) -> Configuration:
    """The configuration of a preset with some values: searched, or given where there is an architecture."""
    kind = "given" if values.get("architecture") else "searched"
    base = preset_values(preset, values.get("task", USUAL))
    if kind == "given":  # whatever space the preset searches; a text that is none, the configuration refuses
        columns = tuple(map(len, values["architecture"].split("-")))
        base |= {"cells": len(columns), "columns": columns} if all(columns) else {}
    whole = {**base, **values, "kind": kind}
    for name in whole:
        check_name(name)
    lambda1 = whole.get("lambda1")
    if not isinstance(lambda1, Multiple):
        return Configuration(**whole)
    without = Configuration(**{**whole, "lambda1": 0.0})
    return without.with_values(lambda1=lambda1.of(without))


def product(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values of some axes."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def unique(configurations: Sequence[Configuration]) -> list[Configuration]:
    """The configurations without repeats, in order."""
    return list({c.trial_id: c for c in configurations}.values())


def random_architectures(columns: Sequence[int], count: int) -> list[Architecture]:
    """The first `count` different architectures of one fixed random order of the space, whatever seed and task."""
    generator = stream(0, "random architectures")
    found: dict[str, Architecture] = {}
    while len(found) < min(count, 2 ** sum(columns)):
        architecture = Architecture.random(columns, generator)
        found[str(architecture)] = architecture
    return list(found.values())


def _check_assigned(assigned: Axes, seeds: int | None) -> None:
    for name in assigned:
        check_name(name)
    if "kind" in assigned:
        raise ConfigurationError("kind: follows from the rest; set architecture=… for a given one")
    if seeds and len(assigned.get("seed", [])) > 1:
        raise ConfigurationError("seed: give either several values or --seeds, not both")

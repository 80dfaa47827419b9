"""A study: a question, and the configurations that answer it.

The first round of trials is a grid: points × axes × seeds, beside random architectures and the ends of the space. What
follows from a round's results (an architecture retrained on another task, the next suggestion of a sampler) is the next
round; `studies.driver.rounds` runs them until nothing new follows.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from clearer.architecture import Architecture, all_fusion, all_parallel
from clearer.configuration import SEARCH_ONLY, Configuration, field_types
from clearer.fields import ConfigurationError, as_text
from clearer.losses import polarisation_threshold
from clearer.presets import preset_values
from clearer.streams import stream

if TYPE_CHECKING:
    from studies.driver.rounds import Findings

Points = Callable[[str, Path | None], Sequence[Mapping[str, Any]]]
"""Of a preset and the data folder: fields that change together, each point with all the axes."""


@dataclass(frozen=True)
class Multiple:
    """A λ1 as a multiple of the polarisation threshold N·w·ln 10, which grows with the number of columns."""

    factor: float

    def __str__(self) -> str:
        return f"{as_text(self.factor)}x"

    def of(self, configuration: Configuration) -> float:
        """The λ1 for a configuration's columns and weight decay, to six digits; ConfigurationError without weight decay."""
        if not configuration.alpha_weight_decay:
            raise ConfigurationError(f"lambda1={self}: alpha_weight_decay=0 has no threshold; give λ1 itself")
        threshold = polarisation_threshold(sum(configuration.columns_by_cell), configuration.alpha_weight_decay)
        return float(f"{self.factor * threshold:.6g}")


@dataclass(frozen=True)
class Study:
    """`axes` are the fields that a preset varies and their values; `random` the number of random architectures.

    With `ends` the all-parallel and the all-fusion network are trained too: the largest and the smallest of a space.
    Without `searched` the first round has no searches. `follow` gives the trials that follow from what was found, again
    and again until it gives none that is new; `answer` says in lines what the rows answer; `arguments` adds flags.
    """

    name: str
    axes: Mapping[str, Mapping[str, Sequence[Any]]]
    random: Mapping[str, int]
    ends: bool = True
    points: Points = lambda preset, folder: [{}]
    searched: bool = True
    replaced_by_assigned: bool = False
    follow: Callable[[Findings], list[Configuration]] | None = None
    answer: Callable[[pd.DataFrame, Findings], list[str]] | None = None
    arguments: Callable[[argparse.ArgumentParser], None] | None = None
    check: Callable[[Mapping[str, Sequence[Any]]], None] | None = None
    question: str = ""

    def trials(
        self,
        preset: str,
        assigned: Mapping[str, Sequence[Any]],
        seeds: int,
        random: int | None = None,
        folder: Path | None = None,
    ) -> list[Configuration]:
        """Every configuration of the first round, without repeats: searched or given ones, then those without a search.

        `assigned` fields replace the preset's values and the study's own points and axes: one value holds for all
        trials, several are an axis. `seeds` replicates are counted upwards from the `seed` assigned; `random`
        replaces the preset's number of random architectures.

        Raises:
            ConfigurationError: a field that does not exist, or a value that it can't take.
        """
        _check_assigned(assigned, seeds)
        if self.check is not None:
            self.check(assigned)
        searched: list[Configuration] = []
        fixed: list[Configuration] = []
        for point in self.points(preset, folder):
            axes: dict[str, Sequence[Any]] = {name: [value] for name, value in point.items()}
            if not (self.replaced_by_assigned and any(len(values) > 1 for values in assigned.values())):
                axes |= self.axes[preset]
            axes |= assigned
            if seeds > 1:
                first = int(assigned.get("seed", [0])[0])
                axes["seed"] = range(first, first + seeds)
            found = [
                configuration(preset, values) for values in _product(axes)
            ]  # raises for a later round's mistakes too
            if self.searched or "architecture" in assigned:
                searched += found
            if "architecture" not in assigned:
                fixed += self._fixed_trials(preset, axes, self.random[preset] if random is None else random)
        return unique([*searched, *fixed])

    def _fixed_trials(self, preset: str, axes: Mapping[str, Sequence[Any]], count: int) -> list[Configuration]:
        """Trials without a search: `count` random architectures, and the two at the ends of the space."""
        shared = {name: values for name, values in axes.items() if name not in SEARCH_ONLY}
        found = []
        for c in (configuration(preset, values) for values in _product(shared)):
            columns = c.columns_by_cell
            found += [c.with_values(kind="random", architecture=str(a)) for a in random_architectures(columns, count)]
            ends = (all_parallel(columns), all_fusion(columns)) if self.ends else ()
            found += [c.with_values(kind="given", architecture=str(a)) for a in ends]
        return found


def unique(configurations: Sequence[Configuration]) -> list[Configuration]:
    """The configurations without repeats, in order."""
    return list({c.trial_id: c for c in configurations}.values())


def random_architectures(columns: Sequence[int], count: int) -> list[Architecture]:
    """The first `count` different architectures of one fixed random order of the space: the same for every seed and task."""
    generator = stream(0, "random architectures")
    found: dict[str, Architecture] = {}
    while len(found) < min(count, 2 ** sum(columns)):
        architecture = Architecture.random(columns, generator)
        found[str(architecture)] = architecture
    return list(found.values())


def configuration(preset: str, values: Mapping[str, Any]) -> Configuration:
    """The configuration of a preset with some values: searched, or given where there is an architecture."""
    kind = "given" if values.get("architecture") else "searched"
    whole = {**preset_values(preset, values.get("task", "denoise")), **values, "kind": kind}
    lambda1 = whole.get("lambda1")
    if not isinstance(lambda1, Multiple):
        return Configuration(**whole)
    without = Configuration(**{**whole, "lambda1": 0.0})
    return without.with_values(lambda1=lambda1.of(without))


def _product(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _check_assigned(assigned: Mapping[str, Sequence[Any]], seeds: int) -> None:
    for name in assigned:
        if name not in field_types():
            raise ConfigurationError(f"{name}: no such field; the fields are {', '.join(field_types())}")
    if "kind" in assigned:
        raise ConfigurationError("kind: follows from the rest; set architecture=… for a given one")
    if seeds > 1 and len(assigned.get("seed", [])) > 1:
        raise ConfigurationError("seed: give either several values or --seeds, not both")

"""A study: a question, and the grid of configurations that answers it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clearer.architecture import Architecture
from clearer.configuration import PRESETS, SEARCH_ONLY, Configuration, field_types
from clearer.fields import ConfigurationError
from clearer.references import all_fusion, all_parallel
from clearer.streams import stream


@dataclass(frozen=True)
class Study:
    """`axes` are the fields that a preset varies and their values; `random` the number of random architectures.

    With `ends` the all-parallel and the all-fusion network are trained too: the largest and the smallest of a space.
    """

    name: str
    axes: Mapping[str, Mapping[str, Sequence[Any]]]
    random: Mapping[str, int]
    ends: bool = True

    def trials(self, preset: str, assigned: Mapping[str, Sequence[Any]], seeds: int) -> list[Configuration]:
        """Every configuration of the study, without repeats: searched or given ones, then those without a search.

        `assigned` fields replace the preset's values and the study's own axes: one value holds for all
        trials, several are an axis. `seeds` replicates are counted upwards from the `seed` assigned.

        Raises:
            ConfigurationError: a field that does not exist, or a value that it can't take.
        """
        _check_assigned(assigned, seeds)
        axes: dict[str, Sequence[Any]] = {name: [value] for name, value in PRESETS[preset].items()}
        axes |= self.axes[preset]
        axes |= assigned
        if seeds > 1:
            first = int(axes.get("seed", [0])[0])
            axes["seed"] = range(first, first + seeds)
        found = [_configuration(values) for values in _product(axes)]
        if "architecture" not in assigned:
            found += self._fixed_trials(axes, self.random[preset])
        return list({configuration.trial_id: configuration for configuration in found}.values())

    def _fixed_trials(self, axes: Mapping[str, Sequence[Any]], count: int) -> list[Configuration]:
        """Trials without a search: `count` random architectures, and the two at the ends of the space."""
        shared = {name: values for name, values in axes.items() if name not in SEARCH_ONLY}
        found = []
        for c in (_configuration(values) for values in _product(shared)):
            columns = c.columns_by_cell
            found += [c.with_values(kind="random", architecture=str(a)) for a in random_architectures(columns, count)]
            ends = (all_parallel(columns), all_fusion(columns)) if self.ends else ()
            found += [c.with_values(kind="given", architecture=str(a)) for a in ends]
        return found


def random_architectures(columns: Sequence[int], count: int) -> list[Architecture]:
    """The first `count` different architectures of one fixed random order of the space: the same for every seed and task."""
    generator = stream(0, "random architectures")
    found: dict[str, Architecture] = {}
    while len(found) < min(count, 2 ** sum(columns)):
        architecture = Architecture.random(columns, generator)
        found[str(architecture)] = architecture
    return list(found.values())


def label(configuration: Configuration) -> str:
    """A trial in a few words, for people."""
    if configuration.kind == "searched":
        return f"λ1={configuration.lambda1:g} λ2={configuration.lambda2:g} seed {configuration.seed}"
    return f"{configuration.kind} {configuration.architecture} seed {configuration.seed}"


def _configuration(values: dict[str, Any]) -> Configuration:
    return Configuration(**values, kind="given" if values.get("architecture") else "searched")


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

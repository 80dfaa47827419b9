"""Values of fields along axes, and the configurations that they make with a preset."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clearer.configuration import Configuration, check_name
from clearer.fields import ConfigurationError, as_text
from clearer.polarisation import polarisation_threshold
from clearer.presets import preset_values
from clearer.tasks.known import USUAL


@dataclass(frozen=True)
class Multiple:
    """A λ1 as a multiple of the polarisation threshold N·w·ln 10, which grows with the number of columns."""

    factor: float

    def __str__(self) -> str:
        return f"{as_text(self.factor)}x"

    def of(self, configuration: Configuration) -> float:
        """The λ1 for a configuration's columns and weight decay, to six digits; an error without weight decay."""
        if not configuration.alpha_weight_decay:
            raise ConfigurationError(f"lambda1={self}: alpha_weight_decay=0 has no threshold; give λ1 itself")
        threshold = polarisation_threshold(sum(configuration.columns_by_cell), configuration.alpha_weight_decay)
        return float(f"{self.factor * threshold:.6g}")


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

"""The presets: `paper` is all defaults, `proxy` ranks configurations in less time, `quick` shows the machinery."""

from collections.abc import Mapping, Sequence
from typing import Any

from clearer.configuration import SEARCH_ONLY, Configuration, field_types, fields_about
from clearer.fields import as_text
from clearer.tasks.known import USUAL, departures, task_of

PROXY: Mapping[str, Any] = {
    "channels": 8, "batch_size": 8, "patch_size": 32,
    # α moves by learning rate × steps: 2.7 logits in the paper's 9,000 steps, and the same here.
    "search_iterations": 1_000, "warmup_iterations": 100, "search_epoch_iterations": 10, "alpha_learning_rate": 3e-3,
    "train_iterations": 4_000, "train_epoch_iterations": 20, "report_iterations": 50, "self_ensemble": 1,
    "time_images": 1, "time_series": 6, "time_calls": 6, "time_attempts": 5, "time_spread_limit": 0.1,
}  # fmt: skip
QUICK: Mapping[str, Any] = {
    **PROXY, "dataset": "embedded", "cells": 2, "columns": (2,), "channels": 4, "reference_images": 4,
    "skip": "global", "initialisation": "he", "weights_optimizer": "adam",
    "weights_learning_rate": 0.005, "weights_learning_rate_end": 0.0005, "alpha_learning_rate": 0.0096,
    "search_iterations": 400, "warmup_iterations": 120, "search_epoch_iterations": 4, "batch_size": 8, "patch_size": 32,
    "train_iterations": 1_200, "train_epoch_iterations": 12, "train_learning_rate": 0.015, "report_iterations": 40,
    "time_series": 4, "time_calls": 3, "time_attempts": 2, "time_spread_limit": 0.25,
}  # fmt: skip
PRESETS: Mapping[str, Mapping[str, Any]] = {"quick": QUICK, "proxy": PROXY, "paper": {}}
EDITION = 2
"""Of the presets. A study goes on with those that it began with: what is stored stays of use."""
_FIRST_AREA = {"test_border": "crop64"}
_FIRST_QUICK = {
    "cells": 3, "columns": (4,), "skip": "none", "initialisation": "normal", "weights_optimizer": "sgd",
    "weights_learning_rate": 0.025, "weights_learning_rate_end": 0.001, "alpha_learning_rate": 0.027,
    "search_iterations": 160, "warmup_iterations": 60, "search_epoch_iterations": 2,
    "train_iterations": 300, "train_epoch_iterations": 3, "train_learning_rate": 0.01, "report_iterations": 20,
}  # fmt: skip


class FirstEdition(str):
    """The name of a preset whose values are those of the first edition."""


def preset_values(preset: str, task: str = USUAL) -> dict[str, Any]:
    """The values that a preset gives to fields, for a task; all other fields are the paper's."""
    its = departures(task)
    values = {**PRESETS[preset], "task": task, **its.get("", {}), **its.get(preset, {})}
    if isinstance(preset, FirstEdition):
        values |= {
            **_FIRST_AREA,
            **(_FIRST_QUICK if preset == "quick" else {}),
            **its.get(f"first {preset}", {}),
        }
    return values


_MORE_SAID = 4


def label(c: Configuration) -> str:
    """A trial in a few words, for people: what it is about, and the fields that differ from the nearest preset's."""
    return " ".join(_parts(c).values())


def labels(configurations: Sequence[Configuration]) -> tuple[str, list[str]]:
    """What trials have in common, in words, and of each what it does not share with all others."""
    parts = [_parts(c) for c in configurations]
    values: dict[str, set[str]] = {}
    for name, word in (item for one in parts for item in one.items()):
        values.setdefault(name, set()).add(word)
    shared = {name for name, words in values.items() if len(words) == 1 and name != "architecture"}
    own = [" ".join(word for name, word in one.items() if name not in shared) for one in parts]
    return " ".join(next(iter(values[name])) for name in values if name in shared), [text or "trial" for text in own]


def _parts(c: Configuration) -> dict[str, str]:
    """The words of a label, by what they are about."""
    parts = {"task": task_of(c).words(c)}
    if c.kind == "searched":
        parts |= {"N": f"N={as_text(c.columns_by_cell)}", "λ1": f"λ1={c.lambda1:g}", "λ2": f"λ2={c.lambda2:g}"}
    else:
        parts["architecture"] = f"{c.kind} {c.architecture}"
    differing = min((_differing(c, preset) for preset in PRESETS), key=len)
    parts |= {name: f"{name}={as_text(getattr(c, name))}" for name in differing[:_MORE_SAID]}
    return parts | ({"…": "…"} if len(differing) > _MORE_SAID else {}) | {"seed": f"seed {c.seed}"}


def _differing(c: Configuration, preset: str) -> list[str]:
    usual = {**_DEFAULTS, **preset_values(preset, c.task)}
    said = fields_about("named")
    unread = said if c.kind == "searched" else said | SEARCH_ONLY
    return [name for name, value in usual.items() if name not in unread and getattr(c, name) != value]


_DEFAULTS = {name: getattr(Configuration(), name) for name in field_types()}

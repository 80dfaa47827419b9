"""The presets: `paper` is all defaults, `proxy` ranks configurations in less time, `quick` shows the machinery."""

from collections.abc import Mapping, Sequence
from typing import Any

from clearer.configuration import SEARCH_ONLY, Configuration, field_types, fields_about
from clearer.fields import as_text
from clearer.tasks.known import USUAL, departures, task_of

_SHORT: Mapping[str, Any] = {
    "batch_size": 8, "patch_size": 32, "cells": 2, "columns": (2,), "channels": 4, "self_ensemble": 1,
    "skip": "global", "initialisation": "he", "weights_optimizer": "adam",
    "weights_learning_rate": 0.005, "weights_learning_rate_end": 0.0005, "alpha_learning_rate": 0.0096,
    "search_iterations": 400, "warmup_iterations": 120, "search_epoch_iterations": 4, "train_learning_rate": 0.015,
    "time_images": 1, "time_set": False,
}  # fmt: skip
"""Of networks and trainings so small that seeds agree: where they start at their input, both are short."""
QUICK: Mapping[str, Any] = {
    **_SHORT, "dataset": "embedded", "reference_images": 4,
    "train_iterations": 1_200, "train_epoch_iterations": 12, "report_iterations": 40,
    "time_series": 4, "time_calls": 3, "time_attempts": 2, "time_spread_limit": 0.25,
}  # fmt: skip
PROXY: Mapping[str, Any] = {
    **_SHORT, "train_iterations": 4_000, "train_epoch_iterations": 20, "report_iterations": 50,
    "time_series": 6, "time_calls": 6, "time_attempts": 5, "time_spread_limit": 0.1,
}  # fmt: skip
PRESETS: Mapping[str, Mapping[str, Any]] = {"quick": QUICK, "proxy": PROXY, "paper": {}}
EDITIONS: Mapping[str, int] = {"quick": 5, "proxy": 3, "paper": 2}
"""Today's of each preset. A study goes on with the one that it began with: what is stored stays of use."""
_AS_PUBLISHED = {
    "cells": 3, "columns": (4,), "skip": "none", "initialisation": "normal", "weights_optimizer": "sgd",
    "weights_learning_rate": 0.025, "weights_learning_rate_end": 0.001, "train_learning_rate": 0.01,
}  # fmt: skip
_EARLIER: Mapping[tuple[str, int], Mapping[str, Any]] = {
    # α moves by learning rate × steps: 2.7 logits in the paper's 9,000 steps, and the same here.
    ("proxy", 2): {
        **_AS_PUBLISHED, "channels": 8, "alpha_learning_rate": 0.003, "search_iterations": 1_000,
        "warmup_iterations": 100, "search_epoch_iterations": 10, "time_set": True,
    },
    ("quick", 2): {"time_set": True},
    ("quick", 1): {
        **_AS_PUBLISHED, "alpha_learning_rate": 0.027, "search_iterations": 160, "warmup_iterations": 60,
        "search_epoch_iterations": 2, "train_iterations": 300, "train_epoch_iterations": 3, "report_iterations": 20,
        "test_border": "crop64",
    },
    ("proxy", 1): {"test_border": "crop64"},
    ("paper", 1): {"test_border": "crop64"},
}  # fmt: skip
"""What an edition of a preset has that the next one has not."""


class Edition(str):
    """The name of a preset whose values are those of an earlier edition."""

    number: int

    def __new__(cls, preset: str, number: int = 1) -> "Edition":  # a copy is made of the text alone, then numbered
        found = super().__new__(cls, preset)
        found.number = number
        return found


def edition(preset: str) -> int:
    """The number of the edition that a preset's values are of."""
    return preset.number if isinstance(preset, Edition) else EDITIONS.get(preset, 1)


def preset_values(preset: str, task: str = USUAL) -> dict[str, Any]:
    """The values that a preset gives to fields, for a task; all other fields are the paper's."""
    its = departures(task)
    values = {**PRESETS[preset], "task": task, **its.get("", {}), **its.get(preset, {})}
    for number in range(EDITIONS.get(preset, 1) - 1, edition(preset) - 1, -1):
        values |= {**_EARLIER.get((preset, number), {}), **its.get(f"{preset} {number}", {})}
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

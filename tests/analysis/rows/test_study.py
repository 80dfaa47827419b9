"""All that a store keeps of one study: its axes, and which trials count."""

from functools import cached_property
from typing import Any

import pytest

from analysis.rows.study import StudyRows


class Planned(StudyRows):
    """A study of which only the plan is there."""

    trials: dict[str, dict[str, Any]]

    @cached_property
    def about(self) -> dict[str, Any]:
        return {"trials": self.trials}


def planned(*trials: dict[str, Any], only: frozenset[str] | None = None) -> Planned:
    found = Planned("nowhere", "s", only)
    object.__setattr__(found, "trials", {f"{number}": trial for number, trial in enumerate(trials)})
    return found


@pytest.mark.parametrize(
    ("trials", "axes"),
    [
        ([{"lambda1": 0.0, "seed": 0}, {"lambda1": 0.1, "seed": 1}], ["lambda1"]),
        ([{"lambda1": 0.0, "kind": "random"}, {"lambda1": 0.1}], []),
        ([{"columns": [4]}, {"columns": [4, 4]}, {"columns": [4], "cells": 2}], ["columns", "cells"]),
        ([], []),
    ],
)
def test_axes_tell_trials_of_a_kind_apart(trials: list[dict[str, Any]], axes: list[str]) -> None:
    whole = {"kind": "searched", "lambda1": 0.0, "seed": 0, "columns": [4], "cells": 1}
    assert sorted(planned(*({**whole, **trial} for trial in trials)).axes) == sorted(axes)


def test_only_the_trials_that_count_are_planned() -> None:
    trials = [{"kind": "searched", "lambda1": value} for value in (0.0, 0.1, 0.2)]
    assert list(planned(*trials, only=frozenset("12")).planned) == ["1", "2"]
    assert planned(*trials, only=frozenset("1")).axes == []

"""Numbers, fields and names as texts say them, and names that a reader wrote, held against those that there are."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

MARKS = {"lambda1": "λ1", "lambda2": "λ2", "columns": "N", "cells": "S", "sigma": "σ"}


def mark(field: str) -> str:
    """A field of the configuration as texts write it."""
    return MARKS.get(field, field)


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def percent(share: float) -> str:
    """A share of 0 … 1 in whole percent."""
    return f"{100 * share:.0f} %"


def counted(count: float, name: str) -> str:
    """A number of things, of which `name` is one: `1 seed`, `2 seeds`."""
    return f"{count:.0f} {name}{'' if count == 1 else 's'}"


def short_text(value: Any) -> str:
    """A field's value as short as it can be written; `none` where it has none."""
    if value is None or value is pd.NA or value != value:
        return "none"
    return f"{value:g}" if isinstance(value, float | int | np.number) and not isinstance(value, bool) else str(value)


def with_minus(text: str) -> str:
    """`text` with a minus sign before its negative numbers, in the place of a hyphen."""
    return _HYPHEN.sub("−", text)


_HYPHEN = re.compile(r"(?<![\w.)\]-])-(?=[\d.])")


def nearest(name: str, known: Iterable[object]) -> str:
    """` (did you mean lambda1?)`, to put behind a mistyped name; nothing where none of `known` is near."""
    found = difflib.get_close_matches(name.lower(), [str(one) for one in known], n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def require(frame: pd.DataFrame, *names: str) -> None:
    """Raises KeyError: one of the columns `names` that `frame` lacks, with the nearest of those that it has."""
    lacking = [f"{name}{nearest(name, frame.columns)}" for name in names if name not in frame.columns]
    if lacking:
        raise KeyError(f"no column {', '.join(lacking)} among the {len(frame.columns)} columns of the frame")


def numbers(frame: pd.DataFrame, column: str) -> np.ndarray:
    """A column as float64, NaN where it is null: (rows,). Raises ValueError: it does not hold numbers."""
    try:
        return frame[column].to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise ValueError(f"column {column} does not hold numbers (it is of type {frame[column].dtype})") from None

"""Configurations and their axes: what they are called, which of them compare, and their means over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.rows.comparable import TRAINED

MARKS = {"lambda1": "λ1", "lambda2": "λ2", "columns": "N", "cells": "S", "sigma": "σ"}
"""How fields are written in texts."""


def named(row: pd.Series | Mapping[Any, Any], axes: Sequence[str], short: bool = False) -> str:
    """A configuration in words: the axes of a search, the architecture of any other."""
    if row["kind"] != "searched":
        kind = "random" if row["kind"] == "random" else "the fixed network"
        return f"{kind} {row['architecture']}"
    known = [name for name in axes if row.get(name) is not None and row[name] == row[name]]
    return ("" if short else "the search at ") + ", ".join(
        f"{MARKS.get(name, name)} = {short_text(row[name])}" for name in known or ["lambda1"]
    )


def alike(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows of one space and one training each, with what tells them from the others; a row that trained otherwise compares with its own."""
    differ = [name for name in TRAINED if name in rows and rows[name].nunique(dropna=False) > 1]
    if not differ:
        yield "", rows
        return
    for values, group in rows.groupby(differ, dropna=False):
        told = ", ".join(
            f"{MARKS.get(name, name)} = {short_text(value)}" for name, value in zip(differ, values, strict=True)
        )
        yield told, group


def varied_axes(rows: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Those of `axes` in which the searches of `rows` differ."""
    searched = rows[rows["kind"] == "searched"]
    return [name for name in axes if name in searched and searched[name].nunique() > 1]


def block(searched: pd.DataFrame) -> str | None:
    """By what searches are paired: their seed, where there are several."""
    return "seed" if searched["seed"].nunique() > 1 else None


def configurations(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a configuration: its fields, means over seeds of figures, and the smallest and largest PSNR."""
    groups = rows.groupby("replicate_id", sort=False)
    return groups.first().assign(
        parameters=groups["parameters"].mean(),
        psnr_db=groups["psnr_db"].mean(),
        low_db=groups["psnr_db"].min(),
        high_db=groups["psnr_db"].max(),
        seeds=groups.size(),
    )


def short_text(value: Any) -> str:
    """A field's value as short as it can be written; `none` where it has none."""
    if value is None or value is pd.NA or value != value:
        return "none"
    return f"{value:g}" if isinstance(value, float | int | np.number) and not isinstance(value, bool) else str(value)


def percent(share: float) -> str:
    """A share of 0 … 1 in whole percent."""
    return f"{100 * share:.0f} %"

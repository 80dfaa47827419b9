"""Configurations, whose rows differ in their seed alone: means over seeds, names, and in what they differ."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.rows.units import counted, mark, numbers, short_text

KEY = "replicate_id"
"""The column in which the rows of one configuration agree."""
LEAST_SEEDS = 3
"""With fewer, their values are said, and no interval."""

BELOW_INPUT = "Below its input: the degraded image itself scores more."
"""The mark of a network that restores nothing, in every table."""


def trainings(rows: pd.DataFrame) -> np.ndarray:
    """A number for the training of each row: (rows,). Rows that share one are one observation of it.

    They have one `train_key`, or, where it is not known, one `trial_id`: a store's studies share trials, and trials
    share the training of an architecture that several found. Without both, every row has its own.
    """
    keys = pd.Series(range(len(rows)), rows.index, dtype=object)
    for name in ("trial_id", "train_key"):
        keys = rows[name].astype(object).where(rows[name].notna(), keys) if name in rows else keys
    return pd.factorize(keys)[0]


def distinct(rows: pd.DataFrame) -> pd.DataFrame:
    """The first row of every training."""
    return rows[~pd.Series(trainings(rows)).duplicated().to_numpy()]


def is_below_input(rows: pd.DataFrame) -> pd.Series:
    """Whether each row's PSNR is below that of its degraded input; not where either is unknown."""
    if not {"psnr_db", "degraded_psnr_db"} <= set(rows):
        return pd.Series(False, rows.index)
    return rows["psnr_db"].astype(float) < rows["degraded_psnr_db"].astype(float)


def configuration_means(rows: pd.DataFrame, figures: Sequence[str], by: str = KEY) -> pd.DataFrame:
    """One row a configuration, in the order of its first row: that row's columns, and means over seeds of `figures`.

    `seeds` counts the seeds; `<figure>_min` and `<figure>_max` are the smallest and the largest. Nulls are no figures.
    The index is `by`, whose equal values make replicates; rows without one are left out.
    """
    found = over_seeds(seed_means(rows, figures, by))
    table = rows.dropna(subset=[by]).drop_duplicates(by).set_index(by)
    table = table.assign(**{name: found[name, "mean"] for name in figures}, seeds=found[figures[0], "size"])
    for name, end in ((name, end) for name in figures for end in ("min", "max")):
        table[f"{name}_{end}"] = found[name, end]
    return table


def seed_means(rows: pd.DataFrame, figures: Sequence[str], by: str = KEY) -> pd.DataFrame:
    """Means of `figures` over the rows of each configuration and seed, as float64, indexed by both.

    A seed has several rows where they are of several architectures; without a column `seed` every row is one.
    """
    seeds = rows["seed"].to_numpy() if "seed" in rows else np.arange(len(rows))
    values = {name: numbers(rows, name) for name in figures}
    return pd.DataFrame({by: rows[by].to_numpy(), "seed": seeds, **values}).groupby([by, "seed"]).mean()


def over_seeds(seeds: pd.DataFrame) -> pd.DataFrame:
    """`seed_means` over seeds: columns of pairs, a figure and `mean`, `std`, `min`, `max`, `count` or `size`."""
    return seeds.groupby(level=0).agg(["mean", "std", "min", "max", "count", "size"])


_ENDS = {"P": "all parallel", "F": "all fusion"}


def architecture_name(text: str) -> str:
    """`all parallel` and `all fusion` for the largest and the smallest network of a space, else the architecture."""
    return _ENDS.get("".join(sorted(set(text) - {"-"})), text)


def kind_name(kind: str, architectures: Iterable[str]) -> str:
    """What a legend calls the networks of a kind, which have these architectures."""
    names = sorted({architecture_name(text) for text in architectures})
    return " and ".join(names) if kind == "given" and set(names) <= set(_ENDS.values()) else f"{kind} architecture"


def rows_shown(rows: pd.DataFrame) -> str:
    """Which rows a figure or a table shows, and how many trainings: `12 searched, 4 given rows; 9 trainings`."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in rows["kind"].value_counts().items())
    return f"{kinds} {'row' if len(rows) == 1 else 'rows'}; {counted(len(distinct(rows)), 'distinct training')}"


def configuration_name(row: pd.Series | Mapping[Any, Any], axes: Sequence[str], short: bool = False) -> str:
    """A configuration in words: the axes of a search, the architecture of any other."""
    if row["kind"] != "searched":
        return f"random {row['architecture']}" if row["kind"] == "random" else architecture_name(row["architecture"])
    known = [name for name in axes if row.get(name) is not None and row[name] == row[name]] or ["lambda1"]
    return ("" if short else "the search at ") + ", ".join(f"{mark(name)} = {short_text(row[name])}" for name in known)


def varied_axes(rows: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Those of `axes` in which the searches of `rows` differ."""
    searched = rows[rows["kind"] == "searched"]
    return [name for name in axes if name in searched and searched[name].nunique() > 1]


def block(searched: pd.DataFrame) -> str | None:
    """By what searches are paired: their seed, where there are several."""
    return "seed" if searched["seed"].nunique() > 1 else None

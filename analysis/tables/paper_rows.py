"""What the tables' rows are made of: rows that may share a table, configurations and their names, means over seeds, captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.rows.comparable import TRAINED
from analysis.rows.groups import PROTOCOL, caption, comparable
from analysis.rows.published import sentences
from analysis.statistics.paired import t_interval
from analysis.tables.typesetting import Column, Table

SEARCHED = (
    "alpha_split", "mixing", "complexity", "module_times_ms", "search_iterations", "warmup_iterations", "search_epoch_iterations",
    "weights_learning_rate", "weights_learning_rate_end", "momentum", "weight_decay", "alpha_learning_rate", "alpha_weight_decay",
    "alpha_beta1", "alpha_beta2", "alpha_initial_std", "alpha_statistics", "search_patience", "search_tolerance",
)  # fmt: skip
"""What the architecture that a search finds follows from, beside λ1, λ2, the seed and `TRAINED`."""

PAPER = (
    "Published: one run each, CLEARER's of 3 cells (4-4-4 columns) and 32 channels, 100000 training iterations of 32 crops of 64×64, "
    "scored by a protocol that is not fully known; not comparable digit by digit."
)
_NETWORK = ("cells", "columns", "channels", "dataset", "train_iterations", "batch_size", "patch_size")
LEVEL = 0.95
KINDS = ("reference", "searched", "random", "given", "published")
"""The order of rows in a table."""


def grids(rows: pd.DataFrame, over: str | None = None) -> Iterator[tuple[str, pd.DataFrame]]:
    """The scored rows, every trial once, in groups that one table may hold, with the columns of `named`.

    Each with what tells it from the others and its caption does not: a sentence, or nothing. Rows of a group were
    tested by one protocol and trained alike, except that `over` (`sigma`, or `test_set` with its number of images) may
    differ. Rows that agree in `over` were tested on the same pixels.
    """
    rows = rows.reset_index(drop=True)
    free = {over, "test_images"} if over == "test_set" else {over}
    same = [name for name in (*PROTOCOL, *TRAINED, "test_limit") if name in rows and name not in free]
    found: dict[tuple[str, ...], dict[Any, pd.Index]] = {}
    for _, group in comparable(rows):
        scored = group.dropna(subset=["psnr_db"]).drop_duplicates("trial_id")
        alike = [name for name in (*TRAINED, "test_pixels_sha256") if name in scored]
        for _, panel in scored.groupby(alike, dropna=False, sort=False):
            key = tuple(str(panel[name].iloc[0]) for name in same)
            value = panel[over].iloc[0] if over else None
            while value in found.setdefault(key, {}):
                key = (*key, "other test pixels")
            found[key][value] = panel.index
    shown = {*PROTOCOL, "test_limit", *(_NETWORK if set(_NETWORK) <= set(rows) else ())}
    differing = [i for i, name in enumerate(same) if name not in shown and len({key[i] for key in found}) > 1]
    for key, panels in found.items():
        apart = [*(f"{same[i]} = {key[i]}" for i in differing), *dict.fromkeys(key[len(same) :])]
        text = f"Here: {', '.join(apart)}." if apart else ""
        yield text, named(rows.loc[np.concatenate(list(panels.values()))])


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` with `configuration`, which replicates share, `method`, its name in words, and `baseline`.

    Random architectures are one configuration. Searches that differ in more than λ1, λ2 and the seed are told apart.
    The baseline is the configuration with λ1 = λ2 = 0 and all else equal; of a row that was not searched, the only one
    there is (null where there are several).
    """
    searched = rows[rows["kind"] == "searched"]
    varying = [name for name in SEARCHED if name in rows and searched[name].map(str).nunique() > 1]
    drawn = rows.loc[rows["kind"] == "random", "architecture"].nunique()
    records = rows.to_dict("records")
    pairs = [_named(row, varying, drawn) for row in records]
    zero = [_named({**row, "kind": "searched", "lambda1": 0.0, "lambda2": 0.0}, varying, drawn)[0] for row in records]
    known = {key for key, _ in pairs} & {
        key for key, row in zip(zero, records, strict=True) if row["kind"] == "searched"
    }
    only = known.pop() if len(known) == 1 else None
    baseline = [key if row["kind"] == "searched" else only for key, row in zip(zero, records, strict=True)]
    return rows.assign(
        configuration=[key for key, _ in pairs],
        method=[text for _, text in pairs],
        baseline=pd.Series(baseline, rows.index, dtype="str"),
    )


def _named(row: dict[Any, Any], varying: Sequence[str], drawn: int) -> tuple[str, str]:
    if row["kind"] == "random":
        return "random", "random architecture" if drawn == 1 else f"random, {drawn} architectures"
    if row["kind"] != "searched":
        ends = {"P": "all parallel", "F": "all fusion"}
        text = ends.get("".join(sorted(set(row["architecture"]) - {"-"})), row["architecture"])
        return f"given {row['architecture']}", text
    values = [(name, row[name]) for name in varying]
    text = ", ".join(
        [
            f"λ1 = {_exact(row['lambda1'])}, λ2 = {_exact(row['lambda2'])}",
            *(f"{name} = {each}" for name, each in values),
        ]
    )
    return str(("searched", float(row["lambda1"]), float(row["lambda2"]), *map(str, values))), text


def _exact(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def by_seed(rows: pd.DataFrame, name: str) -> pd.Series:
    """The figure `name` of each seed that has one, as float64 by seed: the mean over its rows."""
    figures = rows[name].to_numpy(dtype=float, na_value=np.nan)
    return pd.Series(figures, index=rows["seed"].to_numpy()).dropna().groupby(level=0).mean()


def mean_interval(figures: pd.Series, name: str) -> dict[str, float | None]:
    """`name`, `<name>_low` and `<name>_high`: the mean over seeds, and Student's 95 % interval where there are two."""
    values = figures.to_numpy(dtype=float)
    low = high = None
    mean = float(values.mean()) if len(values) else None
    if len(values) > 1 and (values == values[0]).all():
        mean = low = high = float(values[0])
    elif np.isfinite(values).all():
        low, high, _ = t_interval(values, LEVEL)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


def table_caption(title: str, rows: pd.DataFrame, beside: pd.DataFrame, *more: str) -> str:
    """What a table shows: protocol, networks and training, seeds and devices, what an interval is, what is published."""
    protocol, seeds = caption(rows).split("\n")
    sigmas = ", ".join(f"{sigma:g}" for sigma in rows["sigma"].dropna().unique())
    where = " and ".join(rows["test_set"].unique()) + (f" at σ = {sigmas}" if sigmas else "")
    absent = f"The paper has no such figures on {where}: none stand beside."
    drawn = "A random figure is the mean over a seed's architectures." if (rows["kind"] == "random").any() else ""
    spread = f"± is half of Student's {LEVEL:.0%} interval over seeds, rounded up; "
    alone = "one seed has none." if rows["seed"].nunique() == 1 else "a single seed, or equal figures, have none."
    said = [
        f"{title}: {protocol}.",
        _training(rows),
        f"{seeds.replace('; ', ', trained on ')}.",
        spread + alone,
        drawn,
        *more,
        PAPER if len(beside) else absent,
    ]
    return " ".join(filter(None, said))


def _training(rows: pd.DataFrame) -> str:
    if not set(_NETWORK) <= set(rows):
        return ""
    cells, columns, channels, dataset, iterations, batch, patch = (rows[name].iloc[0] for name in _NETWORK)
    return (
        f"Networks of {cells} cells ({columns} columns) and {channels} channels, "
        f"trained on {dataset} for {iterations} iterations of {batch} crops of {patch}×{patch}."
    )


def numbered(name: str, made: Sequence[tuple[str, pd.DataFrame, tuple[Column, ...]]]) -> list[Table]:
    """Tables of captions, frames and columns that may be shown: those are that hold a figure."""
    several = len(made) > 1
    return [
        Table(
            f"{name}_{number}" if several else name,
            text,
            frame,
            tuple(column for column in columns if frame[column.name].notna().any()),
            sentences(frame["doubts"].dropna()),
        )
        for number, (text, frame, columns) in enumerate(made, start=1)
    ]


def framed(rows: list[dict[str, Any]], names: list[str]) -> pd.DataFrame:
    """A frame of texts, counts and float64, nulls where a row says nothing."""
    texts = {"method", "kind", "section", "doubts"}
    frame = pd.DataFrame(rows).reindex(columns=names)
    for name in names:
        is_text = name in texts or name.startswith("device")
        is_count = name.startswith("seeds") or name in ("gain_seeds", "published_parameters")
        frame[name] = frame[name].astype("str" if is_text else "Int64" if is_count else float)
    return frame

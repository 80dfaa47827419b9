"""What the rows of the paper's tables are made of: which rows share a table, configurations, intervals, captions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.rows.columns import search_fields, training_fields
from analysis.rows.comparable import HASH, caption, differing, protocol_columns, protocol_groups
from analysis.rows.configurations import LEAST_SEEDS, architecture_name, over_seeds, rows_shown
from analysis.rows.published import sentences
from analysis.statistics.paired import t_interval
from analysis.tables.typesetting import Column, Table

PAPER = (
    "Published: one run each, CLEARER's of 3 cells (4-4-4 columns) and 32 channels, 100000 training iterations of 32 "
    "crops of 64×64, scored by a protocol that is not fully known; not comparable digit by digit."
)
AREA = "The released code scores centre64; of {} an image's PSNR differs by up to 0.17 dB."
_TRAINED = (
    "Networks of {cells} cells ({columns} columns) and {channels} channels, trained on {dataset} for "
    "{train_iterations} iterations of {batch_size} crops of {patch_size}×{patch_size}."
)
_NETWORK = "cells columns channels dataset train_iterations batch_size patch_size".split()
"""What a caption tells of the networks."""
LEVEL = 0.95
KINDS = ("reference", "searched", "random", "given", "published")
"""The order of rows in a table."""
BOUNDS = ("low", "high", "min", "max")
_POSSIBLE = {"ssim": (-1.0, 1.0), "parameters": (0.0, np.inf), "test_time": (0.0, np.inf)}
"""What no interval leaves, by the beginning of a figure's name."""


def grids(rows: pd.DataFrame, over: str | None = None) -> Iterator[tuple[str, pd.DataFrame]]:
    """The scored rows, every trial once, in groups that one table may hold, `with_configurations`.

    Each with what tells it from the others and its caption does not: a sentence, or nothing. Rows of a group were
    tested by one protocol and are comparable, except that `over` (`sigma`, or `test_set` with its number of images) may
    differ. Rows that agree in `over` were tested on the same pixels.
    """
    rows = rows.reset_index(drop=True)
    free = {over, "test_images"} if over == "test_set" else {over}
    told = dict.fromkeys([*protocol_columns(), *training_fields(), "test_limit"])
    held = [name for name in told if name in rows and name not in free]
    found: dict[tuple[str, ...], dict[Any, pd.Index]] = {}
    for _, group in protocol_groups(rows):
        scored = group.dropna(subset=["psnr_db"]).drop_duplicates("trial_id")
        apart = [name for name in (*training_fields(), HASH) if name in scored]
        for _, panel in scored.groupby(apart, dropna=False, sort=False):
            key = tuple(str(panel[name].iloc[0]) for name in held)
            value = panel[over].iloc[0] if over else None
            while value in found.setdefault(key, {}):
                key = (*key, "other test pixels")
            found[key][value] = panel.index
    shown = {*protocol_columns(), "test_limit", *(_NETWORK if set(_NETWORK) <= set(rows) else ())}
    varied = [i for i, name in enumerate(held) if name not in shown and len({key[i] for key in found}) > 1]
    for key, panels in found.items():
        apart = [*(f"{held[i]} = {key[i]}" for i in varied), *dict.fromkeys(key[len(held) :])]
        text = f"Here: {', '.join(apart)}." if apart else ""
        yield text, with_configurations(rows.loc[np.concatenate(list(panels.values()))])


def with_configurations(rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` with `configuration`, which replicates share, `method`, its name in words, and `baseline`.

    Random architectures are one configuration. Searches that differ in more than λ1, λ2 and the seed are told apart.
    The baseline has λ1 = λ2 = 0 and all else equal; of a row that was not searched, the only one (null of several).
    """
    varying = differing(rows[rows["kind"] == "searched"], search_fields())
    drawn = rows.loc[rows["kind"] == "random", "architecture"].nunique()
    records = rows.to_dict("records")
    known = [_configuration(row, varying, drawn) for row in records]
    unpressed = ({**row, "lambda1": 0.0, "lambda2": 0.0} if row["kind"] == "searched" else None for row in records)
    zero = [row and _configuration(row, varying, drawn)[0] for row in unpressed]
    there = {key for key, _ in known} & set(zero)
    only = there.pop() if len(there) == 1 else None
    baseline = pd.Series([key or only for key in zero], rows.index, dtype="str")
    keys, methods = zip(*known, strict=True)
    return rows.assign(configuration=keys, method=methods, baseline=baseline)


def _configuration(row: dict[Any, Any], varying: Sequence[str], drawn: int) -> tuple[str, str]:
    if row["kind"] == "random":
        return "random", "random architecture" if drawn == 1 else f"random, {drawn} architectures"
    if row["kind"] != "searched":
        return f"given {row['architecture']}", architecture_name(row["architecture"])
    parts = [f"λ1 = {_exact(row['lambda1'])}", f"λ2 = {_exact(row['lambda2'])}"]
    if row["lambda2"] and row.get("complexity") and "complexity" not in varying:
        parts.append(f"complexity = {row['complexity']}")  # the unit of λ2
    parts += [f"{name} = {row[name]}" for name in varying]
    key = "searched", float(row["lambda1"]), float(row["lambda2"]), *(str((name, row[name])) for name in varying)
    return str(key), ", ".join(parts)


def _exact(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def with_intervals(seeds: pd.DataFrame, is_shared: Mapping[str, pd.Series] | None = None) -> pd.DataFrame:
    """A row a configuration: of each figure of `seed_means` the mean over seeds, its interval, `<figure>_min`, `_max`.

    `<figure>_low` and `_high` are those of `t_interval`, within what is possible, with what it says of seeds whose
    difference `is_shared`, by figure; null for fewer than three seeds, of which the smallest and the largest are all.
    """
    found = over_seeds(seeds)
    table = pd.DataFrame(index=found.index)
    for name in map(str, seeds):
        mean, least, most = (found[name, each] for each in ("mean", "min", "max"))
        shared = (is_shared or {}).get(name, pd.Series(False, seeds.index))
        groups = seeds[name].dropna().groupby(level=0)
        bounds = {key: t_interval(own.to_numpy(), LEVEL, shared[own.index].to_numpy())[:2] for key, own in groups}
        low, high = (pd.Series({key: pair[n] for key, pair in bounds.items()}, found.index, float) for n in (0, 1))
        lowest, highest = next((ends for start, ends in _POSSIBLE.items() if name.startswith(start)), (None, None))
        table[name], table[f"{name}_low"] = mean.where(least < most, least), low.clip(lower=lowest)
        table[f"{name}_high"], table[f"{name}_min"], table[f"{name}_max"] = high.clip(upper=highest), least, most
    return table.assign(seeds=found[seeds.columns[0], "count"])


def table_caption(title: str, rows: pd.DataFrame, beside: pd.DataFrame, *more: str) -> str:
    """What a table shows: protocol, networks and training, seeds and devices, and what intervals are."""
    protocol, seeds = caption(rows).split("\n")
    sigmas = ", ".join(f"{sigma:g}" for sigma in rows["sigma"].dropna().unique())
    where = " and ".join(rows["test_set"].unique()) + (f" at σ = {sigmas}" if sigmas else "")
    few = rows["seed"].nunique() < LEAST_SEEDS
    alone = "fewer than three seeds have none" if few else "fewer than three seeds, or equal figures, have none"
    said = [
        f"{title}: {protocol}.",
        _TRAINED.format(**rows.iloc[0]) if set(_NETWORK) <= set(rows) else "",
        f"{seeds.replace('; ', ', trained on ', 1)}.",
        f"± is half of Student's {LEVEL:.0%} interval over seeds, rounded up; {alone}.",
        "Of two seeds both values stand in brackets." if rows["seed"].nunique() > 1 else "",
        f"{rows_shown(rows)}.",
        "A random figure is the mean over a seed's architectures." if (rows["kind"] == "random").any() else "",
        *more,
        PAPER if len(beside) else f"The paper has no such figures on {where}: none stand beside.",
        AREA.format(rows["test_border"].iloc[0]) if len(beside) and (rows["test_border"] != "centre64").any() else "",
    ]
    return " ".join(filter(None, said))


def numbered(name: str, made: Sequence[tuple[str, pd.DataFrame, Sequence[Column]]]) -> list[Table]:
    """Tables of captions, frames and columns that may be shown: those are that hold a figure."""
    found = []
    for number, (text, frame, columns) in enumerate(made, start=1):
        shown = tuple(column for column in columns if frame[column.name].notna().any())
        notes = sentences(frame["doubts"].dropna())
        found.append(Table(f"{name}_{number}" if len(made) > 1 else name, text, frame, shown, notes))
    return found


def framed(rows: pd.DataFrame | list[dict[str, Any]], names: list[str]) -> pd.DataFrame:
    """A frame of texts, counts and float64, nulls where a row says nothing."""
    texts = {"method", "kind", "section", "doubts"}
    frame = pd.DataFrame(rows).reindex(columns=names)
    for name in names:
        is_text = name in texts or name.startswith("device")
        is_count = name.startswith("seeds") or name in ("gain_seeds", "published_parameters")
        frame[name] = frame[name].astype("str" if is_text else "Int64" if is_count else float)
    return frame

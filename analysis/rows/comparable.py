"""Which rows a comparison may use: every trial once, with a figure, all tested on the same pixels and trained alike."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

PIXELS = ["task", "test_set", "sigma", "protocol", "test_pixels_sha256"]

TESTED = (*PIXELS, "test_border")
"""What the tested pixels follow from; never free in a comparison."""

TRAINED = (
    "cells", "columns", "channels", "image_channels", "dataset", "pairing", "grayscale", "weights_split", "batch_size",
    "patch_size", "clip_norm", "initial_std", "train_iterations", "train_epoch_iterations", "train_learning_rate",
    "train_learning_rate_end", "precision", "self_ensemble",
)  # fmt: skip
"""What a network's space, training and scoring follow from, beside its architecture and its seed."""

_TIMED = ("device", "test_time_size", "test_time_images")


_READ = (
    "trial_id",
    "replicate_id",
    "kind",
    "lambda1",
    "lambda2",
    "seed",
    "architecture",
    "psnr_by_image",
    "search_seconds",
    "train_seconds",
)


def narrowed(rows: pd.DataFrame, *more: str) -> pd.DataFrame:
    """The columns of `rows` that comparisons read, and those named: taking many small parts of a hundred columns is slow."""
    read = {*_READ, *TESTED, *TRAINED, *_TIMED, *more}
    return rows[[name for name in rows if name in read]]


def comparable_rows(rows: pd.DataFrame, metric: str, free: Collection[str] = ()) -> pd.DataFrame:
    """The rows with a finite `metric`, as float64, every `trial_id` once (a store's studies share trials).

    Columns that `rows` lacks are not compared, so a small frame of one's own works.

    Args:
        free: the columns that the comparison is over; they may differ, but not the tested pixels.

    Raises:
        KeyError: `rows` lacks `metric`.
        ValueError: rows differ in their tested pixels, in how they were trained, or, where `metric` is a testing
            time, in the device.
    """
    figures = rows[metric].to_numpy(dtype=float, na_value=np.nan)
    used = rows.assign(**{metric: figures})[np.isfinite(figures)]
    if "trial_id" in used and used["trial_id"].notna().all():
        used = used.drop_duplicates("trial_id")
    timed = _TIMED if metric.startswith("test_time") else ()
    for name in (*TESTED, *(name for name in (*TRAINED, *timed) if name not in free)):
        if name in used and used[name].nunique(dropna=False) > 1:
            values = ", ".join(map(str, used[name].drop_duplicates().tolist()[:4]))
            raise ValueError(f"rows differ in {name} ({values}) and do not compare: choose rows of one {name}")
    return used


def by_seed(rows: pd.DataFrame, value: str, keys: list[str]) -> pd.DataFrame:
    """`rows` with `keys` as index, one row each; `value` names the rows in the message.

    Raises:
        ValueError: several rows share their keys, so that pairs are not determined.
    """
    twice = rows[rows.duplicated(keys, keep=False)]
    if len(twice):
        group = twice[(twice[keys].fillna("") == twice[keys].fillna("").iloc[0]).all(axis=1)]
        names = ("kind", "lambda1", "lambda2", *TRAINED, "architecture")
        differing = [name for name in names if name in group and group[name].nunique(dropna=False) > 1]
        where = f" that differ in {', '.join(differing)}" if differing else ""
        raise ValueError(
            f"seed {group['seed'].iloc[0]} has {len(group)} rows with {value}{where}: choose rows of one configuration, or name the other axes in `within`"
        )
    return rows.set_index(keys)

"""Which rows may stand in one table or on one axis: those of one protocol, and, for a testing time, of one device."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from analysis.rows.load import finished

PIXELS = ("task", "test_set", "sigma", "protocol", "image_channels", "grayscale", "test_border", "test_images")
"""What the scored pixels follow from: methods of any kind compare where all of these are equal, and nowhere else."""

PROTOCOL = (*PIXELS, "self_ensemble")
"""Rows that differ in one of these do not compare: each combination has figures and tables of its own."""


def comparable(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The finished rows in groups of one protocol each, with a caption that names it.

    Rows without a score, of trainings that were stopped, stand last in the group that their scores would be in.
    """
    rows = finished(frame)
    if not len(rows):
        return
    known = [name for name in PROTOCOL if name != "test_images"]
    images = rows.groupby([*known, "test_limit"], dropna=False)["test_images"].transform("first")
    for _, group in rows.groupby([*known, rows["test_images"].fillna(images)], dropna=False):
        unscored = group["psnr_db"].isna()
        if not unscored.all():
            ordered = group.loc[unscored.sort_values(kind="stable").index]
            yield caption(ordered), ordered


def caption(group: pd.DataFrame) -> str:
    """The protocol, the number of seeds and the hardware of rows of one protocol."""
    first, seeds = group.iloc[0], group["seed"].nunique()
    noise = (
        f"σ = {_distinct(group['sigma'], 'g')}, protocol {first['protocol']}"
        if first["task"] == "denoise"
        else "rain as given"
    )
    colours = "RGB" if first["image_channels"] == 3 else f"gray ({first['grayscale']})"
    area = f"{first['test_border']}, self-ensemble ×{first['self_ensemble']}"
    trained = ", ".join(sorted(group["train_device"].dropna().unique()))
    return f"{_distinct(group['test_set'])} test, {_distinct(group['test_images'])} images, {colours}, {noise}, {area}\n{seeds} seed{'s' if seeds > 1 else ''}; {trained}"


def _distinct(values: pd.Series, form: str = "") -> str:
    return ", ".join(format(value, form) for value in values.dropna().unique())


def same_pixels(group: pd.DataFrame, references: pd.DataFrame | None) -> pd.DataFrame:
    """The rows of `references` (of `analysis.load_references`) that were scored on the pixels of `group`, each method once."""
    if references is None or not len(references):
        return pd.DataFrame()
    first = group.iloc[0]
    same = pd.Series(True, index=references.index)
    for name in PIXELS:
        same &= references[name].isna() if pd.isna(first[name]) else references[name] == first[name]
    return references[same].drop_duplicates("method")


def timed_caption(rows: pd.DataFrame, device: str) -> str:
    """As `caption`, of rows that were timed on one device."""
    return f"{caption(rows)}\ntimed on {device}, {rows.iloc[0]['test_time_size']} pixels"


def by_device(group: pd.DataFrame, later: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows with their times on each device: those they were written with, and those taken `later` (`load_timings`)."""
    if len(later):
        again = group.drop(columns=[name for name in later.columns if name != "trial_id"]).merge(later, on="trial_id")
        times = pd.concat([group.dropna(subset=["device"]), again], ignore_index=True)
        group = times.drop_duplicates(["trial_id", "device"])
    for device, rows in group.groupby("device", sort=True):
        yield str(device), rows

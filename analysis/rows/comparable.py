"""Which rows belong together: those of one protocol share a figure, and of these a comparison uses those that it may.

* **Protocol groups**: finished rows that were scored on the same pixels in the same way. Figures, tables and sentences
  are of one group; times, of one device of a group.
* **Comparable** rows are of one space and training, too. A comparison refuses rows that differ in more than it names.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.rows.columns import pixel_fields, said_fields, scoring_fields, search_fields, training_fields
from analysis.rows.load import whole
from analysis.rows.units import counted, mark, numbers, require, short_text

HASH = "test_pixels_sha256"
"""The column that says what the scored pixels were, beside the fields that they follow from."""
TIMED = ("device", "test_time_size", "test_time_images")
"""What a testing time follows from, beside the network."""


def protocol_columns() -> list[str]:
    """What rows of one protocol agree in: each combination of values has figures and tables of its own."""
    return [*pixel_fields(), *scoring_fields(), "test_images"]


def protocol_groups(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The finished rows in groups of one protocol each, with a caption that names it.

    Rows without a score, of trainings that were stopped, stand last in the group that their scores would be in.
    """
    rows = whole(frame)
    if not len(rows):
        return
    if "trial_id" in rows:
        rows = rows[~rows["trial_id"].duplicated() | rows["trial_id"].isna()]  # a store's studies share trials
    known = [name for name in (*pixel_fields(), *scoring_fields()) if name in rows]
    images = rows.groupby([*known, "test_limit"], dropna=False)["test_images"].transform("first")
    for _, group in rows.groupby([*known, rows["test_images"].fillna(images)], dropna=False):
        unscored = group["psnr_db"].isna()
        if not unscored.all():
            ordered = group.loc[unscored.sort_values(kind="stable").index]
            yield caption(ordered), ordered


def caption(group: pd.DataFrame) -> str:
    """The protocol, the number of seeds, the hardware and the unit of λ2 of rows of one protocol."""
    first, trained = group.iloc[0], ", ".join(sorted(group["train_device"].dropna().unique()))
    colours = "RGB" if first["image_channels"] == 3 else f"gray ({first['grayscale']})"
    tested = f"{_distinct(group['test_set'])} test, {_distinct(group['test_images'])} images, {colours}"
    scored = f"{degradation(group)}, {first['test_border']}, self-ensemble ×{first['self_ensemble']}"
    has_unit = {"lambda2", "complexity"} <= set(group)
    units = group.loc[group["lambda2"] > 0, "complexity"].dropna().unique() if has_unit else ()
    unit = f"; λ2 with complexity = {', '.join(units)}" if len(units) else ""
    return f"{tested}, {scored}\n{counted(group['seed'].nunique(), 'seed')}; {trained}{unit}"


def degradation(group: pd.DataFrame) -> str:
    """How the task of rows degrades an image, in words: `σ = 30, protocol clip8`; without σ, of which task."""
    known = [(form, group[name].dropna()) for name, form in said_fields().items() if name in group]
    told = [form.format(_distinct(values)) for form, values in known if len(values)]
    return ", ".join(told if group["sigma"].notna().any() else [str(group["task"].iloc[0]), *told])


def task_name(row: Mapping[Any, Any]) -> str:
    """The task of a row in few words: `σ=30`; where there is no σ its name, with the values of its fields."""
    if pd.notna(row.get("sigma")):
        return f"σ={row['sigma']:g}"
    return " ".join([row["task"], *(short_text(row[name]) for name in said_fields() if pd.notna(row.get(name)))])


def _distinct(values: pd.Series) -> str:
    return ", ".join(map(short_text, values.dropna().unique()))


def by_device(group: pd.DataFrame, later: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows with their times on each device: those of the rows, and those taken `later` (`load_timings`).

    Where images of several sizes were timed on a device, the rows of each size come alone, under a name that says it.
    """
    if len(later):
        again = group.drop(columns=[name for name in later.columns if name != "trial_id"]).merge(later, on="trial_id")
        times = pd.concat([group.dropna(subset=["device"]), again], ignore_index=True)
        group = times.drop_duplicates(["trial_id", "device"])
    for device, rows in group.groupby("device", sort=True):
        sizes = sorted(rows["test_time_size"].dropna().unique()) if "test_time_size" in rows else []
        if len(sizes) < 2:
            yield str(device), rows
        else:
            yield from ((f"{device}, {size} pixels", rows[rows["test_time_size"] == size]) for size in sizes)


def timed_caption(rows: pd.DataFrame, device: str) -> str:
    """The caption of rows that were timed on one device."""
    pixels = f", {rows.iloc[0]['test_time_size']} pixels"
    return f"{caption(rows)}\ntimed on {device.removesuffix(pixels)}{pixels}"


def references_beside(group: pd.DataFrame, references: pd.DataFrame | None) -> pd.DataFrame:
    """The rows of `analysis.load_references` that were scored on the pixels of `group`, each method once."""
    if references is None or not len(references):
        return pd.DataFrame()
    known = references.reindex(columns=[*pixel_fields(), "test_images"])  # earlier versions had fewer fields
    scored = pd.Series(True, index=references.index)
    for name, value in group.iloc[0].reindex(known.columns).items():
        scored &= known[name].isna() if pd.isna(value) else known[name] == value
    return references[scored].drop_duplicates("method")


def comparable_groups(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows of one space and one training each, with what tells them from the others: nothing where all compare."""
    differ = differing(rows, training_fields())
    for values, group in rows.groupby(differ, dropna=False) if differ else [((), rows)]:
        told = (f"{mark(name)} = {short_text(value)}" for name, value in zip(differ, values, strict=True))
        yield ", ".join(told), group


def comparable_rows(rows: pd.DataFrame, metric: str, free: Collection[str] = ()) -> pd.DataFrame:
    """The rows with a finite `metric`, as float64, every `trial_id` once (a store's studies share trials).

    Columns that `rows` lacks are not compared, so a small frame of one's own works.

    Args:
        free: the columns that the comparison is over; they may differ, but not the tested pixels.

    Raises KeyError: `rows` lacks `metric`, or one of `free`; the nearest column is named. Raises ValueError: rows
    differ in their tested pixels, in their training, or, for a testing time, in the device.
    """
    require(rows, metric, *free)
    figures = numbers(rows, metric)
    used = rows.assign(**{metric: figures})[np.isfinite(figures)]
    if "trial_id" in used and used["trial_id"].notna().all():
        used = used.drop_duplicates("trial_id")
    timed = TIMED if metric.startswith("test_time") else ()
    held = [*pixel_fields(), HASH, *(name for name in (*training_fields(), *timed) if name not in free)]
    for name in differing(used, held)[:1]:
        values = ", ".join(map(str, used[name].drop_duplicates().tolist()[:4]))
        raise ValueError(f"rows differ in {name} ({values}) and do not compare: choose rows of one {name}")
    return used


def differing(rows: pd.DataFrame, columns: Collection[str]) -> list[str]:
    """Those of `columns` that `rows` has and differs in."""
    present = [name for name in columns if name in rows]
    values = ((name, rows[name].map(str) if rows[name].dtype == object else rows[name]) for name in present)
    return [name for name, column in values if column.nunique(dropna=False) > 1]


def narrowed(rows: pd.DataFrame, *read: str) -> pd.DataFrame:
    """The columns that are `read`, and those that decide what compares where rows differ in them.

    Comparisons take and check many small parts of the rows, which is slow with a hundred columns.
    """
    decisive = differing(rows, [*pixel_fields(), HASH, *training_fields(), *TIMED])
    own = "trial_id train_key kind lambda1 lambda2 seed architecture psnr_by_image".split()
    read = (*read, *decisive, *own)
    return rows[[name for name in rows if name in read]]


def one_row_each(rows: pd.DataFrame, value: str, keys: list[str]) -> pd.DataFrame:
    """`rows` with `keys` as index, one row each; `value` names the rows in the message.

    Raises ValueError: several rows share their keys, so that pairs are not determined.
    """
    twice = rows[rows.duplicated(keys, keep=False)]
    if len(twice):
        shared = twice[keys].fillna("")
        group = twice[(shared == shared.iloc[0]).all(axis=1)]
        names = ("kind", "lambda1", "lambda2", *training_fields(), *search_fields(), "architecture")
        told = f" that differ in {', '.join(found)}" if (found := differing(group, names)) else ""
        raise ValueError(
            f"seed {group['seed'].iloc[0]} has {len(group)} rows with {value}{told}: choose rows of one configuration, "
            "or name the other axes in `within`"
        )
    return rows.set_index(keys)

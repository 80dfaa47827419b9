"""The figures and tables that stand beside a study's rows: `<storage>/studies/<study>/report/`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pandas as pd

from analysis.figures import AXES, draw_pareto
from analysis.groups import by_device, caption, comparable, same_pixels
from analysis.pareto import on_front
from analysis.published import published
from analysis.results import load, load_references, load_timings
from analysis.storage import join, open_storage
from analysis.style import rendered

TABLE = (
    "kind", "lambda1", "lambda2", "seed", "architecture", "parameters", "psnr_db", "ssim",
    "psnr_patch_db", "degraded_psnr_db", "test_time_ms", "test_time_iqr_ms", "test_time_spread", "device", "on_front",
    "search_stopped_at", "train_stopped_at", "trial_id",
)  # fmt: skip


def results_table(
    group: pd.DataFrame, references: pd.DataFrame | None = None, swept: Sequence[str] = ()
) -> pd.DataFrame:
    """The rows of one protocol, best PSNR first, with whether they are on the front of PSNR and parameters.

    `references` (of `analysis.load_references`) that were scored on the same pixels stand among them, as rows of
    kind `reference` with their name in the place of the architecture. Of the columns
    `swept`, the table has those in which the rows differ.
    """
    columns = [*TABLE[:1], *(name for name in swept if group[name].nunique() > 1), *TABLE[1:]]
    table = group.assign(on_front=on_front(group, minimise=["parameters"], maximise=["psnr_db"])).reindex(
        columns=columns
    )
    beside = same_pixels(group, references)
    if len(beside):
        named = beside.rename(columns={"method": "architecture"}).assign(kind="reference", on_front=False)
        table = pd.concat([table, named.reindex(columns=columns).dropna(axis=1, how="all")], ignore_index=True)
    return table.sort_values("psnr_db", ascending=False, ignore_index=True, kind="stable")


def published_beside(group: pd.DataFrame) -> pd.DataFrame:
    """The published rows on the test set, the task and the σ of `group`: for reading beside it, not for comparing."""
    first, rows = group.iloc[0], published()
    of_set = (rows["task"] == first["task"]) & (rows["dataset"] == first["test_set"])
    return rows[of_set & ((rows["sigma"] == first["sigma"]) | (first["task"] == "derain"))]


def write_report(
    storage: str | Path, study: str, trial_ids: Collection[str] | None = None, swept: Sequence[str] = ()
) -> list[str]:
    """Writes tables (csv, md) and Pareto figures (svg, png) of a study, or of some of its trials; their names below the storage.

    Times of different devices are drawn apart. `swept` is as `results_table` takes it.
    """
    filesystem, root = open_storage(storage)
    folder = f"studies/{study}/report"
    filesystem.create_dir(join(root, folder), recursive=True)
    written = []
    rows, references = load(storage, study), load_references(storage, study)
    later = load_timings(storage, study)
    groups = list(
        comparable(rows if trial_ids is None or not len(rows) else rows[rows["trial_id"].isin(list(trial_ids))])
    )
    for number, (text, group) in enumerate(groups, start=1):
        suffix = f"_{number}" if len(groups) > 1 else ""
        for name, data in _files(text, group, references, later, swept, suffix):
            with filesystem.open_output_stream(join(root, folder, name)) as stream:
                stream.write(data)
            written.append(f"{folder}/{name}")
    return written


def _files(
    text: str, group: pd.DataFrame, references: pd.DataFrame, later: pd.DataFrame, swept: Sequence[str], suffix: str
) -> Iterator[tuple[str, bytes]]:
    table = results_table(group, references, swept)
    yield f"results{suffix}.csv", table.to_csv(index=False).encode()
    heading = text.replace("\n", "; ")
    yield f"results{suffix}.md", f"{heading}\n\n{markdown(table)}\n{_published_text(group)}".encode()
    yield from _drawn(f"pareto_parameters{suffix}", group, "parameters", text)
    timed = list(by_device(group, later))
    for number, (device, rows) in enumerate(timed, start=1):
        name = f"pareto_test_time{suffix}" + (f"_device_{number}" if len(timed) > 1 else "")
        about = f"{caption(rows)}\ntimed on {device}, {rows.iloc[0]['test_time_size']} pixels"
        yield from _drawn(name, rows, "test_time_ms", about)


def _published_text(group: pd.DataFrame) -> str:
    """The published rows as a table of their own, with what stands between them and the rows above."""
    rows = published_beside(group)
    if not len(rows):
        return ""
    columns = ["method", "psnr_db", "ssim", "psnr_patch_db", "parameters", "test_time_s", "source", "doubts"]
    return (
        f"\nPublished figures: not measured here, and not to be compared digit by digit.\n\n{markdown(rows[columns])}\n"
    )


def _drawn(name: str, group: pd.DataFrame, cost: str, text: str) -> Iterator[tuple[str, bytes]]:
    assert cost in AXES
    yield from rendered(draw_pareto(group, cost, text), name)


def markdown(table: pd.DataFrame) -> str:
    """A table in Markdown; numbers with the digits that their units deserve."""
    digits = {
        "psnr_db": 2,
        "psnr_patch_db": 2,
        "degraded_psnr_db": 2,
        "ssim": 4,
        "test_time_ms": 1,
        "test_time_iqr_ms": 1,
    }

    def cell(name: str, value: object) -> str:
        if value is None or value is pd.NA or value != value:
            return ""
        return (
            f"{value:.{digits[name]}f}" if name in digits else f"{value:g}" if isinstance(value, float) else str(value)
        )

    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
    lines += [
        "| " + " | ".join(cell(name, value) for name, value in zip(table.columns, row, strict=True)) + " |"
        for row in table.itertuples(index=False)
    ]
    return "\n".join(lines)

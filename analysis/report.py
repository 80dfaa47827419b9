"""The figures and tables that stand beside a study's rows: `<storage>/studies/<study>/report/`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pandas as pd

from analysis.figures import AXES, draw_pareto
from analysis.groups import by_device, caption, comparable, same_pixels
from analysis.pareto import on_front
from analysis.results import load, load_references, load_timings
from analysis.storage import join, open_storage
from analysis.style import rendered
from analysis.tables import tables
from analysis.typesetting import Table, named_columns

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


def write_report(
    storage: str | Path, study: str, trial_ids: Collection[str] | None = None, swept: Sequence[str] = ()
) -> list[str]:
    """Writes tables (csv, md, tex, parquet) and Pareto figures (svg, png) of a study, or of some of its trials; their names below the storage.

    The tables are `results`, row by row, and those of the paper (`analysis.tables`). Times of different devices are
    drawn apart. `swept` is as `results_table` takes it.
    """
    filesystem, root = open_storage(storage)
    folder = f"studies/{study}/report"
    filesystem.create_dir(join(root, folder), recursive=True)
    written = []
    rows, references = load(storage, study), load_references(storage, study)
    later = load_timings(storage, study)
    rows = rows if trial_ids is None or not len(rows) else rows[rows["trial_id"].isin(list(trial_ids))]
    groups = list(comparable(rows))
    for number, (text, group) in enumerate(groups, start=1):
        suffix = f"_{number}" if len(groups) > 1 else ""
        for name, data in _files(text, group, references, later, swept, suffix):
            with filesystem.open_output_stream(join(root, folder, name)) as stream:
                stream.write(data)
            written.append(f"{folder}/{name}")
    for table in tables(rows, references, later):
        written += table.save(storage, f"{folder}/{table.name}")
    return written


def _files(
    text: str, group: pd.DataFrame, references: pd.DataFrame, later: pd.DataFrame, swept: Sequence[str], suffix: str
) -> Iterator[tuple[str, bytes]]:
    frame = results_table(group, references, swept)
    table = Table(f"results{suffix}", text, frame, named_columns(frame.columns))
    yield from ((f"{table.name}.{ending}", data) for ending, data in table.files().items())
    yield from _drawn(f"pareto_parameters{suffix}", group, "parameters", text)
    timed = list(by_device(group, later))
    for number, (device, rows) in enumerate(timed, start=1):
        name = f"pareto_test_time{suffix}" + (f"_device_{number}" if len(timed) > 1 else "")
        about = f"{caption(rows)}\ntimed on {device}, {rows.iloc[0]['test_time_size']} pixels"
        yield from _drawn(name, rows, "test_time_ms", about)


def _drawn(name: str, group: pd.DataFrame, cost: str, text: str) -> Iterator[tuple[str, bytes]]:
    assert cost in AXES
    yield from rendered(draw_pareto(group, cost, text), name)

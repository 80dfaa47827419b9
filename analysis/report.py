"""The figures and tables that stand beside a study's rows: `<storage>/studies/<study>/report/`."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from pathlib import Path

import pandas as pd

from analysis.figures import AXES, draw_pareto
from analysis.pareto import on_front
from analysis.results import finished, load
from analysis.storage import join, open_storage

PROTOCOL = ("task", "test_set", "sigma", "protocol", "image_channels", "test_border", "self_ensemble", "test_images")
"""Rows that differ in one of these do not compare: each combination has figures and tables of its own."""

TABLE = (
    "kind", "lambda1", "lambda2", "seed", "architecture", "parameters", "psnr_db", "ssim",
    "psnr_patch_db", "degraded_psnr_db", "test_time_ms", "test_time_iqr_ms", "test_time_spread", "device", "on_front", "trial_id",
)  # fmt: skip


def comparable(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The finished rows in groups of one protocol each, with a caption that names it."""
    rows = finished(frame)
    if not len(rows):
        return
    for _, group in rows.groupby(list(PROTOCOL), dropna=False):
        yield caption(group), group


def caption(group: pd.DataFrame) -> str:
    """The protocol, the number of seeds and the hardware of rows of one protocol."""
    first, seeds = group.iloc[0], group["seed"].nunique()
    noise = f"σ = {first['sigma']:g}, protocol {first['protocol']}"
    area = f"{first['test_border']}, self-ensemble ×{first['self_ensemble']}"
    trained = ", ".join(sorted(group["train_device"].dropna().unique()))
    return f"{first['test_set']} test, {first['test_images']} images, {noise}, {area}\n{seeds} seed{'s' if seeds > 1 else ''}; {trained}"


def results_table(group: pd.DataFrame) -> pd.DataFrame:
    """The rows of one protocol, best PSNR first, with whether they are on the front of PSNR and parameters."""
    table = group.assign(on_front=on_front(group, minimise=["parameters"], maximise=["psnr_db"]))
    return table[list(TABLE)].sort_values("psnr_db", ascending=False, ignore_index=True)


def write_report(storage: str | Path, study: str, trial_ids: Collection[str] | None = None) -> list[str]:
    """Writes tables (csv, md) and Pareto figures (svg, png) of a study, or of some of its trials; their names below the storage.

    Times of different devices are drawn apart.
    """
    filesystem, root = open_storage(storage)
    folder = f"studies/{study}/report"
    filesystem.create_dir(join(root, folder), recursive=True)
    written = []
    rows = load(storage, study)
    groups = list(
        comparable(rows if trial_ids is None or not len(rows) else rows[rows["trial_id"].isin(list(trial_ids))])
    )
    for number, (text, group) in enumerate(groups, start=1):
        suffix = f"_{number}" if len(groups) > 1 else ""
        for name, data in _files(text, group, suffix):
            with filesystem.open_output_stream(join(root, folder, name)) as stream:
                stream.write(data)
            written.append(f"{folder}/{name}")
    return written


def _files(text: str, group: pd.DataFrame, suffix: str) -> Iterator[tuple[str, bytes]]:
    table = results_table(group)
    yield f"results{suffix}.csv", table.to_csv(index=False).encode()
    yield f"results{suffix}.md", f"{text.replace(chr(10), '; ')}\n\n{markdown(table)}\n".encode()
    yield from _drawn(f"pareto_parameters{suffix}", group, "parameters", text)
    devices = sorted(group["device"].dropna().unique())
    for number, device in enumerate(devices, start=1):
        name = f"pareto_test_time{suffix}" + (f"_device_{number}" if len(devices) > 1 else "")
        timed = group[group["device"] == device]
        yield from _drawn(
            name,
            timed,
            "test_time_ms",
            f"{caption(timed)}; timed on {device}, {timed.iloc[0]['test_time_size']} pixels",
        )


def _drawn(name: str, group: pd.DataFrame, cost: str, text: str) -> Iterator[tuple[str, bytes]]:
    assert cost in AXES
    figure = draw_pareto(group, cost, text)
    for kind in ("svg", "png"):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=150)
        yield f"{name}.{kind}", buffer.getvalue()


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

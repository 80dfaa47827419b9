"""The paper's ablation, Table 5, in this project's numbers; see `analysis.tables.paper`."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.rows.groups import by_device
from analysis.rows.published import published_beside
from analysis.tables.paper_rows import KINDS, by_seed, framed, grids, mean_interval, numbered, table_caption
from analysis.tables.typesetting import Column, Table


def table5(rows: pd.DataFrame, timings: pd.DataFrame | None = None) -> list[Table]:
    """The ablation: a row for each pair of λ1 and λ2, for random architectures and given ones, on any test set.

    Columns of the frame: `method, kind, lambda1, lambda2, seeds`; `psnr_db, ssim, parameters` (a count) and `gain_db`
    with their intervals; `published_psnr_db, published_ssim, published_parameters, published_test_time_s`; and for
    each device and size of image `test_time_ms` with its interval and `device`, numbered where there are several.
    `gain_db` is PSNR less that of λ1 = λ2 = 0 and the same seed, a mean over the `gain_seeds` that have both.
    """
    made = [_ablation(apart, grid, timings) for apart, grid in grids(rows)] if len(rows) else []
    return numbered("table5", made)


def _ablation(
    apart: str, grid: pd.DataFrame, timings: pd.DataFrame | None
) -> tuple[str, pd.DataFrame, tuple[Column, ...]]:
    beside = published_beside(grid)
    beside = beside[beside["source"].str.endswith("Table 5")]
    timed = _timed(grid, timings)
    rows = [_configuration(rows, grid, timed) for _, rows in grid.groupby("configuration", sort=False)]
    rows = _with_published(rows, beside)
    rows.sort(
        key=lambda row: (
            KINDS.index(row["kind"]),
            *(0 if pd.isna(row[name]) else row[name] for name in ("lambda2", "lambda1")),
        )
    )
    names = ["method", "kind", "lambda1", "lambda2", "seeds"]
    columns = [Column("method", "configuration"), Column("seeds", "seeds")]
    paired = [row for row in rows if row.get("gain_db") is not None]
    counted = "gain_seeds" if any(row["gain_seeds"] != row["seeds"] for row in paired) else None
    for column in (
        Column("psnr_db", "PSNR (dB)", 2), Column("published_psnr_db", "published PSNR (dB)", 2),
        Column("gain_db", "gain over λ1 = λ2 = 0 (dB)", 2, signed=True, seeds=counted),
        Column("ssim", "SSIM", 4), Column("published_ssim", "published SSIM", 4),
        Column("parameters", "parameters (M)", 3, 1e-6), Column("published_parameters", "published parameters (M)", 2, 1e-6),
        *(Column(f"test_time_ms{end}", f"time on {device} (ms)", 1) for end, device, _ in timed),
        Column("published_test_time_s", "published time (s)", 2),
    ):  # fmt: skip
        columns.append(column)
        own = not column.name.startswith("published")
        names += [column.name, *(f"{column.name}_{side}" for side in ("low", "high") if own)]
    names += ["gain_seeds", *(f"device{end}" for end, _, _ in timed), "doubts"]
    gains = "A gain is the mean of differences between networks of one seed." if paired else ""
    return table_caption("Ablation, as Table 5", grid, beside, apart, gains), framed(rows, names), tuple(columns)


def _timed(grid: pd.DataFrame, timings: pd.DataFrame | None) -> list[tuple[str, str, pd.DataFrame]]:
    """How a column's name ends, the device and size of image in words, and the rows of each testing time."""
    found = []
    for device, rows in by_device(grid, pd.DataFrame() if timings is None else timings):
        for (size, images), one in rows.dropna(subset=["test_time_ms"]).groupby(["test_time_size", "test_time_images"]):
            found.append((f"{device}, {images} × {size} pixels", one))
    ends = [""] if len(found) == 1 else [f"_{number}" for number in range(1, len(found) + 1)]
    return [(end, *one) for end, one in zip(ends, found, strict=True)]


def _configuration(
    rows: pd.DataFrame, grid: pd.DataFrame, timed: list[tuple[str, str, pd.DataFrame]]
) -> dict[str, Any]:
    first, psnr = rows.iloc[0], by_seed(rows, "psnr_db")
    row = {name: first[name] for name in ("method", "kind", "lambda1", "lambda2")} | {
        "seeds": len(psnr),
        "doubts": None,
    }
    for name in ("psnr_db", "ssim", "parameters"):
        row |= mean_interval(by_seed(rows, name), name)
    base = grid[grid["configuration"] == first["baseline"]]
    if len(base) and first["configuration"] != first["baseline"]:
        gains = (psnr - by_seed(base, "psnr_db")).dropna()
        row |= {**mean_interval(gains, "gain_db"), "gain_seeds": len(gains)}
    for end, device, times in timed:
        own = times[times["configuration"] == first["configuration"]]
        row |= {**mean_interval(by_seed(own, "test_time_ms"), f"test_time_ms{end}"), f"device{end}": device}
    return row


def _with_published(rows: list[dict[str, Any]], beside: pd.DataFrame) -> list[dict[str, Any]]:
    """The published values beside the rows of their configuration, or, where it was not run, alone."""
    rows = [dict(row) for row in rows]
    for one in beside.to_dict("records"):
        kind = "random" if pd.isna(one["lambda1"]) else "searched"
        here = [
            row
            for row in rows
            if row["kind"] == kind
            and (kind == "random" or all(row[name] == one[name] for name in ("lambda1", "lambda2")))
        ]
        method = one["method"].removeprefix("CLEARER, ")
        alone = {"method": method, "kind": kind, "lambda1": one["lambda1"], "lambda2": one["lambda2"]}
        if not here:
            rows.append(alone)
            here = [rows[-1]]
        for row in here:
            row |= {f"published_{name}": one[name] for name in ("psnr_db", "ssim", "parameters", "test_time_s")}
            row["doubts"] = one["doubts"]
    return rows

"""The paper's Tables 1, 3, 4 and 5 in this project's numbers, with seeds and intervals, beside the published values.

A table holds rows of one protocol and one training; where rows differ in them, there are several tables. A number is
the mean over seeds; `<name>_low` and `<name>_high` are Student's 95 % interval over seeds, null for one seed. The
published values stand as they are in `analysis.rows.published`, where test set and σ are the same.

    rows, references = analysis.load(storage), analysis.load_references(storage)
    for table in tables(rows, references, analysis.load_timings(storage)):
        table.save("paper")  # paper/table5.csv, .md, .tex, .parquet
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from analysis.rows.groups import same_pixels
from analysis.rows.published import published_beside, sentences
from analysis.tables.ablation import table5
from analysis.tables.paper_rows import KINDS, by_seed, framed, grids, mean_interval, numbered, table_caption
from analysis.tables.typesetting import Column, Table

WHOLE = {"psnr_db": "PSNR (dB)", "ssim": "SSIM"}
LUMA = {"psnr_y_db": "PSNR of luma (dB)", "ssim_y": "SSIM of luma"}
PATCHES = {"psnr_patch_db": "PSNR, mean over 64×64 patches (dB)", "ssim_patch": "SSIM, mean over 64×64 patches"}
OTHER_SETS = ("set12", "bsd68")
BELOW = "published, not comparable digit by digit"


def tables(
    rows: pd.DataFrame, references: pd.DataFrame | None = None, timings: pd.DataFrame | None = None
) -> list[Table]:
    """Those of the paper's tables that `rows` can fill, one for each protocol and training; none without scored rows.

    Args:
        rows: of `analysis.load`.
        references: of `analysis.load_references`: the degraded input and classical denoisers, beside the networks.
        timings: of `analysis.load_timings`: times on further devices, in columns of their own.
    """
    return [*table1(rows, references), *table3(rows, references), *table4(rows, references), *table5(rows, timings)]


def table1(rows: pd.DataFrame, references: pd.DataFrame | None = None) -> list[Table]:
    """Denoising by method and σ, on any test set but those of Table 3; means over patches, where published, apart.

    Of the searched networks it holds the paper's λ1 = 0.01, λ2 = 0; where that did not run, all, none picked by score.
    With the two NAS methods of the paper's Table 2, which has the same columns.
    """
    chosen = _denoised(rows, False)
    return [
        *_methods("table1", "Denoising, as Table 1", chosen, references, "sigma", WHOLE),
        *_methods("table1_patches", "Denoising, as CLEARER-P of Table 1", chosen, references, "sigma", PATCHES),
    ]


def table3(rows: pd.DataFrame, references: pd.DataFrame | None = None) -> list[Table]:
    """Denoising by method on Set12 and BSD68, a table for each σ; else as `table1`."""
    chosen = _denoised(rows, True)
    return [
        *_methods("table3", "Denoising of other test sets, as Table 3", chosen, references, "test_set", WHOLE),
        *_methods("table3_patches", "Denoising, as CLEARER-P of Table 3", chosen, references, "test_set", PATCHES),
    ]


def table4(rows: pd.DataFrame, references: pd.DataFrame | None = None) -> list[Table]:
    """Deraining by method, in RGB and, since the paper does not say which it scores, in luma; else as `table1`."""
    chosen = rows[rows["task"] == "derain"] if len(rows) else rows
    return _methods("table4", "Deraining, as Table 4", chosen, references, None, WHOLE | LUMA)


def _denoised(rows: pd.DataFrame, others: bool) -> pd.DataFrame:
    return rows[(rows["task"] == "denoise") & (rows["test_set"].isin(OTHER_SETS) == others)] if len(rows) else rows


def _methods(
    name: str, title: str, rows: pd.DataFrame, references: pd.DataFrame | None, over: str | None, scores: dict[str, str]
) -> list[Table]:
    made = []
    for apart, grid in grids(rows, over) if len(rows) else ():
        chosen = _paper_s(grid)
        if not any(chosen[score].notna().any() for score in scores if score in chosen):
            continue
        frame, columns = _by_method(chosen, references, over, scores)
        beside = frame[frame["kind"] == "published"]
        if len(beside) or scores is not PATCHES:
            made.append((table_caption(title, chosen, beside, apart), frame, columns))
    return numbered(name, made)


def _paper_s(grid: pd.DataFrame) -> pd.DataFrame:
    """The random rows, and the searched ones with the paper's λ1 and λ2, or all where these did not run."""
    searched = grid["kind"] == "searched"
    default = searched & (grid["lambda1"] == 0.01) & (grid["lambda2"] == 0)
    return grid[(default if default.any() else searched) | (grid["kind"] == "random")]


def _by_method(
    grid: pd.DataFrame, references: pd.DataFrame | None, over: str | None, scores: dict[str, str]
) -> tuple[pd.DataFrame, tuple[Column, ...]]:
    """A row for each method; columns for each value of `over`, which their names end in."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    columns, names = [Column("method", "method")], ["method", "kind", "section"]
    for value, panel in grid.groupby(over, sort=over == "sigma") if over else [(None, grid)]:
        end, where = _place(over, value)
        for kind, method, figures, doubts in _panel(panel, references, list(scores), end):
            row = found.setdefault((kind, method), {"method": method, "kind": kind})
            row |= figures
            row["section"] = BELOW if kind == "published" else None
            row["doubts"] = " ".join(sentences([row.get("doubts") or "", doubts])) or None
        names.append(f"seeds{end}")
        for score, heading in scores.items():
            names += [f"{score}{end}", f"{score}{end}_low", f"{score}{end}_high"]
            seeds = f"seeds{end}" if score == next(iter(scores)) else None
            columns.append(Column(f"{score}{end}", heading + where, 4 if "ssim" in score else 2, seeds=seeds))
    order = sorted(found, key=lambda key: KINDS.index(key[0]))
    return framed([found[key] for key in order], [*names, "doubts"]), tuple(columns)


def _place(over: str | None, value: Any) -> tuple[str, str]:
    """How the names of a panel's columns end, and how their headings do."""
    if over is None:
        return "", ""
    return (f"_sigma{value:g}", f", σ = {value:g}") if over == "sigma" else (f"_{value}", f", {value}")


def _panel(
    panel: pd.DataFrame, references: pd.DataFrame | None, scores: list[str], end: str
) -> Iterator[tuple[str, str, dict[str, Any], str]]:
    """Kind, method, figures and doubts of everything that was scored on one test set with one σ."""
    for row in same_pixels(panel, references).to_dict("records"):
        yield "reference", row["method"], {f"{score}{end}": row.get(score) for score in scores}, ""
    for _, rows in panel.sort_values(["lambda2", "lambda1"], kind="stable").groupby("configuration", sort=False):
        figures: dict[str, Any] = {f"seeds{end}": len(by_seed(rows, scores[0]))}
        for score in scores:
            figures |= mean_interval(by_seed(rows, score), f"{score}{end}") if score in rows else {}
        kind, method = rows["kind"].iloc[0], rows["method"].iloc[0]
        yield kind, f"searched, {method}" if kind == "searched" else method, figures, ""
    for row in published_beside(panel).to_dict("records"):
        figures = {f"{score}{end}": row.get(score) for score in scores}
        if not row["source"].endswith("Table 5") and not all(pd.isna(figure) for figure in figures.values()):
            yield "published", row["method"], figures, row["doubts"]

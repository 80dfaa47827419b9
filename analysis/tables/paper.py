"""The paper's Tables 1, 3, 4 and 5 in this project's numbers, with seeds and intervals, beside the published values.

A table holds rows of one protocol and one training; where rows differ in them, there are several tables. A number is
the mean over seeds; `<name>_low` and `<name>_high` are Student's 95 % interval over seeds, null for one seed. The
published values stand as they are in `analysis.rows.published`, where test set and σ are the same.

    rows, references = analysis.load(storage), analysis.load_references(storage)
    for table in tables(rows, references, analysis.load_timings(storage)):
        table.save("paper")  # paper/table5.csv, .md, .tex, .parquet
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from analysis.rows.comparable import by_device, references_beside
from analysis.rows.configurations import BELOW_INPUT, is_below_input, seed_means
from analysis.rows.published import published_beside, sentences
from analysis.tables.paper_rows import BOUNDS, KINDS, framed, grids, numbered, table_caption, with_intervals
from analysis.tables.typesetting import Column, Table

WHOLE = {"psnr_db": "PSNR (dB)", "ssim": "SSIM"}
LUMA = {"psnr_y_db": "PSNR of luma (dB)", "ssim_y": "SSIM of luma"}
PATCHES = {"psnr_patch_db": "PSNR, mean over 64×64 patches (dB)", "ssim_patch": "SSIM, mean over 64×64 patches"}
PAIR = ("lambda1", "lambda2")
OTHER_SETS = ("set12", "bsd68")
BELOW = "published, not comparable digit by digit"


def tables(
    rows: pd.DataFrame, references: pd.DataFrame | None = None, timings: pd.DataFrame | None = None
) -> list[Table]:
    """Those of the paper's tables that `rows` can fill, one for each protocol and training; none without scored rows.

    * Table 1: denoising by method and σ, on any test set but those of Table 3; means over patches, where published,
      apart. Of the searched networks it holds the paper's λ1 = 0.01, λ2 = 0; where that did not run, all, none picked
      by score. With the two NAS methods of the paper's Table 2, which has the same columns.
    * Table 3: denoising by method on Set12 and BSD68, a table for each σ; else as Table 1.
    * Table 4: deraining by method, in RGB and, since the paper does not say which it scores, in luma; else as Table 1.
    * Table 5: the ablation, on any test set (`_ablation`).

    Args:
        rows: of `analysis.load`.
        references: of `analysis.load_references`: the degraded input and classical denoisers, beside the networks.
        timings: of `analysis.load_timings`: times on further devices, in columns of their own.
    """
    if not len(rows):
        return []
    denoised, others = rows["task"] == "denoise", rows["test_set"].isin(OTHER_SETS)
    apart, beside = rows[denoised & ~others], rows[denoised & others]
    made = [
        *_methods("table1", "Denoising, as Table 1", apart, references, "sigma", WHOLE),
        *_methods("table1_patches", "Denoising, as CLEARER-P of Table 1", apart, references, "sigma", PATCHES),
        *_methods("table3", "Denoising of other test sets, as Table 3", beside, references, "test_set", WHOLE),
        *_methods("table3_patches", "Denoising, as CLEARER-P of Table 3", beside, references, "test_set", PATCHES),
        *_methods("table4", "Deraining, as Table 4", rows[rows["task"] == "derain"], references, None, WHOLE | LUMA),
    ]
    return [*made, *numbered("table5", [_ablation(apart, grid, timings) for apart, grid in grids(rows)])]


def _methods(
    name: str, title: str, rows: pd.DataFrame, references: pd.DataFrame | None, over: str | None, scores: dict[str, str]
) -> list[Table]:
    made = []
    for apart, grid in grids(rows, over):
        searched = grid["kind"] == "searched"
        default = searched & (grid["lambda1"] == 0.01) & (grid["lambda2"] == 0)  # the paper's
        chosen = grid[(default if default.any() else searched) | (grid["kind"] == "random")]
        if not any(chosen[score].notna().any() for score in scores if score in chosen):
            continue
        frame, columns = _by_method(chosen, references, over, scores)
        beside = frame[frame["kind"] == "published"]
        if len(beside) or scores is not PATCHES:
            made.append((table_caption(title, chosen, beside, apart), frame, columns))
    return numbered(name, made)


def _by_method(
    grid: pd.DataFrame, references: pd.DataFrame | None, over: str | None, scores: dict[str, str]
) -> tuple[pd.DataFrame, list[Column]]:
    """A row for each method; columns for each value of `over`, which their names end in."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    columns, names = [Column("method", "method")], ["method", "kind", "section"]
    panels: Iterable[tuple[Any, pd.DataFrame]] = grid.groupby(over, sort=over == "sigma") if over else [(None, grid)]
    for value, panel in panels:
        end = "" if over is None else f"_sigma{value:g}" if over == "sigma" else f"_{value}"
        where = "" if over is None else f", σ = {value:g}" if over == "sigma" else f", {value}"
        for kind, method, figures, doubts in _panel(panel, references, list(scores), end):
            row = found.setdefault((kind, method), {"method": method, "kind": kind})
            row |= {**figures, "section": BELOW if kind == "published" else None}
            row["doubts"] = " ".join(sentences([row.get("doubts") or "", doubts])) or None
        names.append(f"seeds{end}")
        for score, heading in scores.items():
            names += [f"{score}{end}", *(f"{score}{end}_{side}" for side in BOUNDS)]
            seeds = f"seeds{end}" if score == next(iter(scores)) else None
            columns.append(Column(f"{score}{end}", heading + where, 4 if "ssim" in score else 2, seeds=seeds))
    order = sorted(found, key=lambda key: KINDS.index(key[0]))
    return framed([found[key] for key in order], [*names, "doubts"]), columns


def _panel(
    panel: pd.DataFrame, references: pd.DataFrame | None, scores: list[str], end: str
) -> Iterator[tuple[str, str, dict[str, Any], str]]:
    """Kind, method, figures and doubts of everything that was scored on one test set with one σ."""
    for row in references_beside(panel, references).to_dict("records"):
        yield "reference", row["method"], {f"{score}{end}": row.get(score) for score in scores}, ""
    below = _below(panel)
    figures = seed_means(panel, [score for score in scores if score in panel], "configuration").add_suffix(end)
    means: dict[Any, Any] = with_intervals(figures).rename(columns={"seeds": f"seeds{end}"}).to_dict("index")
    ordered = panel.sort_values(["lambda2", "lambda1"], kind="stable").drop_duplicates("configuration")
    for key, kind, method in zip(ordered["configuration"], ordered["kind"], ordered["method"], strict=True):
        yield kind, f"searched, {method}" if kind == "searched" else method, means[key], BELOW_INPUT * (key in below)
    for row in published_beside(panel).to_dict("records"):
        told = {f"{score}{end}": row.get(score) for score in scores}
        if not row["source"].endswith("Table 5") and not all(pd.isna(figure) for figure in told.values()):
            yield "published", row["method"], told, row["doubts"]


def _ablation(apart: str, grid: pd.DataFrame, timings: pd.DataFrame | None) -> tuple[str, pd.DataFrame, list[Column]]:
    """The caption, frame and columns: a row for each pair of λ1 and λ2, for random architectures and given ones.

    Columns of the frame: `method, kind, lambda1, lambda2, seeds`; `psnr_db, ssim, parameters` (a count) and `gain_db`
    with their intervals; `published_psnr_db, published_ssim, published_parameters, published_test_time_s`; and for
    each device and size of image `test_time_ms` with its interval and `device`, numbered where there are several.
    `gain_db` is PSNR less that of λ1 = λ2 = 0 and the same seed, a mean over the `gain_seeds` that have both.
    """
    beside = published_beside(grid)
    beside = beside[beside["source"].str.endswith("Table 5")]
    timed = _timed(grid, timings)
    first = grid.drop_duplicates("configuration").set_index("configuration")
    figures = seed_means(grid, ["psnr_db", "ssim", "parameters"], "configuration")
    for end, _, rows in timed:
        figures[f"test_time_ms{end}"] = seed_means(rows, ["test_time_ms"], "configuration")["test_time_ms"]
    is_baseline = first["baseline"] == first.index
    gains = figures["psnr_db"] - _of_baseline(figures["psnr_db"], first["baseline"])
    figures["gain_db"] = gains.mask(is_baseline.reindex(figures.index, level=0).to_numpy())
    keys = grid.get("train_key", pd.Series(None, grid.index, dtype=object)).where(grid["kind"] != "random")
    keys = keys.groupby([grid["configuration"], grid["seed"]]).first().reindex(figures.index)
    is_shared = keys.notna() & (keys == _of_baseline(keys, first["baseline"]))
    table = first[["method", "kind", "lambda1", "lambda2"]].join(with_intervals(figures, {"gain_db": is_shared}))
    table["doubts"] = [BELOW_INPUT if key in _below(grid) else None for key in table.index]
    is_paired = first["baseline"].isin(first.index) & ~is_baseline
    table["gain_seeds"] = figures["gain_db"].groupby(level=0).count().where(is_paired)
    table = table.assign(**{f"device{end}": device for end, device, _ in timed})
    has_gains = table["gain_db"].notna()
    fewer = (table["gain_seeds"] != table["seeds"])[has_gains].any()
    shown = [
        Column("psnr_db", "PSNR (dB)", 2),
        Column("published_psnr_db", "published PSNR (dB)", 2),
        Column("gain_db", "gain over λ1 = λ2 = 0 (dB)", 2, signed=True, seeds="gain_seeds" if fewer else None),
        Column("ssim", "SSIM", 4),
        Column("published_ssim", "published SSIM", 4),
        Column("parameters", "parameters (M)", 3, 1e-6),
        Column("published_parameters", "published parameters (M)", 2, 1e-6),
        *(Column(f"test_time_ms{end}", f"time on {device} (ms)", 1) for end, device, _ in timed),
        Column("published_test_time_s", "published time (s)", 2),
    ]
    names = ["method", "kind", "lambda1", "lambda2", "seeds"]
    for column in shown:
        own = not column.name.startswith("published")
        names += [column.name, *(f"{column.name}_{side}" for side in BOUNDS if own)]
    names += ["gain_seeds", *(f"device{end}" for end, *_ in timed), "doubts"]
    gains = "A gain is the mean of differences between networks of one seed." if has_gains.any() else ""
    text = table_caption("Ablation, as Table 5", grid, beside, apart, gains)
    whole = framed(_with_published(table, beside), names)
    return text, whole, [Column("method", "configuration"), Column("seeds", "seeds"), *shown]


def _timed(grid: pd.DataFrame, timings: pd.DataFrame | None) -> list[tuple[str, str, pd.DataFrame]]:
    """How a column's name ends, the device and size of image in words, and the rows of each testing time."""
    found = []
    for device, rows in by_device(grid, pd.DataFrame() if timings is None else timings):
        for (size, images), one in rows.dropna(subset=["test_time_ms"]).groupby(["test_time_size", "test_time_images"]):
            found.append((f"{device}, {images} × {size} pixels", one))
    ends = [""] if len(found) == 1 else [f"_{number}" for number in range(1, len(found) + 1)]
    return [(end, *one) for end, one in zip(ends, found, strict=True)]


def _of_baseline(values: pd.Series, baseline: pd.Series) -> np.ndarray:
    """The value of the baseline and the same seed, for each of `values` by configuration and seed."""
    configuration, seed = (values.index.get_level_values(level) for level in (0, 1))
    return values.reindex(pd.MultiIndex.from_arrays([baseline.reindex(configuration), seed])).to_numpy()


def _below(grid: pd.DataFrame) -> set[str]:
    """The configurations whose mean PSNR is below that of their input."""
    means = grid.reindex(columns=["psnr_db", "degraded_psnr_db"]).groupby(grid["configuration"]).mean()
    return set(means.index[is_below_input(means)])


def _with_published(table: pd.DataFrame, beside: pd.DataFrame) -> pd.DataFrame:
    """The published values beside the rows of their configuration, or, where it was not run, alone; in order."""
    told = beside[["method", *PAIR, "psnr_db", "ssim", "parameters", "test_time_s", "doubts"]].add_prefix("published_")
    told = told.rename(columns={f"published_{name}": name for name in PAIR})
    told = told.assign(kind=told["lambda1"].isna().map({True: "random", False: "searched"}))
    both = table.astype(dict.fromkeys(PAIR, float)).merge(told, "outer", ["kind", *PAIR])
    both["method"] = both["method"].fillna(both["published_method"].str.removeprefix("CLEARER, "))
    doubts = both[["doubts", "published_doubts"]].itertuples(index=False)
    both["doubts"] = [" ".join(text for text in pair if not pd.isna(text)) or None for pair in doubts]
    order = both.assign(kind=both["kind"].map(KINDS.index), **both[list(PAIR)].fillna(0))
    return both.loc[order.sort_values(["kind", *PAIR[::-1]], kind="stable").index].reset_index(drop=True)

"""Figures of what α says: gaps against λ1, α at the end of searches, and the way there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.style import COLOURS, FUSION, GRAY, MARKERS, PARALLEL
from analysis.predictions.polarisation import OPTIMISER, alpha_gaps, fixed_point, reachable, threshold, trajectories
from analysis.rows.published import published_alpha

ONE_CURVE = (*OPTIMISER, "columns", "search_iterations", "warmup_iterations", "alpha_initial_std")
"""Searches that differ in one of these have curves of their own."""
LETTERS = {"P": (PARALLEL, "parallel"), "F": (FUSION, "fusion")}


def gap_curves(rows: pd.DataFrame, points: int = 32) -> pd.DataFrame:
    """What mean |α^p − α^f| would be without data, over λ1, under the settings of the searches of `rows`; λ2 is 0.

    Columns: `lambda1`, `fixed_point_gap`, `reachable_gap` (after the searches' own number of steps). From 0 to three times the larger
    of the threshold and the rows' largest λ1.

    Raises:
        ValueError: no search, or searches that differ in one of `ONE_CURVE`.
    """
    row = _setting(rows)
    columns = sum(int(part) for part in row["columns"].split("-"))
    least = threshold(columns, row["alpha_weight_decay"])
    most = 3 * max(least, float(rows["lambda1"].max()), 0.01)
    beyond = least + np.geomspace((most - least) / 1000, most - least, points)  # it rises steeply at the threshold
    values = np.unique([0.0, *np.linspace(0, least, 8), *beyond])
    alone = reachable({**row, "lambda2": 0.0, "search_stopped_at": None}, values)
    return pd.DataFrame({
        "lambda1": values, "fixed_point_gap": 2 * fixed_point(values, columns, row["alpha_weight_decay"]) - 1,
        "reachable_gap": np.abs(1 - 2 * alone).mean(axis=(-2, -1)),
    })  # fmt: skip


def draw_gaps(rows: pd.DataFrame, caption: str) -> Figure:
    """Mean |α^p − α^f| of every search against λ1, beside the published ones and what the regulariser alone would give.

    `rows` are of one setting, `ONE_CURVE`. A marker is a λ2, a dash the mean over seeds. The closed form is of the rows' own number of
    columns and weight decay, and so is the threshold; the published points are of 12 columns and 1e-3.

    Raises:
        ValueError: as `gap_curves`.
    """
    curves, gaps = gap_curves(rows), alpha_gaps(rows)
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.add_subplot()
    label = "regulariser alone, in as many steps"
    axes.plot(curves["lambda1"], curves["reachable_gap"], color=GRAY, linewidth=4, alpha=0.4, label=label)
    label = "regulariser alone, closed form"
    axes.plot(curves["lambda1"], curves["fixed_point_gap"], color="black", linewidth=1, label=label)
    own = gaps[gaps["kind"] == "searched"]
    least = own["threshold"].iloc[0]
    axes.axvline(least, color=GRAY, linestyle="--", linewidth=0.8, label=f"threshold, λ1 = {least:.3g}")
    for number, (lambda2, points) in enumerate(own.groupby("lambda2")):
        colour, marker = COLOURS[number % 7], MARKERS[number % len(MARKERS)]
        label, means = f"searches, λ2 = {lambda2:g}", points.groupby("lambda1")["mean_gap"].mean()
        axes.plot(points["lambda1"], points["mean_gap"], marker, color=colour, alpha=0.5, label=label)
        axes.plot(means.index, means, "_", color=colour, markersize=16, markeredgewidth=1.5)
    told = gaps[gaps["kind"] == "published"]
    axes.plot(told["lambda1"], told["mean_gap"], "*", color="black", markersize=10, label="published")
    positive = own.loc[own["lambda1"] > 0, "lambda1"]
    axes.set_xscale("symlog", linthresh=min([0.01, *positive]))
    axes.set(xlabel="λ1", ylabel="mean |α of parallel − α of fusion|", ylim=(-0.03, 1.03), xlim=(-0.001, None))
    axes.grid(alpha=0.25)
    figure.suptitle(caption, fontsize=9)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def final_alpha(rows: pd.DataFrame) -> pd.DataFrame:
    """α^f of every column at the end of every search of `rows`, and of the published ones: one row each.

    Columns: `kind, lambda1, lambda2, seed, column` (from 1, over all cells), `alpha`, and `fixed_point`, the larger α where λ1 and
    weight decay alone balance.
    """
    searched = rows[(rows["kind"] == "searched") & rows["alpha"].notna()] if len(rows) else rows
    table = [
        {**{name: row.get(name) for name in ("kind", "lambda1", "lambda2", "seed")}, "column": column, "alpha": alpha,
         "fixed_point": float(fixed_point(row["lambda1"], len(row["alpha"]), row["alpha_weight_decay"]))}
        for frame in (searched, published_alpha()) for row in frame.to_dict("records")
        for column, alpha in enumerate(row["alpha"], start=1)
    ]  # fmt: skip
    return pd.DataFrame(table)


def draw_final_alpha(rows: pd.DataFrame, caption: str) -> Figure:
    """α^f of every column at the end of every search by λ1: a panel a λ2, and one of the published searches.

    A point is a column of a search, columns and seeds side by side; dashes are where λ1 and weight decay alone balance.
    """
    table = final_alpha(rows)
    panels = [(f"λ2 = {value:g}", own) for value, own in table[table["kind"] == "searched"].groupby("lambda2")]
    panels.append(("published", table[table["kind"] == "published"]))
    figure = Figure(figsize=(2.4 * len(panels) + 1.2, 3.8), layout="constrained")
    for axes, (title, own) in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True):
        lambda1 = sorted(own["lambda1"].unique())
        for place, (_, points) in enumerate(own.groupby("lambda1")):
            ordered = points.sort_values(["seed", "column"])
            offsets = place + np.linspace(-0.3, 0.3, len(ordered))
            colours = np.where(ordered["alpha"] > 0.5, FUSION, PARALLEL)
            axes.scatter(offsets, ordered["alpha"], c=colours, s=12, linewidths=0, alpha=0.8, zorder=2)
            for held in {points["fixed_point"].iloc[0], 1 - points["fixed_point"].iloc[0]}:
                axes.plot([place - 0.4, place + 0.4], [held, held], color="black", linewidth=0.9, linestyle="--", zorder=1)  # fmt: skip
        axes.set_xticks(range(len(lambda1)), [f"{value:g}" for value in lambda1])
        axes.set(title=title, xlabel="λ1", ylim=(-0.03, 1.03))
        axes.grid(alpha=0.25, axis="y")
    figure.axes[0].set_ylabel("α of fusion (0 parallel, 1 fusion)")
    figure.suptitle(caption, fontsize=9)
    handles = [Line2D([], [], marker="o", color=colour, linestyle="", label=f"a column, {name}") for colour, name in LETTERS.values()]  # fmt: skip
    handles.append(Line2D([], [], color="black", linestyle="--", linewidth=0.9, label="λ1 and weight decay alone"))
    figure.legend(handles=handles, fontsize=8, loc="outside lower center", ncols=3, frameon=False)
    return figure


def draw_trajectories(rows: pd.DataFrame, curves: pd.DataFrame, caption: str) -> Figure:
    """α^f of every column of every search against the iteration: a panel a pair of λ1 (left to right) and λ2 (downwards).

    A line is a column of one seed, in the colour of the module that was chosen; dashes are where λ1 and weight decay alone balance.
    """
    table, searched = trajectories(rows, curves), rows[rows["kind"] == "searched"]
    lambda1, lambda2 = (sorted(table[name].unique()) for name in ("lambda1", "lambda2"))
    figure = Figure(figsize=(2.3 * len(lambda1) + 1, 1.9 * len(lambda2) + 0.9), layout="constrained")
    panels = figure.subplots(len(lambda2), len(lambda1), sharex=True, sharey=True, squeeze=False)
    for line, below in enumerate(lambda2):
        for place, right in enumerate(lambda1):
            own = table[(table["lambda1"] == right) & (table["lambda2"] == below)]
            first = searched[(searched["lambda1"] == right) & (searched["lambda2"] == below)].head(1)
            _draw_panel(panels[line, place], own, first)
            panels[line, place].set_title(f"λ1 = {right:g}, λ2 = {below:g}", fontsize=8)
    for axes in panels[-1]:
        axes.set_xlabel("search iteration")
    figure.supylabel("α of fusion (0 parallel, 1 fusion)", fontsize=9)
    figure.suptitle(caption, fontsize=9)
    handles = [Line2D([], [], color=colour, label=f"became {name}") for colour, name in LETTERS.values()]
    handles.append(Line2D([], [], color="black", linestyle="--", linewidth=0.9, label="λ1 and weight decay alone"))
    figure.legend(handles=handles, fontsize=8, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _draw_panel(axes: Axes, own: pd.DataFrame, first: pd.DataFrame) -> None:
    for _, one in own.groupby(["trial_id", "cell", "column"]):
        colour = LETTERS[one["module"].iloc[0]][0]
        axes.plot(one["iteration"], one["alpha"], color=colour, linewidth=0.9, alpha=0.6, zorder=2)
    for row in first.to_dict("records"):
        held = float(fixed_point(row["lambda1"], len(row["alpha"]), row["alpha_weight_decay"]))
        for level in {held, 1 - held}:
            axes.axhline(level, color="black", linewidth=0.9, linestyle="--", zorder=1)
    axes.set_ylim(-0.03, 1.03)
    axes.grid(alpha=0.25)


def _setting(rows: pd.DataFrame) -> dict[str, Any]:
    """The first searched row, when all searches have its settings."""
    searched = rows[(rows["kind"] == "searched") & rows["alpha"].notna()]
    if not len(searched):
        raise ValueError("no search with α among the rows")
    for name in ONE_CURVE:
        if searched[name].nunique() > 1:
            values = ", ".join(map(str, sorted(searched[name].unique())))
            raise ValueError(f"{name}: searches of {values} have curves of their own; hand in the rows of one of them")
    return {str(name): value for name, value in searched.iloc[0].items()}

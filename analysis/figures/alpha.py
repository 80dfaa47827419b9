"""Figures of what α says: in one search, at the end of all of them against λ1, and on the way there."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.figures.style import BELOW, BESIDE, COLOURS, FUSION, GRAY, MARKERS, PARALLEL, Figure, Look, handle, label
from analysis.predictions.polarisation import SETTINGS, alpha_gaps, fixed_point, reachable, threshold, trajectories
from analysis.rows.comparable import differing
from analysis.rows.published import published_alpha

LETTERS = {"P": (PARALLEL, "parallel"), "F": (FUSION, "fusion")}
ALPHA, GAP = "α of fusion (0 parallel, 1 fusion)", "mean |α of parallel − α of fusion|"
ALONE: Look = {"color": "black", "linewidth": 0.9, "linestyle": "--"}
"""The line where λ1 and weight decay alone balance."""


def alpha_table(curve: pd.DataFrame) -> pd.DataFrame:
    """α^f (how much of the fusion module) during a search: one row a reported iteration, one column a column from 1.

    `curve` holds the rows of one trial's curve, of `analysis.load_curves`.
    """
    rows = curve[(curve["stage"] == "search") & curve["alpha"].notna()].sort_values("iteration")
    columns = range(1, len(rows["alpha"].iloc[0]) + 1 if len(rows) else 1)
    return pd.DataFrame(rows["alpha"].tolist(), index=pd.Index(rows["iteration"], name="iteration"), columns=columns)


def draw_alpha(curve: pd.DataFrame, architecture: str) -> Figure:
    """α^f of every column against the iteration of a search, a panel a cell: which columns become fusion, and when.

    `curve` is as `alpha_table` takes it, `architecture` what the search found.
    """
    table, cells = alpha_table(curve), architecture.split("-")
    figure = Figure(figsize=(2.6 * len(cells) + 1.2, 3.6), layout="constrained")
    panels = figure.subplots(1, len(cells), sharey=True, squeeze=False)[0]
    styles = [(colour, line) for line in ("-", "--", ":") for colour in COLOURS if colour != "#F0E442"]
    dots: Look = {"marker": "o" if len(table) < 10 else "", "markersize": 3, "linewidth": 1.8}
    column = 0
    for number, (axes, letters) in enumerate(zip(panels, cells, strict=True), start=1):
        axes.axhline(0.5, color=GRAY, linewidth=0.8, zorder=1)
        for position, letter in enumerate(letters, start=1):
            column += 1
            colour, line = styles[(position - 1) % len(styles)]
            name = f"column {position}: {letter}"
            axes.plot(table.index, table[column], color=colour, linestyle=line, label=name, **dots)
        axes.set(title=f"cell {number}", xlabel="search iteration", ylim=(-0.03, 1.03))
        axes.grid(alpha=0.25)
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, frameon=False)
    panels[0].set_ylabel(ALPHA)
    figure.suptitle(architecture, fontsize=10)
    return figure


def gap_curves(rows: pd.DataFrame, points: int = 32) -> pd.DataFrame:
    """What mean |α^p − α^f| would be without data, over λ1, under the settings of the searches of `rows`; λ2 is 0.

    Columns: `lambda1`, `fixed_point_gap`, `reachable_gap` (after the searches' own number of steps). From 0 to three
    times the larger of the threshold and the rows' largest λ1. Raises ValueError: no search, or searches whose α the
    regulariser alone would not take the same way (`SETTINGS`).
    """
    row = _setting(rows)
    columns = sum(int(part) for part in row["columns"].split("-"))
    least = threshold(columns, row["alpha_weight_decay"])
    most = 3 * max(least, float(rows["lambda1"].max()), 0.01)
    beyond = least + np.geomspace((most - least) / 1000, most - least, points)  # it rises steeply at the threshold
    values = np.unique([0.0, *np.linspace(0, least, 8), *beyond])
    alone = reachable({**row, "lambda2": 0.0, "search_stopped_at": None}, values)
    closed = 2 * fixed_point(values, columns, row["alpha_weight_decay"]) - 1
    reached = np.abs(1 - 2 * alone).mean(axis=(-2, -1))
    return pd.DataFrame({"lambda1": values, "fixed_point_gap": closed, "reachable_gap": reached})


def draw_gaps(rows: pd.DataFrame, caption: str) -> Figure:
    """Mean |α^p − α^f| of every search against λ1, beside the published ones and what the regulariser alone would give.

    `rows` are of one setting, as in `gap_curves`. A marker is a λ2, a dash the mean over seeds. Closed form and
    threshold are of the rows' own columns and weight decay, the published points are of 12 columns and 1e-3. Raises
    ValueError as `gap_curves` does.
    """
    curves, gaps = gap_curves(rows), alpha_gaps(rows)
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.add_subplot()
    x, alone = curves["lambda1"], "regulariser alone"
    axes.plot(x, curves["reachable_gap"], color=GRAY, linewidth=4, alpha=0.4, label=f"{alone}, in as many steps")
    axes.plot(x, curves["fixed_point_gap"], color="black", linewidth=1, label=f"{alone}, closed form")
    own = gaps[gaps["kind"] == "searched"]
    least = own["threshold"].iloc[0]
    axes.axvline(least, color=GRAY, linestyle="--", linewidth=0.8, label=f"threshold, λ1 = {least:.3g}")
    for number, (lambda2, points) in enumerate(own.groupby("lambda2")):
        colour, marker = COLOURS[number % 7], MARKERS[number % len(MARKERS)]
        name, means = f"searches, λ2 = {lambda2:g}", points.groupby("lambda1")["mean_gap"].mean()
        axes.plot(points["lambda1"], points["mean_gap"], marker, color=colour, alpha=0.5, label=name)
        axes.plot(means.index, means, "_", color=colour, markersize=16, markeredgewidth=1.5)
    told = gaps[gaps["kind"] == "published"]
    axes.plot(told["lambda1"], told["mean_gap"], "*", color="black", markersize=10, label="published")
    positive = own.loc[own["lambda1"] > 0, "lambda1"]
    axes.set_xscale("symlog", linthresh=min([0.01, *positive]))
    axes.set(ylim=(-0.03, 1.03), xlim=(-0.001, None))
    label(axes, "λ1", GAP, caption)
    axes.legend(**BESIDE)
    return figure


def final_alpha(rows: pd.DataFrame) -> pd.DataFrame:
    """α^f of every column at the end of every search of `rows`, and of the published ones: one row each.

    Columns: `kind, lambda1, lambda2, seed, column` (from 1, over all cells), `alpha`, and `fixed_point`, the larger α
    where λ1 and weight decay alone balance.
    """
    searched = rows[(rows["kind"] == "searched") & rows["alpha"].notna()] if len(rows) else rows
    names, table = ("kind", "lambda1", "lambda2", "seed"), []
    for row in [*searched.to_dict("records"), *published_alpha().to_dict("records")]:
        about = {name: row.get(name) for name in names} | {"fixed_point": _balance(row)}
        table += [{**about, "column": column, "alpha": alpha} for column, alpha in enumerate(row["alpha"], start=1)]
    return pd.DataFrame(table, columns=[*names, "column", "alpha", "fixed_point"])


def draw_final_alpha(rows: pd.DataFrame, caption: str) -> Figure:
    """α^f of every column at the end of every search by λ1: a panel a λ2, and one of the published searches.

    A point is a column of a search, columns and seeds side by side; dashes are where λ1 and weight decay alone balance.
    """
    table = final_alpha(rows)
    panels = [(f"λ2 = {value:g}", own) for value, own in table[table["kind"] == "searched"].groupby("lambda2")]
    panels.append(("published", table[table["kind"] == "published"]))
    figure = Figure(figsize=(2.4 * len(panels) + 1.2, 3.8), layout="constrained")
    for axes, (title, own) in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True):
        for place, (_, points) in enumerate(own.groupby("lambda1")):
            ordered = points.sort_values(["seed", "column"])
            offsets = place + np.linspace(-0.3, 0.3, len(ordered))
            colours = np.where(ordered["alpha"] > 0.5, FUSION, PARALLEL)
            axes.scatter(offsets, ordered["alpha"], c=colours, s=12, linewidths=0, alpha=0.8, zorder=2)
            for held in {points["fixed_point"].iloc[0], 1 - points["fixed_point"].iloc[0]}:
                axes.plot([place - 0.4, place + 0.4], [held, held], zorder=1, **ALONE)
        lambda1 = sorted(own["lambda1"].unique())
        axes.set_xticks(range(len(lambda1)), [f"{value:g}" for value in lambda1])
        axes.set(title=title, xlabel="λ1", ylim=(-0.03, 1.03))
        axes.grid(alpha=0.25, axis="y")
    figure.axes[0].set_ylabel(ALPHA)
    figure.suptitle(caption, fontsize=9)
    _add_legend(figure, [handle("o", colour, f"a column, {name}") for colour, name in LETTERS.values()])
    return figure


def draw_trajectories(rows: pd.DataFrame, curves: pd.DataFrame, caption: str) -> Figure:
    """α^f of every column of every search against the iteration: a panel a pair of λ1 (rightwards) and λ2 (downwards).

    A line is a column of one seed, in the colour of the chosen module; dashes are where the regulariser alone rests.
    """
    table, searched = trajectories(rows, curves), rows[rows["kind"] == "searched"]
    lambda1, lambda2 = (sorted(table[name].unique()) for name in ("lambda1", "lambda2"))
    figure = Figure(figsize=(2.3 * len(lambda1) + 1, 1.9 * len(lambda2) + 0.9), layout="constrained")
    panels = figure.subplots(len(lambda2), len(lambda1), sharex=True, sharey=True, squeeze=False)
    for line, below in enumerate(lambda2):
        for axes, right in zip(panels[line], lambda1, strict=True):
            own, first = (all_[(all_["lambda1"] == right) & (all_["lambda2"] == below)] for all_ in (table, searched))
            _draw_panel(axes, own, first.head(1))
            axes.set_title(f"λ1 = {right:g}, λ2 = {below:g}", fontsize=8)
    for axes in panels[-1]:
        axes.set_xlabel("search iteration")
    figure.supylabel(ALPHA, fontsize=9)
    figure.suptitle(caption, fontsize=9)
    _add_legend(figure, [handle("", colour, f"became {name}", linestyle="-") for colour, name in LETTERS.values()])
    return figure


def _draw_panel(axes: Axes, own: pd.DataFrame, first: pd.DataFrame) -> None:
    for _, one in own.groupby(["trial_id", "cell", "column"]):
        colour = LETTERS[one["module"].iloc[0]][0]
        axes.plot(one["iteration"], one["alpha"], color=colour, linewidth=0.9, alpha=0.6, zorder=2)
    for row in first.to_dict("records"):
        for level in {_balance(row), 1 - _balance(row)}:
            axes.axhline(level, zorder=1, **ALONE)
    axes.set_ylim(-0.03, 1.03)
    axes.grid(alpha=0.25)


def _add_legend(figure: Figure, handles: list[Line2D]) -> None:
    alone = Line2D([], [], label="λ1 and weight decay alone", **ALONE)
    figure.legend(handles=[*handles, alone], ncols=3, **BELOW)


def _balance(row: dict[Any, Any]) -> float:
    return float(fixed_point(row["lambda1"], len(row["alpha"]), row["alpha_weight_decay"]))


def _setting(rows: pd.DataFrame) -> dict[str, Any]:
    """The first searched row, when all searches have its settings."""
    searched = rows[(rows["kind"] == "searched") & rows["alpha"].notna()]
    if not len(searched):
        raise ValueError("no search with α among the rows")
    for name in differing(searched, SETTINGS)[:1]:
        values = ", ".join(map(str, sorted(searched[name].unique())))
        raise ValueError(f"{name}: searches of {values} have curves of their own; hand in the rows of one of them")
    return {str(name): value for name, value in searched.iloc[0].items()}

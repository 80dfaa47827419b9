"""The whole search space as a figure: what every architecture costs, and which of them were found."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.style import COLOURS, GRAY, Figure, Look, handle, label, quantity
from analysis.predictions.space import cost_distribution, shares, space_of, standing
from analysis.predictions.testing_time import LeftOut, TimeModel, time_model
from analysis.rows.configurations import kind_name

PALE, MIDDLE = "#BBBBBB", "#21918C"
"""Of bars that stand for all architectures; and the middle of the scale viridis, for what has its colours."""
BINS = 40
LOOKS = {"random": ("X", GRAY), "given": ("p", "black"), "searched": ("o", COLOURS[3])}
"""Of each kind: marker and colour. What was found is drawn last, on top."""


def space_table(whole: pd.DataFrame, model: TimeModel) -> pd.DataFrame:
    """The points of the cloud: one row a pair of costs. `parameters`, `predicted_time_ms`, `fusion_columns`, `share`.

    `whole` is of `analysis.space` or `space_counts`; `share` is that of all architectures which lie at the point.
    """
    points = whole.assign(predicted_time_ms=model.predict(whole), share=shares(whole))
    costs = ["parameters", "predicted_time_ms", "fusion_columns"]
    return points.groupby(costs, dropna=False)["share"].sum().reset_index()


def draw_space(rows: pd.DataFrame, whole: pd.DataFrame, model: TimeModel, caption: str) -> Figure:
    """Parameters against predicted testing time: all architectures as a pale cloud, those of `rows` on top of it.

    The area of a pale point grows with the number of architectures there, its colour is their number of fusion columns.
    Kinds at one point are drawn one around the other. The bar of a point is the median error of left-out architectures,
    to either side; a dash is what was measured. `rows` are of one device, as `model` is. Raises ValueError: the model
    could not be fitted, and why.
    """
    if model.error is None:
        raise ValueError(f"testing times can't be predicted: {model.reason}")
    cloud, found = space_table(whole, model), standing(rows, whole.assign(predicted_time_ms=model.predict(whole)))
    across, unit = quantity("parameters", cloud["parameters"])
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    area = 8 + 170 * cloud["share"] / cloud["share"].max()
    shade: Look = {"c": cloud["fusion_columns"], "cmap": "viridis", "alpha": 0.35, "linewidths": 0, "zorder": 1}
    pale = axes.scatter(unit * cloud["parameters"], cloud["predicted_time_ms"], s=area, **shade)
    figure.colorbar(pale, cax=axes.inset_axes((1.05, 0.0, 0.03, 0.4)), label="fusion columns")
    kinds = [(kind, *look, found[found["kind"] == kind]) for kind, look in LOOKS.items() if kind in set(found["kind"])]
    for place, (_, marker, colour, points) in enumerate(kinds):
        edge: Look = {"markeredgecolor": "white", "markeredgewidth": 0.6, "elinewidth": 1, "color": colour, "zorder": 3}
        x, size = unit * points["parameters"], 7 + 4 * (len(kinds) - 1 - place)
        axes.errorbar(x, points["predicted_time_ms"], model.error.median_ms, fmt=marker, markersize=size, **edge)
        axes.plot(x, points["test_time_ms"], "_", markersize=11, markeredgewidth=2, color=colour, zorder=4)
    caption = f"{caption}\n{error_text(model.error)}"
    label(axes, across, "predicted testing time (ms per image)", caption, size=8)
    handles = [handle(marker, colour, kind_name(kind, own["architecture"])) for kind, marker, colour, own in kinds]
    handles += [handle("_", "black", "measured time", markersize=11, markeredgewidth=2)]
    handles += [handle("|", "black", "prediction ± median error", markersize=11)]
    handles += [handle("o", MIDDLE, "all architectures, pale", alpha=0.35)]
    axes.legend(handles=handles, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


def error_text(e: LeftOut) -> str:
    """How far a model's predictions were off, in two lines."""
    each = (e.median_ms, e.median_percent, e.max_ms, e.max_percent, e.mean_median_percent)
    median, share, most, most_share, mean_share = (f"{value:.2g}" if value < 10 else f"{value:,.0f}" for value in each)
    return (
        f"prediction of {e.architectures} timed architectures, each left out once: "
        f"off by {median} ms ({share} %) in the median,\n{most} ms ({most_share} %) at most; "
        f"the mean time of the others is off by {mean_share} % in the median"
    )


def strip_costs(rows: pd.DataFrame, cost: str) -> pd.DataFrame | None:
    """The `cost_distribution` of the space that rows are of, of `parameters` or, predicted, of `test_time_ms`.

    None where rows are of several spaces, or too few of them are timed for a prediction.
    """
    whole = space_of(rows)
    if whole is None or cost == "parameters":
        return None if whole is None else cost_distribution(whole, cost)
    model = time_model(rows)
    if model.error is None:
        return None
    return cost_distribution(whole.assign(predicted_time_ms=model.predict(whole)), "predicted_time_ms")


def strip_table(costs: pd.DataFrame) -> pd.DataFrame:
    """The bars of a strip: `percent` of all architectures cost from `low` to `high`; of `cost_distribution`."""
    percent, edges = np.histogram(costs["cost"], bins=min(BINS, max(1, len(costs))), weights=100 * costs["share"])
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "percent": percent})


def draw_strip(axes: Axes, costs: pd.DataFrame, unit: float) -> None:
    """All architectures as a strip of bars below a figure with the same x axis; `costs` is of `cost_distribution`."""
    bars = strip_table(costs)
    axes.bar(unit * bars["low"], bars["percent"], unit * (bars["high"] - bars["low"]), align="edge", color=PALE)
    axes.set(ylabel="% of all\narchitectures" + ("\n(predicted)" if costs["predicted"].any() else ""))
    axes.yaxis.label.set_fontsize(8)
    axes.grid(alpha=0.25)

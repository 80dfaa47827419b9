"""The whole search space as a figure: what every architecture costs, and which of them were found."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.space import standing
from analysis.style import COLOURS, GRAY
from analysis.testing_time import TimeModel

LOOKS = {
    "random": ("X", GRAY, "random architecture"),
    "given": ("p", "black", "given architecture"),
    "searched": ("o", COLOURS[3], "found by a search"),
}
"""Of each kind: marker, colour, name. What was found is drawn last, on top."""


def space_table(whole: pd.DataFrame, model: TimeModel) -> pd.DataFrame:
    """The points of the cloud: one row a pair of costs. `parameters`, `predicted_time_ms`, `fusion_columns`, `share`.

    `whole` is of `analysis.space` or `space_counts`; `share` is that of all architectures which lie at the point.
    """
    weights = whole["share"] if "share" in whole else 1 / len(whole)
    points = whole.assign(predicted_time_ms=model.predict(whole), share=weights)
    return points.groupby(["parameters", "predicted_time_ms", "fusion_columns"], as_index=False, dropna=False)["share"].sum()


def draw_space(rows: pd.DataFrame, whole: pd.DataFrame, model: TimeModel, caption: str) -> Figure:
    """Parameters against predicted testing time: all architectures as a pale cloud, those of `rows` on top of it.

    The area of a pale point grows with the number of architectures there, its colour is their number of fusion columns.
    What was measured is joined by a line to what is predicted; the bar in the corner is the largest error of a left-out
    architecture, the title has the median too. `rows` are of one device, as `model`.

    Raises:
        ValueError: the model could not be fitted; the message is its reason.
    """
    if model.error is None:
        raise ValueError(f"testing times can't be predicted: {model.reason}")
    cloud, found = space_table(whole, model), standing(rows, whole.assign(predicted_time_ms=model.predict(whole)))
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    area = 8 + 170 * cloud["share"] / cloud["share"].max()
    pale = axes.scatter(
        1e-6 * cloud["parameters"], cloud["predicted_time_ms"], s=area, c=cloud["fusion_columns"], cmap="viridis", alpha=0.35,
        linewidths=0, zorder=1,
    )  # fmt: skip
    bar = figure.colorbar(pale, ax=axes, label="fusion columns", shrink=0.5, anchor=(0, 0))
    bar.solids.set_alpha(0.6)  # type: ignore[union-attr]
    for kind in [kind for kind in LOOKS if kind in set(found["kind"])]:
        _draw_found(axes, found[found["kind"] == kind], kind)
    error = model.error
    axes.errorbar(0.96, 0.13, yerr=[[0], [0]], transform=axes.transAxes)  # keeps the corner's bar out of the data's limits
    axes.set(xlabel="parameters (millions)", ylabel="predicted testing time (ms per image)")
    axes.grid(alpha=0.25)
    return figure

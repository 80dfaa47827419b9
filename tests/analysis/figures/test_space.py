"""The figure of the whole space: every architecture is in the cloud, and what was found lies in it."""

import pandas as pd
import pytest

from analysis.figures.space import draw_space, space_table
from analysis.figures.style import as_png
from analysis.predictions.space import space
from analysis.predictions.testing_time import time_model
from tests.analysis.spaces import EVERY, timed


def test_the_cloud_holds_every_architecture_and_the_found_ones_lie_in_it() -> None:
    rows, whole = timed(EVERY[::3], noise=0.5), space("2-3", 4)
    model = time_model(rows)
    cloud = space_table(whole, model)
    assert len(cloud) == 3 * 4
    assert cloud["share"].sum() == pytest.approx(1)
    figure = draw_space(rows, whole, model, "the protocol")
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("parameters (thousands)", "predicted testing time (ms per image)")
    points = {tuple(point) for point in axes.collections[0].get_offsets().round(6).tolist()}
    assert points == set(zip((1e-3 * cloud["parameters"]).round(6), cloud["predicted_time_ms"].round(6), strict=True))
    drawn = next(line for line in axes.lines if line.get_marker() == "o")
    assert {tuple(point) for point in drawn.get_xydata().round(6).tolist()} <= points
    assert "in the median" in figure.get_suptitle()
    with pytest.raises(ValueError, match=r"^testing times can't be predicted: no architecture is timed"):
        draw_space(rows, whole, time_model(timed([])), "the protocol")


def test_no_kind_hides_another_and_the_legend_stands_beside_the_points() -> None:
    found = pd.concat([timed(EVERY).assign(kind=kind) for kind in ("searched", "random")])
    rows = pd.concat([found, timed([EVERY[0], EVERY[-1]]).assign(kind="given")], ignore_index=True)
    figure = draw_space(rows, space("2-3", 4), time_model(rows), "the protocol")
    as_png(figure, dpi=72)
    (axes, *_), legend = figure.axes, figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()][:3] == [
        "random architecture",
        "all fusion and all parallel",
        "searched architecture",
    ]
    sizes = {line.get_marker(): line.get_markersize() for line in axes.lines if line.get_marker() in ("X", "p", "o")}
    assert sizes["X"] > sizes["p"] > sizes["o"]
    place, whole = legend.get_window_extent(), figure.bbox
    assert place.x0 >= axes.get_window_extent().x1
    assert place.x1 <= whole.x1
    assert place.y0 >= figure.axes[0].child_axes[0].get_window_extent().y1

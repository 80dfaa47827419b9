"""The figure of the whole space: every architecture is in the cloud, and what was found lies in it."""

import pytest

from analysis.figures.space import draw_space, space_table
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

"""The Pareto figure for plotly: the points of the drawn one, and what is shown of each."""

import pandas as pd
import pytest

from analysis.figures.interactive_pareto import pareto_plot
from analysis.predictions.space import space
from tests.analysis.spaces import EVERY, timed


def test_the_interactive_figure_has_the_same_strip() -> None:
    whole = space("2-3", 4)
    rows = timed(EVERY[::3], noise=0.5)
    rows = rows.assign(
        replicate_id=rows["architecture"],
        lambda1=0.0,
        lambda2=0.0,
        psnr_db=range(len(rows)),
        channels=4,
        image_channels=1,
    )
    for cost, unit in (("parameters", 1e-3), ("test_time_ms", 1.0)):
        *points, strip = pareto_plot(rows, cost)["data"]
        assert {trace["type"] for trace in points} == {"scatter"}
        assert (strip["type"], strip["yaxis"]) == ("bar", "y2")
        assert sum(strip["y"]) == pytest.approx(100), "every architecture is in one bar"
        assert ("predicted" in strip["name"]) == (cost == "test_time_ms")
        if cost == "parameters":
            ends = strip["x"][0] - strip["width"][0] / 2, strip["x"][-1] + strip["width"][-1] / 2
            assert ends == pytest.approx((unit * whole["parameters"].min(), unit * whole["parameters"].max()))
    few = rows[:3]
    assert {trace["type"] for trace in pareto_plot(few, "test_time_ms")["data"]} == {"scatter"}, "no prediction"
    other = pd.concat([rows, rows.assign(columns="4")])
    assert {trace["type"] for trace in pareto_plot(other, "parameters")["data"]} == {"scatter"}, "two spaces"

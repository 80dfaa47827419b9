"""The Pareto figure: the numbers that are drawn."""

import itertools
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis import cost_distribution, space
from analysis.figures.pareto import (
    draw_attainment,
    draw_pareto,
    draw_probability_front,
    pareto_plot,
    pareto_table,
    symbols,
    with_looks,
)
from tests.analysis.spaces import EVERY, found_rows, timed

ROWS = pd.DataFrame(
    [
        ("a", "searched", 0.0, 0.0, 0, 30.0, 100),
        ("a", "searched", 0.0, 0.0, 1, 31.0, 120),
        ("b", "searched", 0.1, 0.0, 0, 29.0, 200),
        ("c", "random", None, None, 0, 28.0, 50),
        ("d", "random", None, None, 0, None, 60),
    ],
    columns=["replicate_id", "kind", "lambda1", "lambda2", "seed", "psnr_db", "parameters"],
).assign(architecture="PF")


def test_a_point_is_the_mean_over_the_seeds_of_one_configuration() -> None:
    table = pareto_table(ROWS, "parameters").set_index(["kind", "lambda1"])
    first = table.loc[("searched", 0.0)]
    assert (first["psnr_db"], first["cost"], first["seeds"]) == (30.5, 110, 2)
    assert (first["psnr_db_min"], first["psnr_db_max"]) == (30, 31)
    assert len(table) == 3, "a row without a PSNR is no point"


def test_the_front_is_of_the_points() -> None:
    table = pareto_table(ROWS, "parameters")
    assert table.set_index("cost")["on_front"].to_dict() == {110: True, 200: False, 50: True}


def test_the_figure_has_units_a_legend_and_every_point() -> None:
    figure = draw_pareto(ROWS, "parameters", "the protocol")
    axes = figure.axes[0]
    assert axes.get_xlabel() == "parameters (thousands)"
    assert axes.get_ylabel() == "PSNR (dB)"
    assert figure.get_suptitle() == "the protocol"
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words == ["λ1 = 0", "λ1 = 0.1", "random architecture", "Pareto front", "dominated (pale)"]
    drawn = sorted((line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if len(line.get_xdata()) == 1)
    assert drawn == [pytest.approx(point) for point in [(50e-3, 28.0), (110e-3, 30.5), (200e-3, 29.0)]]


def test_lambdas_are_told_apart_without_hue() -> None:
    grid = [(a, b) for a in (0.0, 0.1, 1.0) for b in (0.0, 0.01)]
    rows = pd.DataFrame(grid, columns=["lambda1", "lambda2"]).assign(kind="searched", seed=0, parameters=range(6))
    rows = rows.assign(replicate_id=rows["parameters"].astype(str), psnr_db=rows["lambda1"], architecture="PF")
    looks = with_looks(pareto_table(rows, "parameters"))
    assert looks[["lambda1", "marker"]].drop_duplicates().shape == (3, 2)
    assert looks[["lambda2", "fill"]].drop_duplicates().shape == (2, 2)
    assert len(set(symbols(looks))) == 6, "plotly's, too"
    axes = draw_pareto(rows, "parameters", "the protocol").axes[0]
    handles = {line.get_label(): line for line in axes.get_legend().legend_handles}  # type: ignore[union-attr]
    assert len({handles[f"λ1 = {value:g}"].get_marker() for value in (0, 0.1, 1)}) == 3  # type: ignore[union-attr]
    assert handles["λ2 = 0"].get_fillstyle() != handles["λ2 = 0.01"].get_fillstyle()  # type: ignore[union-attr]


SPACE = {"columns": "2-3", "channels": 4, "image_channels": 1}


def test_a_front_of_one_point_is_one_point() -> None:
    rows = ROWS[ROWS["replicate_id"] == "a"]
    axes = draw_pareto(rows, "parameters", "the protocol").axes[0]
    (ring,) = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (pytest.approx(110e-3), 30.5)  # type: ignore[index]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]  # type: ignore[union-attr]
    assert "Pareto front: one point" in texts
    trace = pareto_plot(rows.assign(**SPACE), "parameters")["data"][0]
    assert (trace["name"], trace["mode"], trace["y"]) == ("Pareto front: one point", "markers", [30.5])


def test_more_values_of_lambda_than_colours_and_markers_are_drawn_with_a_short_legend() -> None:
    grid = [(a / 100, b / 10) for a in range(40) for b in range(10)]
    rows = pd.DataFrame(grid, columns=["lambda1", "lambda2"]).assign(kind="searched", parameters=range(len(grid)))
    rows = rows.assign(
        architecture="PF", replicate_id=rows["parameters"].astype(str), psnr_db=rows["lambda1"] + rows["lambda2"]
    )
    figure = draw_pareto(rows, "parameters", "the protocol")
    axes = figure.axes[0]
    drawn = {(x, y) for line in axes.lines if line.get_marker() == "o" for x, y in zip(*line.get_data(), strict=True)}
    assert drawn == {(1e-3 * cost, psnr) for cost, psnr in zip(rows["parameters"], rows["psnr_db"], strict=True)}
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts[0] == "λ1 = 0"
    assert "λ1 = 0.39" in texts
    assert len(texts) <= 10


def test_a_pareto_figure_has_the_costs_of_all_architectures_below() -> None:
    whole = space("2-3", 4)
    rows = found_rows(["FP-PPF", "PP-PPP"], whole).assign(
        replicate_id=["a", "b"], lambda1=0.0, lambda2=0.0, psnr_db=[28.0, 29.0]
    )
    figure = draw_pareto(rows, "parameters", "the protocol", cost_distribution(whole, "parameters"))
    above, below = figure.axes
    assert (above.get_ylabel(), below.get_xlabel()) == ("PSNR (dB)", "parameters (thousands)")
    assert sum(bar.get_height() for bar in below.patches) == pytest.approx(100)
    left, right = min(bar.get_x() for bar in below.patches), max(bar.get_x() + bar.get_width() for bar in below.patches)
    assert (left, right) == pytest.approx((1e-3 * whole["parameters"].min(), 1e-3 * whole["parameters"].max()))
    assert all(left - 1e-9 <= x <= right + 1e-9 for x in itertools.chain(*(line.get_xdata() for line in above.lines)))
    assert "predicted" not in below.get_ylabel()


TRADE = {"minimise": ["parameters"], "maximise": ["psnr_db"]}


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def rows(configurations: int, seeds: int) -> pd.DataFrame:
    luck = np.random.default_rng(0)
    frame = pd.DataFrame(
        [(f"c{c}", s) for c in range(configurations) for s in range(seeds)], columns=["replicate_id", "seed"]
    )
    parameters = luck.integers(10**6, 10**7, len(frame))
    return frame.assign(parameters=parameters, psnr_db=luck.normal(28, 0.3, len(frame)))


@pytest.mark.parametrize(("configurations", "seeds"), [(1, 1), (5, 3), (40, 5)])
def test_a_staircase_has_the_corners_of_its_level(configurations: int, seeds: int) -> None:
    frame = rows(configurations, seeds)
    table = analysis.attainment(frame, **TRADE)
    figure = draw_attainment(table, "the protocol", frame)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("parameters (millions)", "PSNR (dB)")
    points, *stairs = axes.lines
    assert len(points.get_xdata()) == len(frame)  # type: ignore[arg-type]
    assert [line.get_label() for line in stairs] == [f"attained by {level} % of seeds" for level in (25, 50, 75)]
    for line, (_, corners) in zip(stairs, table.groupby("level"), strict=True):
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert (np.diff(x) >= 0).all()
        assert (np.diff(y) >= 0).all()
        drawn = set(zip(x, y, strict=True))
        assert drawn >= set(zip(1e-6 * corners["parameters"], corners["psnr_db"], strict=True))
        assert x[-1] > 1e-6 * frame["parameters"].max()
        assert y[0] < frame["psnr_db"].min()


def test_no_seed_attains_nothing_and_three_columns_are_refused() -> None:
    nothing = analysis.attainment(rows(1, 1)[:0], **TRADE)
    draw_attainment(nothing, "the protocol").draw_without_rendering()
    draw_attainment(nothing, "the protocol", rows(1, 1)[:0]).draw_without_rendering()
    with pytest.raises(ValueError, match="two columns, not of a, b, c"):
        draw_attainment(pd.DataFrame(columns=["level", "a", "b", "c"]), "")


@pytest.mark.parametrize(("configurations", "seeds"), [(1, 1), (1, 3), (40, 3), (3, 1)])
def test_a_configuration_is_as_bright_as_it_is_probable(configurations: int, seeds: int) -> None:
    table = analysis.front_probability(rows(configurations, seeds), np.random.default_rng(0), **TRADE, draws=50)
    figure = draw_probability_front(table, "the protocol")
    figure.draw_without_rendering()
    axes, bar = figure.axes
    assert bar.get_ylabel() == "probability of being on the front"
    shown = axes.collections[0]
    known = table.dropna(subset=["probability"])
    assert sorted(shown.get_array()) == sorted(known["probability"])  # type: ignore[arg-type]
    assert sorted(map(tuple, shown.get_offsets())) == sorted(
        zip(1e-6 * known["parameters"], known["psnr_db"], strict=True)
    )  # type: ignore[arg-type]
    crosses = [len(line.get_xdata()) for line in axes.lines if line.get_marker() == "x"]  # type: ignore[arg-type]
    assert sum(crosses) == len(table) - len(known)
    assert len(axes.lines[0].get_xdata()) >= table["on_front"].sum()  # type: ignore[arg-type]


def test_equal_configurations_are_counted_and_none_is_drawn_empty() -> None:
    frame = rows(1, 3)
    twins = pd.concat([frame, frame.assign(replicate_id="c1"), frame.assign(replicate_id="c2")])
    table = analysis.front_probability(twins, np.random.default_rng(0), **TRADE, draws=50)
    assert [text.get_text() for text in draw_probability_front(table, "").axes[0].texts] == ["×3"]
    draw_probability_front(table[:0], "nothing").draw_without_rendering()
    with pytest.raises(ValueError, match="two columns"):
        draw_probability_front(table.drop(columns="psnr_db"), "")


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

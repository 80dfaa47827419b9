"""Figures of fronts: the staircases and the probabilities of their tables."""

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.figures.uncertain_fronts import draw_attainment, draw_probability_front

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

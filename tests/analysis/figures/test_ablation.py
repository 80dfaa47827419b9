"""Figures of an ablation: what is drawn is what the table says, and nothing overlaps."""

import itertools
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import analysis
from analysis.figures.ablation import MOST, against_random_points, draw_against_random, draw_differences, draw_effects


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def study(lambdas: int, seeds: int, random: int) -> pd.DataFrame:
    """Rows of a λ study with normal luck: `lambdas` values of λ1, two of λ2."""
    luck = np.random.default_rng(0)
    grid = itertools.product(range(lambdas), range(2), range(seeds))
    rows: list[tuple[object, ...]] = []
    for a, b, seed in grid:
        rows.append((f"{a}-{b}", "searched", a / 100, b / 10, seed, 28 + 0.1 * a + luck.normal(0, 0.1), "F"))
    for n, seed in itertools.product(range(random), range(seeds)):
        rows.append((f"r{n}", "random", np.nan, np.nan, seed, 27 + luck.normal(0, 0.1), f"A{n}"))
    columns = ["replicate_id", "kind", "lambda1", "lambda2", "seed", "psnr_db", "architecture"]
    return pd.DataFrame(rows, columns=columns).assign(search_seconds=10.0, train_seconds=5.0)


def drawn(figure: Figure) -> list[Axes]:
    """The axes, with every text within the page and no two texts over each other."""
    figure.draw_without_rendering()
    page = figure.bbox
    beside = [text for text in figure.texts if text.get_text()]
    labels = [axes.xaxis.label for axes in figure.axes]
    boxes = [each.get_window_extent() for each in (*beside, *figure.legends, *labels)]
    assert not [1 for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]
    for axes in figure.axes:
        for labels in (axes.get_xticklabels(), [*axes.get_yticklabels(), *axes.texts]):
            shown = [label for label in labels if label.get_text() and label.get_visible()]
            boxes = [label.get_window_extent() for label in shown]
            assert not [1 for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]
        for box in (label.get_window_extent() for label in [*axes.get_yticklabels(), axes.xaxis.label, *axes.texts]):
            assert box.width == 0 or (page.x0 <= box.x0 and box.x1 <= page.x1)
    return figure.axes


@pytest.mark.parametrize(("lambdas", "seeds"), [(2, 1), (3, 3), (10, 5)])
def test_a_difference_is_a_point_and_a_line_a_row(lambdas: int, seeds: int) -> None:
    rows = study(lambdas, seeds, 0)
    table = analysis.comparisons(rows, "lambda1", np.random.default_rng(0), within=["lambda2"])
    axes = drawn(draw_differences(table, "the protocol"))[0]
    closed, open_ = axes.lines[1], axes.lines[2]
    points = [*closed.get_xdata(), *open_.get_xdata()]  # type: ignore[misc]
    assert sorted(points) == sorted(table["difference"])
    assert len(closed.get_xdata()) == (0 if seeds == 1 else len(table))  # type: ignore[arg-type]
    ends = [tuple(segment[:, 0]) for segment in axes.collections[0].get_segments()]  # type: ignore[attr-defined]
    assert ends == [pytest.approx(pair) for pair in zip(table["low"], table["high"], strict=True) if seeds > 1]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[0] == "λ1: 0 − 0.01"
    assert len(labels) == len(table)
    assert axes.get_xlabel() == "difference in PSNR (dB)"


def test_of_too_many_differences_the_largest_stand_and_the_caption_says_so() -> None:
    table = analysis.comparisons(study(13, 3, 0), "lambda1", np.random.default_rng(0), within=["lambda2"])
    figure = draw_differences(table, "the protocol")
    assert figure.get_suptitle() == f"the protocol\nthe {MOST} largest of {len(table)} differences"
    shown = figure.axes[0].lines[1].get_xdata()
    assert sorted(np.abs(shown)) == sorted(table["difference"].abs())[-MOST:]  # type: ignore[arg-type]


def test_differences_of_two_metrics_or_of_nothing() -> None:
    table = analysis.comparisons(study(2, 2, 0), "lambda1", np.random.default_rng(0), within=["lambda2"])
    with pytest.raises(ValueError, match="psnr_db, ssim"):
        draw_differences(pd.concat([table, table.assign(metric="ssim")]), "")
    drawn(draw_differences(table[:0], "nothing"))


def test_effects_are_bars_of_their_shares() -> None:
    table = analysis.effects(study(3, 3, 0), ["lambda1", "lambda2"])
    axes = drawn(draw_effects(table, "the protocol"))[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["λ1", "λ2", "seed", "λ1 × λ2", "left over"]
    widths = [bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
    assert widths == pytest.approx(100 * table["eta_squared"][:-1].to_numpy())
    assert sum(widths) == pytest.approx(100)
    assert "η² (%)" in axes.get_xlabel()


LACKING = [study(3, 1, 0), study(3, 3, 0)[1:], study(1, 1, 0), study(2, 2, 0).assign(psnr_db=28.0)]


@pytest.mark.parametrize("rows", LACKING, ids=["one seed", "a hole", "one row", "no spread"])
def test_what_effects_lack_is_said_below(rows: pd.DataFrame) -> None:
    table = analysis.effects(rows, ["lambda1", "lambda2"])
    figure = draw_effects(table, "the protocol")
    drawn(figure)
    said = figure.get_supxlabel()
    assert all(reason in said for reason in table["reason"].dropna())
    assert ("type II" in said) == (table["squares"] == "type II").any()


@pytest.mark.parametrize(("lambdas", "seeds", "random"), [(1, 1, 1), (3, 3, 4), (20, 8, 3)])
def test_every_network_is_a_point_and_every_configuration_has_its_gain(lambdas: int, seeds: int, random: int) -> None:
    rows = study(lambdas, seeds, random)
    points, gains = against_random_points(rows), analysis.search_against_random(rows, np.random.default_rng(0))
    left, right, *_ = drawn(draw_against_random(points, gains, "the protocol"))
    inside = [line for line in left.lines if line.get_marker() not in ("None", "|")]
    assert sorted(x for line in inside for x in line.get_xdata()) == sorted(rows["psnr_db"])  # type: ignore[union-attr]
    means = next(line for line in left.lines if line.get_marker() == "|").get_xdata()
    ordered = gains.sort_values(["lambda1", "lambda2"])
    assert list(means) == pytest.approx([*ordered["mean"], gains["random_mean"].iloc[0]])  # type: ignore[arg-type]
    drawn_gains = [x for line in right.lines[1:3] for x in line.get_xdata()]  # type: ignore[union-attr]
    assert drawn_gains == pytest.approx(list(ordered["gain"]))
    labels = [label.get_text() for label in left.get_yticklabels()]
    assert labels[0] == "λ1 = 0, λ2 = 0"
    assert labels[-1] == "random architectures"
    assert len(labels) == len(set(labels)) == len(gains) + 1


def test_configurations_of_one_name_are_told_apart_and_names_can_be_given() -> None:
    rows = study(2, 2, 2).assign(lambda1=0.0)
    points, gains = against_random_points(rows), analysis.search_against_random(rows, np.random.default_rng(0))
    left = drawn(draw_against_random(points, gains, "", {"0-0": "two cells"}))[0]
    labels = [label.get_text() for label in left.get_yticklabels()]
    assert sorted(labels[:-1]) == ["two cells", "λ1 = 0, λ2 = 0", "λ1 = 0, λ2 = 0.1 (0-1)", "λ1 = 0, λ2 = 0.1 (1-1)"]


def test_of_hundreds_of_configurations_some_are_drawn_from_the_best_to_the_worst() -> None:
    rows = study(40, 1, 2)
    points, gains = against_random_points(rows), analysis.search_against_random(rows, np.random.default_rng(0))
    figure = draw_against_random(points, gains, "the protocol")
    assert "60 of 80 configurations" in figure.get_suptitle()
    shown = figure.axes[1].lines[2].get_xdata()
    assert (max(shown), min(shown)) == (gains["gain"].max(), gains["gain"].min())  # type: ignore[arg-type, type-var]


@pytest.mark.parametrize("kind", ["searched", "random"])
def test_one_side_alone_is_drawn(kind: str) -> None:
    rows = study(2, 2, 2).query("kind == @kind")
    points, gains = against_random_points(rows), analysis.search_against_random(rows, np.random.default_rng(0))
    drawn(draw_against_random(points, gains, "the protocol"))

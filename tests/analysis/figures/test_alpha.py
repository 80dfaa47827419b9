"""Figures of α: what is drawn is what the tables say."""

import pandas as pd
import pytest

from analysis.figures.alpha import (
    alpha_table,
    draw_alpha,
    draw_final_alpha,
    draw_gaps,
    draw_trajectories,
    final_alpha,
    gap_curves,
)
from analysis.predictions.polarisation import threshold
from tests.analysis.searches import grid


def test_alpha_is_drawn_for_every_column_and_reported_iteration_of_the_search() -> None:
    curve = pd.DataFrame(
        [("train", 10, None), ("search", 20, [0.6, 0.3, 0.2]), ("search", 10, [0.5, 0.5, 0.5])],
        columns=["stage", "iteration", "alpha"],
    )
    table = alpha_table(curve)
    assert table.index.tolist() == [10, 20]
    assert table.loc[20].tolist() == [0.6, 0.3, 0.2]
    panels = draw_alpha(curve, "FP-P").axes
    assert [axes.get_title() for axes in panels] == ["cell 1", "cell 2"]
    drawn = {
        (number, line.get_label()): line.get_ydata().tolist()
        for number, axes in enumerate(panels, start=1)
        for line in axes.lines
        if str(line.get_label()).startswith("column")
    }
    assert drawn == {
        (1, "column 1: F"): [0.5, 0.6],
        (1, "column 2: P"): [0.5, 0.3],
        (2, "column 1: P"): [0.5, 0.2],
    }


def test_a_trial_without_a_search_has_no_alpha() -> None:
    assert alpha_table(pd.DataFrame({"stage": ["train"], "iteration": [1], "alpha": [None]})).empty


@pytest.fixture(scope="module")
def study() -> tuple[pd.DataFrame, pd.DataFrame]:
    return grid()


def test_gaps_are_drawn_beside_the_closed_form(study: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    rows, _ = study
    curves = gap_curves(rows).set_index("lambda1")
    least = threshold(5, 1e-3)
    assert (curves.loc[:least, "fixed_point_gap"] == 0).all()
    assert curves["fixed_point_gap"].is_monotonic_increasing
    assert (curves["reachable_gap"] < curves["fixed_point_gap"] + 0.02).all()
    axes = draw_gaps(rows, "the protocol").axes[0]
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words[2:] == ["threshold, λ1 = 0.023", "searches, λ2 = 0", "searches, λ2 = 0.1", "published"]
    stars = next(line for line in axes.lines if line.get_label() == "published")
    assert stars.get_ydata().tolist() == pytest.approx([0.0278, 0.0620, 0.6709], abs=1e-4)
    with pytest.raises(ValueError, match=r"alpha_weight_decay: searches of 0.001, 0.01 have curves of their own"):
        gap_curves(pd.concat([rows, rows.assign(alpha_weight_decay=0.01)], ignore_index=True))


def test_every_column_of_every_search_is_drawn_at_its_end(study: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    rows, _ = study
    table = final_alpha(rows)
    assert len(table) == 8 * 5 + 36
    panels = draw_final_alpha(rows, "the protocol").axes
    assert [axes.get_title() for axes in panels] == ["λ2 = 0", "λ2 = 0.1", "published"]
    drawn = [y for axes in panels for points in axes.collections for y in points.get_offsets()[:, 1]]
    assert sorted(drawn) == pytest.approx(sorted(table["alpha"]))


def test_trajectories_have_a_panel_a_pair_and_a_line_a_column_of_a_seed(
    study: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    panels = draw_trajectories(*study, "the protocol").axes
    titles = [f"λ1 = {lambda1:g}, λ2 = {lambda2:g}" for lambda2 in (0, 0.1) for lambda1 in (0.01, 0.1)]
    assert [axes.get_title() for axes in panels] == titles
    assert sum(len(line.get_xdata()) == 2 and line.get_color() != "black" for line in panels[0].lines) == 2 * 5

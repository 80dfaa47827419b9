"""The figures of a report: which there are, what their files are called, and why one is not there."""

from pathlib import Path

import pytest

import analysis
from analysis.report import drawings as module
from analysis.report.drawings import drawings


@pytest.fixture(scope="module")
def results(study_storage: Path) -> analysis.Results:
    return analysis.Results(study_storage, "lambda_pareto")


def test_every_figure_has_a_name_of_its_own_and_a_title(results: analysis.Results) -> None:
    found = list(drawings(results))
    names = [drawing.name for drawing in found]
    assert len(set(names)) == len(names)
    assert {"pareto_parameters", "pareto_test_time", "figure_panel", "figure_alpha_gap", "figure_alpha_paths"} <= set(
        names
    )
    assert [drawing.name for drawing in found if not drawing.on_page] == ["pareto_parameters", "pareto_test_time"]
    assert all(drawing.title for drawing in found)
    assert set(results.figures()) == {drawing.name for drawing in found if drawing.figure is not None}


def test_a_figure_that_can_t_be_drawn_says_why(results: analysis.Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PANELS", 1)
    found = {drawing.name: drawing for drawing in drawings(results)}
    assert found["figure_alpha_paths"].figure is None
    assert "2 pairs of λ1 and λ2 are too many for one figure" in found["figure_alpha_paths"].reason


def test_of_nothing_there_is_no_figure(results: analysis.Results) -> None:
    assert list(drawings(analysis.Results(results.storage, results.study, frozenset()))) == []

"""The files of a report: whole, beside the study or elsewhere, and no others."""

from pathlib import Path

from matplotlib import rc_context

import analysis
from analysis.report.report import write_report
from tests.analysis.reports import STUDY


def test_tables_and_figures_stand_beside_the_page(study_storage: Path, tmp_path: Path) -> None:
    written = analysis.Results(study_storage, STUDY).save(tmp_path)
    assert written == sorted(path.name for path in tmp_path.iterdir()), "whole files, and nothing else"
    assert {
        "index.html",
        "results.csv",
        "results.md",
        "results.tex",
        "pareto.csv",
        "pareto.tex",
        "pareto_parameters.svg",
        "pareto_test_time.png",
    } <= set(written)
    assert set(written) <= {path.name for path in (study_storage / "studies" / STUDY / "report").iterdir()}


def test_what_an_earlier_report_wrote_and_this_one_does_not_is_removed(study_storage: Path, tmp_path: Path) -> None:
    (tmp_path / "results_2.csv").write_text("old")
    (tmp_path / "mine.csv").write_text("the user's")
    write_report(analysis.Results(study_storage, STUDY), tmp_path)
    assert not (tmp_path / "results_2.csv").exists()
    assert (tmp_path / "mine.csv").exists()


def test_the_front_for_a_paper_is_the_one_of_the_results(study_storage: Path) -> None:
    results = analysis.Results(study_storage, STUDY)
    results_front = results.front()
    text = (study_storage / "studies" / STUDY / "report" / "pareto.tex").read_text()
    assert text.count(r" \\") == len(results_front) + 1
    assert text.replace("tab:pareto", "") == results_front.to_latex().replace("tab:pareto", "")
    assert max(len(line.split("&")) for line in text.splitlines()) < 10, "few columns"


def test_a_matplotlibrc_of_the_users_own_changes_no_figure(study_storage: Path, tmp_path: Path) -> None:
    results = analysis.Results(study_storage, STUDY)
    with rc_context({"text.usetex": True, "lines.linewidth": 9, "axes.grid": True, "figure.dpi": 40}):
        written = write_report(results, tmp_path / "odd")
    write_report(results, tmp_path / "plain")
    pictures = [name for name in written if name.endswith((".svg", ".png"))]
    assert pictures
    for name in pictures:
        assert (tmp_path / "odd" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()

"""The command that writes a report again: what it says, and its exit status."""

from pathlib import Path

import pytest

from analysis.report.__main__ import main
from tests.analysis.reports import STUDY, report, rows_of, with_trials


def test_the_command_says_where_the_report_is(
    study_storage: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main([str(study_storage), STUDY, "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/index.html and ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", STUDY], "nowhere: no such folder"),
        (["{storage}", "cells"], "holds no study cells; it holds lambda_pareto"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], said: str, study_storage: Path, capsys: pytest.CaptureFixture
) -> None:
    storage, study = (text.format(storage=study_storage) for text in arguments)
    assert report(Path(storage), study) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1


def test_a_damaged_study_json_is_named(study_storage: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    storage = with_trials(study_storage, tmp_path, rows_of(study_storage))
    (storage / "studies" / STUDY / "study.json").write_text("{")
    assert report(storage) == 2
    assert "study.json is damaged" in capsys.readouterr().err

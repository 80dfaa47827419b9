"""The report of a study: what a run leaves, what the command writes, and what both say where there is little to say."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import analysis
from analysis.report.__main__ import main
from analysis.report.report import write_report

STUDY = "lambda_pareto"


def report(storage: Path, study: str = STUDY) -> int:
    """Runs the command; its exit status."""
    try:
        return main([str(storage), study])
    except SystemExit as ended:
        return int(ended.code or 0)


def page(storage: Path) -> str:
    """The page's text, without the library that it carries."""
    html = (storage / "studies" / STUDY / "report" / "index.html").read_text()
    return re.sub(r"<script>/\*\*.*?</script>", "", html, flags=re.DOTALL)


def with_trials(storage: Path, folder: Path, rows: Iterable[dict]) -> Path:
    """A copy of a store's study that holds other rows."""
    kept = folder / "runs"
    shutil.copytree(storage / "studies", kept / "studies", ignore=shutil.ignore_patterns("trials*", "report"))
    trials = kept / "studies" / STUDY / "trials"
    trials.mkdir()
    for row in rows:
        pq.write_table(pa.Table.from_pylist([row], schema=schema(storage)), trials / f"{row['trial_id']}.parquet")
    return kept


def schema(storage: Path) -> pa.Schema:
    return pq.read_schema(next((storage / "studies" / STUDY / "trials").glob("*.parquet")))


def rows_of(storage: Path) -> list[dict]:
    files = sorted((storage / "studies" / STUDY / "trials").glob("*.parquet"))
    return [pq.read_table(file).to_pylist()[0] for file in files]


def test_a_run_leaves_a_page_with_the_question_the_answer_and_every_architecture(study_storage: Path) -> None:
    text = page(study_storage)
    assert "What do λ1 and λ2 do: which PSNR for which size" in text
    assert "The highest mean PSNR is" in text
    assert "Reproducibility checklist" in text
    rows = analysis.load(study_storage, STUDY)
    drawings = json.loads(re.search(r"drawings = (\{.*?\});", text, flags=re.DOTALL)[1])  # type: ignore[index]
    assert set(drawings) == set(rows["architecture"])
    details = json.loads(re.search(r"details = (\{.*?\}), drawings", text, flags=re.DOTALL)[1])  # type: ignore[index]
    assert {seed["trial"] for one in details.values() for seed in one["seeds"]} == set(rows["trial_id"])


def test_the_page_asks_nothing_of_the_network(study_storage: Path) -> None:
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", page(study_storage))
    assert "default-src 'none'" in page(study_storage)


def test_tables_and_figures_stand_beside_the_page(study_storage: Path, tmp_path: Path) -> None:
    written = analysis.Results(study_storage, STUDY).save(tmp_path)
    assert written == sorted(path.name for path in tmp_path.iterdir()), "whole files, and nothing else"
    assert {
        "index.html",
        "results.csv",
        "results.md",
        "results.tex",
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


def test_the_command_says_where_the_report_is(
    study_storage: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main([str(study_storage), STUDY, "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/index.html and ")


@pytest.mark.parametrize(("arguments", "said"), [
    (["nowhere", STUDY], "nowhere: holds no studies"), (["{storage}", "cells"], "holds no study cells; it holds lambda_pareto"),
])  # fmt: skip
def test_a_mistake_is_one_line(
    arguments: list[str], said: str, study_storage: Path, capsys: pytest.CaptureFixture
) -> None:
    storage, study = (text.format(storage=study_storage) for text in arguments)
    assert report(Path(storage), study) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1


def test_an_empty_study_has_a_report_that_says_so(study_storage: Path, tmp_path: Path) -> None:
    storage = with_trials(study_storage, tmp_path, [])
    assert report(storage) == 0
    assert "0 trials finished" in page(storage)
    assert "No trial has finished with a score" in page(storage)


def test_one_finished_trial_has_a_partial_report(study_storage: Path, tmp_path: Path) -> None:
    one = next(row for row in rows_of(study_storage) if row["kind"] == "searched")
    storage = with_trials(study_storage, tmp_path, [one])
    assert report(storage) == 0
    text = page(storage)
    assert "1 trial finished" in text
    assert "one seed" in text
    assert "no random architecture was trained alike" in text
    assert "Not worked out" not in text


def test_failed_trials_alone_are_listed_with_their_reasons(study_storage: Path, tmp_path: Path) -> None:
    failed = [
        row | {"status": "failed", "error": "<b>not finite</b>", "psnr_db": None} for row in rows_of(study_storage)
    ]
    storage = with_trials(study_storage, tmp_path, failed)
    assert report(storage) == 0
    text = page(storage)
    assert f"0 trials finished, {len(failed)} failed" in text
    assert text.count("&lt;b&gt;not finite&lt;/b&gt;") == len(failed), "escaped, and each named"
    assert "--retry-failed" in text


def test_a_damaged_study_json_is_named(study_storage: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    storage = with_trials(study_storage, tmp_path, rows_of(study_storage))
    (storage / "studies" / STUDY / "study.json").write_text("{")
    assert report(storage) == 2
    assert "study.json is damaged" in capsys.readouterr().err

"""The page of a study: question, answer and architectures, and what it says where there is little to say."""

import json
import re
from pathlib import Path

import analysis
from tests.analysis.reports import STUDY, page, report, rows_of, with_trials


def test_a_run_leaves_a_page_with_the_question_the_answer_and_every_architecture(study_storage: Path) -> None:
    text = page(study_storage)
    question = analysis.Results(study_storage, STUDY).about["question"]
    assert f"<h1>{question}</h1>" in text
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

"""The page of a study: question, answer and architectures, and what it says where there is little to say."""

import json
import re
from pathlib import Path

import pytest

import analysis
from analysis.report.page import _explained
from tests.analysis.reports import STUDY, page, report, rows_of, with_trials


def test_a_run_leaves_a_page_with_the_question_the_answer_and_every_architecture(study_storage: Path) -> None:
    text = page(study_storage)
    question = analysis.Results(study_storage, STUDY).about["question"]
    assert f"<h1>{question}</h1>" in text
    assert "The highest <a" in text
    assert "Reproducibility checklist" in text
    rows = analysis.load(study_storage, STUDY)
    data = page_data(text)
    rows = analysis.load(study_storage, STUDY)
    assert set(data["drawings"]) == set(rows["architecture"])
    assert {one["trial"] for group in data["groups"] for one in group["networks"]} == set(rows["trial_id"])


def page_data(text: str) -> dict:
    return json.loads(re.search(r"const page = (\{.*\});</script>", text)[1])  # type: ignore[index]


def test_the_page_asks_nothing_of_the_network_and_leads_to_the_files_beside_it(study_storage: Path) -> None:
    links = set(re.findall(r"""(?:src|href)=["'](?!#|data:)([^"']+)""", page(study_storage)))
    beside = {path.name for path in (study_storage / "studies" / STUDY / "report").iterdir()}
    assert links <= beside, "every link is a file of the report"
    assert {"results.csv", "results.tex", "pareto.tex", "pareto_parameters.svg", "pareto_parameters.png"} <= links
    assert "default-src 'none'" in page(study_storage)


def test_the_answer_stands_before_the_front_and_the_front_beside_its_members(study_storage: Path) -> None:
    text = page(study_storage)
    assert text.index('id="answer"') < text.index("The highest") < text.index('id="front"') < text.index('id="results"')
    identifiers = re.findall(r' id="([^"]+)"', text[: text.index("<script>")])
    assert len(identifiers) == len(set(identifiers))
    front = analysis.Results(study_storage, STUDY).front()
    members = text[text.index('id="front"') : text.index('id="more"')]
    assert [trial for trial in front["trial_id"] if f'data-trial="{trial}"' not in members] == []


def test_the_results_have_their_columns_in_order_and_the_rare_ones_behind_a_control(study_storage: Path) -> None:
    table = re.search(r'<table id="results".*?</table>', page(study_storage), flags=re.DOTALL)[0]  # type: ignore[index]
    heads = re.findall(r'<th class="([^"]*)">([^<]*)</th>', table)
    assert [text for _, text in heads[:5]] == ["architecture", "front", "PSNR (dB)", "parameters", "λ1"]
    assert [text for kind, text in heads if "more" in kind][:2] == ["psnr_patch_db", "degraded_psnr_db"]
    trials = set(re.findall(r'data-trial="(\w+)"', table))
    assert trials == set(analysis.load(study_storage, STUDY)["trial_id"])


def test_a_term_is_explained_where_it_is_first_used_and_every_term_has_an_entry(study_storage: Path) -> None:
    text = page(study_storage)
    used = re.findall(r'class="term" href="#(term-\d+)"', text)
    assert len(used) == len(set(used)) > 5
    assert set(used) <= set(re.findall(r'<dt id="(term-\d+)"', text))


def test_the_script_and_the_style_are_the_files_beside_the_template(study_storage: Path) -> None:
    folder = Path(analysis.__file__).parent / "report"
    assert (folder / "page.js").read_text() in page(study_storage)
    assert (folder / "page.css").read_text() in page(study_storage)


def test_negative_numbers_have_minus_signs() -> None:
    explain = _explained({"PSNR": "a ratio", "S": "cells"})
    assert explain("-0.3 dB of PSNR and PSNR at S = 1e-3") == (
        '−0.3 dB of <a class="term" href="#term-0" title="a ratio">PSNR</a> and PSNR at '
        '<a class="term" href="#term-1" title="cells">S</a> = 1e-3'
    )
    assert explain("<b> seconds s") == "&lt;b&gt; seconds s"


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
    assert "</a> was trained alike; <code>--random N</code> adds some." in text
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


def test_a_study_whose_times_were_refused_has_a_page_and_no_figure_of_times(
    study_storage: Path, tmp_path: Path
) -> None:
    rows = [row | {"test_time_ms": None, "test_time_error": "not steady"} for row in rows_of(study_storage)]
    storage = with_trials(study_storage, tmp_path, rows)
    assert report(storage) == 0
    assert list(page_data(page(storage))["plots"]) == ["plot-0-0"]


def test_protocols_have_parts_of_their_own(study_storage: Path, tmp_path: Path) -> None:
    rows = rows_of(study_storage)
    others = [row | {"sigma": 50.0, "trial_id": row["trial_id"][::-1], "test_pixels_sha256": "other"} for row in rows]
    storage = with_trials(study_storage, tmp_path, [*rows, *others])
    assert report(storage) == 0
    text = page(storage)
    answer = text[text.index('id="answer"') : text.index('id="front"')]
    assert "variance" not in answer, "without classical methods the answer is shorter, no other topic takes their place"
    assert [len(group["networks"]) for group in page_data(text)["groups"]] == [len(rows)] * 2
    identifiers = set(re.findall(r' id="([^"]+)"', text))
    assert {"results_1", "results_2", "plot-0-0", "plot-1-0", "curves-1", "parallel-1"} <= identifiers


@pytest.mark.parametrize("name", "kind architecture columns test_set seed parameters replicate_id".split())
def test_rows_that_do_not_say_which_network_they_are_of_are_one_line(
    name: str, study_storage: Path, tmp_path: Path
) -> None:
    storage = with_trials(study_storage, tmp_path, [row | {name: None} for row in rows_of(study_storage)])
    assert report(storage) == 0
    text = page(storage)
    assert f"finished rows without {name}: left out of every table, figure and sentence." in text
    assert "Nothing to compare yet" in text


def test_the_health_of_a_study_stands_above_its_answer(study_storage: Path) -> None:
    text = page(study_storage)
    found = analysis.Results(study_storage, STUDY).health
    assert text.index('id="health"') < text.index("The answer")
    assert re.findall(r'data-fault="([^"]*)"', text) == [one.fault for one in found]
    assert found, "40 iterations are too few for a network"

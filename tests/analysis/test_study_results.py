"""All that one study found, in one object."""

from functools import cached_property
from pathlib import Path

import pandas as pd
import pytest

import analysis
from tests.analysis.reports import STUDY, rows_of, with_trials
from tests.analysis.tables.test_results import ROWS as FRONT

ROWS = FRONT.drop_duplicates("replicate_id")


class Found(analysis.Results):
    """Results of two protocols of three trials, without a store."""

    axes: list[str] = []  # type: ignore[assignment]  # noqa: RUF012
    timings = pd.DataFrame()

    @cached_property
    def groups(self) -> list[tuple[str, pd.DataFrame]]:
        rows = ROWS.assign(trial_id=list("abc"), parameters=[1, 2, 3], psnr_db=[28.0, 30.0, 29.0])
        rows["psnr_by_image"] = [[27.0, 29.0], None, [28.0, 30.0]]
        rows["validation_psnr_db"], rows["test_time_ms"] = [20.0, 22.0, 23.0], [1.0, 2.0, 3.0]
        return [("one", rows), ("another", rows.assign(psnr_db=[3.0, 2.0, 1.0]))]


def test_the_front_is_that_of_a_protocol() -> None:
    results = Found("nowhere", "s")
    assert results.front()["trial_id"].tolist() == ["a", "b"]
    assert results.front(group=1)["trial_id"].tolist() == ["a"]
    assert results.front(minimise=[], maximise=["parameters"])["trial_id"].tolist() == ["c"]
    with pytest.raises(IndexError, match="group 2: the study has 2 protocols"):
        results.front(group=2)


def test_the_best_is_chosen_by_validation_within_the_budget() -> None:
    results = Found("nowhere", "s")
    assert results.best()["trial_id"] == "c", "its test score is not the highest"
    assert results.best(max_parameters=2)["trial_id"] == results.best(max_time_ms=2.5)["trial_id"] == "b"
    with pytest.raises(ValueError, match=r"no network with parameters of at most 0\.5: the least is 1"):
        results.best(max_parameters=0.5)
    with pytest.raises(ValueError, match=r"no times were taken on nowhere; there are one"):
        results.best(max_time_ms=2, device="nowhere")


def test_a_network_is_its_file_and_its_module(study_storage: Path) -> None:
    results = analysis.Results(study_storage, "lambda_pareto")
    best = results.best()
    found = results.network(best)
    assert Path(found.file).read_bytes() == found.data
    row = results.frame.set_index("trial_id").loc[best["trial_id"]]
    module = found.module()
    assert sum(parameter.numel() for parameter in module.parameters()) == row["parameters"]
    assert results.network(str(best["trial_id"])) == results.network(row.rename_axis().to_dict() | dict(best)) == found
    with pytest.raises(KeyError, match="no trial 123456789abc in lambda_pareto"):
        results.network("123456789abc")
    for wrong in ({}, results.frame, row[["psnr_db"]]):
        with pytest.raises(KeyError, match="no trial_id: hand in one row"):
            results.network(wrong)


def test_a_trial_that_failed_has_no_network(study_storage: Path, tmp_path: Path) -> None:
    failed = rows_of(study_storage)[0] | {"status": "failed", "train_key": None}
    storage = with_trials(study_storage, tmp_path, [failed])
    with pytest.raises(ValueError, match=r"\(failed\) has no network"):
        analysis.Results(storage, STUDY).network(failed["trial_id"])


def test_results_and_figures_show_what_they_are(study_storage: Path) -> None:
    results = analysis.Results(study_storage, "lambda_pareto")
    assert "7 trials finished" in repr(results)
    assert results.about["question"] in repr(results)
    assert repr(analysis.Results("nowhere", "s")).startswith("Results('nowhere', 's'): nowhere: no such folder")
    figures = results.figures()
    assert figures._repr_html_().count("<img") == len(figures) > 5
    told = r"no figure pareto_paramters \(did you mean pareto_parameters\?\); there are pareto_parameters, "
    with pytest.raises(KeyError, match=told):
        figures["pareto_paramters"]


def test_scores_are_an_array_of_runs_and_images() -> None:
    scores = Found("nowhere", "s").image_scores()
    assert scores.index.tolist() == ["a", "c"], "a row without figures by image is left out"
    assert scores.values.tolist() == [[27, 29], [28, 30]]
    uneven = pd.DataFrame({"trial_id": ["a", "b"], "psnr_by_image": [[1.0], [1.0, 2.0]]})
    with pytest.raises(ValueError, match="tested on 1 or 2 images: choose rows of one protocol"):
        analysis.image_scores(uneven)
    with pytest.raises(KeyError, match="no column trial_id among"):
        analysis.image_scores(uneven[["psnr_by_image"]])


def test_a_column_of_text_is_no_cost() -> None:
    with pytest.raises(ValueError, match="column architecture does not hold numbers"):
        Found("nowhere", "s").front(minimise=["architecture"])


def test_a_study_without_rows_has_no_front(tmp_path: Path) -> None:
    (tmp_path / "studies" / "s").mkdir(parents=True)
    results = analysis.Results(tmp_path, "s")
    assert len(results.front()) == len(results.image_scores()) == len(results.figures()) == 0


def test_no_name_that_is_exported_hides_a_module() -> None:
    modules = {path.stem for path in Path(analysis.__file__).parent.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not set(analysis.__all__) & modules
    assert all(hasattr(analysis, name) for name in analysis.__all__)

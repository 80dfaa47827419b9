"""The main job, end to end: the real command on real images, a real Ray and a real MLflow store."""

import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
from PIL import Image
from running import CONTRACT, TINY, UNTRACKED, run_study

import analysis
from clearer.configuration import field_types


def stage_files(storage: Path) -> dict[str, int]:
    """Every file of every stage, with the time it was written."""
    return {
        str(path.relative_to(storage)): path.stat().st_mtime_ns
        for path in storage.glob("stages/**/*")
        if path.is_file()
    }


def test_rows_hold_every_column_of_the_contract(study_storage: Path) -> None:
    rows = analysis.load(study_storage, "lambda_pareto")
    assert rows["kind"].value_counts().to_dict() == {"random": 3, "searched": 2, "given": 2}
    assert set(CONTRACT) | set(field_types()) <= set(rows.columns)
    assert (rows["status"] == "finished").all()
    measured = [
        "psnr_db",
        "ssim",
        "psnr_patch_db",
        "test_time_ms",
        "parameters",
        "train_seconds",
        "started_at",
        "finished_at",
    ]
    assert rows[measured].notna().all(axis=None)
    assert rows[["gpu_seconds", "energy_wh"]].isna().all(axis=None)


def test_what_a_random_architecture_has_not_is_null(study_storage: Path) -> None:
    rows = analysis.load(study_storage)
    random = rows[rows["kind"] == "random"]
    assert len(random) == 3
    assert (
        random[["lambda1", "lambda2", "alpha", "search_seconds", "search_reused", "search_iterations"]]
        .isna()
        .all(axis=None)
    )
    assert random["architecture"].nunique() == 3


def test_figures_agree_with_the_images_they_are_means_of(study_storage: Path) -> None:
    for row in analysis.load(study_storage).to_dict("records"):
        assert row["psnr_db"] == pytest.approx(np.mean(row["psnr_by_image"]))
        assert row["test_images"] == len(row["psnr_by_image"]) == 2
        assert row["finished_at"] >= row["started_at"]


def test_curves_hold_every_reported_iteration_once(study_storage: Path) -> None:
    curves = analysis.load_curves(study_storage, "lambda_pareto")
    rows = analysis.load(study_storage)
    for row in rows.to_dict("records"):
        curve = curves[curves["trial_id"] == row["trial_id"]]
        stages = ["search", "train"] if row["kind"] == "searched" else ["train"]
        assert list(zip(curve["stage"], curve["iteration"], strict=True)) == [
            (stage, i) for stage in stages for i in (2, 4)
        ]
    searched = curves[curves["stage"] == "search"]
    assert (searched["alpha"].map(len) == 2).all()
    assert searched.loc[searched["iteration"] == 2, "alpha_loss"].isna().all(), "the warm-up has no α step"


def test_each_distinct_training_ran_once(study_storage: Path) -> None:
    rows = analysis.load(study_storage)
    trained = list((study_storage / "stages/train").iterdir())
    assert len(trained) == rows["architecture"].nunique() == rows["train_key"].nunique()
    assert (~rows["train_reused"].astype(bool)).sum() == len(trained)


def test_methods_without_training_stand_beside_the_rows(study_storage: Path) -> None:
    references = analysis.load_references(study_storage).set_index("method")
    assert {"noisy input", "total variation", "non-local means"} <= set(references.index)
    rows = analysis.load(study_storage)
    assert references.loc["noisy input", "psnr_db"] == pytest.approx(rows["degraded_psnr_db"].iloc[0])
    assert references.loc["total variation", "psnr_db"] > references.loc["noisy input", "psnr_db"] + 4
    report = (study_storage / "studies/lambda_pareto/report/results.md").read_text()
    assert "| reference |" in report


def test_the_report_is_drawn(study_storage: Path) -> None:
    report = study_storage / "studies/lambda_pareto/report"
    for name in ("pareto_parameters", "pareto_test_time"):
        with Image.open(report / f"{name}.png") as picture:
            assert picture.size[0] > 500
        assert "</svg>" in (report / f"{name}.svg").read_text()
    assert "clip8" in (report / "results.md").read_text()


def test_study_json_says_what_ran(study_storage: Path) -> None:
    about = json.loads((study_storage / "studies/lambda_pareto/study.json").read_text())
    rows = analysis.load(study_storage)
    assert set(about["trials"]) == set(rows["trial_id"])
    assert about["runs"][0]["command"].endswith("lambda2=0")
    assert {"torch", "ray", "mlflow", "python"} <= set(about["runs"][0]["versions"])


def test_no_temporary_file_is_left(study_storage: Path) -> None:
    left = [
        path
        for path in study_storage.rglob("*")
        if path.is_file() and (path.suffix == ".partial" or "checkpoint" in path.name)
    ]
    assert left == []
    assert not list(study_storage.glob("ray/*"))


def test_mlflow_shows_the_study_and_its_trials_nested(study_storage: Path) -> None:
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{study_storage}/mlflow.db")
    experiment = client.get_experiment_by_name("lambda_pareto")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    trials = {
        run.data.tags["clearer.trial_id"]: run
        for run in runs
        if run.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id
    }
    rows = analysis.load(study_storage).set_index("trial_id")
    assert set(trials) == set(rows.index)
    for trial_id, run in trials.items():
        assert run.info.status == "FINISHED"
        assert run.data.metrics["psnr_db"] == pytest.approx(rows.loc[trial_id, "psnr_db"])
        assert run.data.params["channels"] == "2"
        pictures = {file.path for file in client.list_artifacts(run.info.run_id)}
        drawn = {"alpha.png"} if rows.loc[trial_id, "kind"] == "searched" else set()
        assert pictures == {"architecture.png", "clean_degraded_restored.png", "model"} | drawn
        steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "train/psnr_db")]
        assert sorted(steps) == [2, 4]
    assert {"results.csv", "pareto_parameters.png"} <= {
        file.path for file in client.list_artifacts(parents[0].info.run_id)
    }


def test_the_output_says_where_everything_is(study_storage: Path) -> None:
    output = (study_storage.parent / "output.txt").read_text()
    assert f"{study_storage}/studies/lambda_pareto/report/" in output
    assert "mlflow ui" in output
    assert "next" in output


def test_the_same_command_computes_nothing_and_more_trials_only_themselves(study_storage: Path, tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    shutil.copytree(study_storage, storage, ignore=shutil.ignore_patterns("ml*"))  # MLflow knows its artifacts' folder
    before, rows = stage_files(storage), analysis.load(storage)
    again = run_study(storage, *UNTRACKED)
    assert again.returncode == 0, again.stderr
    assert "7 there, 0 to run" in again.stdout
    assert stage_files(storage) == before

    settings = (*(text for text in TINY if not text.startswith("lambda1")), "lambda1=0,0.1,0.2")
    more = run_study(storage, *UNTRACKED, settings=settings)
    assert more.returncode == 0, more.stderr
    assert "7 there, 1 to run" in more.stdout
    after = stage_files(storage)
    assert {name: after[name] for name in before} == before, "no stage was written again"
    assert len(list((storage / "stages/search").iterdir())) == 3
    grown = analysis.load(storage)
    assert len(grown) == 8
    unchanged = grown[grown["trial_id"].isin(rows["trial_id"])].reset_index(drop=True)
    assert unchanged["finished_at"].tolist() == rows["finished_at"].tolist()

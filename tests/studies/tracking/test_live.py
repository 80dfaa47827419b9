"""MLflow is a view: it never stops a study, and what it missed arrives later, once."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import mlflow
import pytest
from running import command, run_study, wait_for
from tracking_servers import contents, free_port, runs, server, synced

import analysis
from studies.store.store import Store
from studies.tracking.live import Tracking


@pytest.mark.drill(minutes=1.5)
def test_a_server_that_dies_under_a_study_is_completed_from_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage, port = tmp_path / "runs", free_port()
    with server(tmp_path, port) as uri:
        study = subprocess.Popen(
            command(storage, "--tracking-uri", uri), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, cwd=tmp_path, env=os.environ | {"COLUMNS": "200"},
        )  # fmt: skip
        wait_for(lambda: len(runs(uri)) > 1)
    output, errors = study.communicate(timeout=300)
    assert study.returncode == 0, output + errors
    assert output.count(f"tracking at {uri}") == 1
    assert len(analysis.load(storage)) == 7

    local = f"sqlite:///{tmp_path}/mlflow.db"
    before = runs(local)
    assert 1 < len(before) < 8, "killed in the middle"
    assert all(run.info.status == "RUNNING" for run in before.values())
    with server(tmp_path, port):
        whole = synced(storage, uri)
        after = runs(uri)
        assert {name: run.info.run_id for name, run in after.items() if name in before} == {
            name: run.info.run_id for name, run in before.items()
        }, "completed, not made again"
        assert synced(storage, uri) == whole
        assert "8 runs: 0 created, 0 completed, 8 unchanged" in capsys.readouterr().out
        again = run_study(storage, "--tracking-uri", uri)
        assert again.returncode == 0, again.stderr
        assert "tracking at" not in again.stdout
        assert contents(uri) == whole
    assert synced(storage, f"sqlite:///{tmp_path}/scratch/mlflow.db") == whole


def test_no_server_is_one_line_without_secrets(study_storage: Path) -> None:
    tracking = Tracking(
        f"http://somebody:secret-word@127.0.0.1:{free_port()}", "lambda_pareto", Store(str(study_storage))
    )
    tracking.synchronise()
    problem = tracking.close()
    assert problem is not None
    assert problem.startswith("tracking at http://***@127.0.0.1:")
    assert problem.count("\n") == 0
    assert "secret-word" not in problem


def test_runs_tell_what_they_are(study_storage: Path) -> None:
    found = runs(f"sqlite:///{study_storage}/mlflow.db")
    study = found.pop("study")
    assert study.info.run_name == "lambda_pareto (quick)"
    assert study.info.status == "FINISHED"
    assert {"preset", "command", "commit", "versions", "trials"} <= set(study.data.tags)
    rows = analysis.load(study_storage).set_index("trial_id")
    for trial_id, run in found.items():
        row = rows.loc[trial_id]
        assert run.data.params["kind"] == row["kind"]
        assert run.data.params["sigma"] == "30"
        assert run.data.tags["architecture"] == row["architecture"]
        assert run.data.tags["status"] == "finished"
        assert ("lambda1" in run.data.params) == (row["kind"] == "searched")
        assert run.info.start_time == int(1000 * row["started_at"].timestamp())
        assert run.info.end_time == int(1000 * row["finished_at"].timestamp())
        assert run.data.metrics["psnr_db"] == row["psnr_db"]
    named = {run.info.run_name for run in found.values() if run.data.params["kind"] == "searched"}
    assert any(re.fullmatch(r"σ=30 N=2 λ1=0.1 λ2=0 .* seed 0", name) for name in named)
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{study_storage}/mlflow.db")
    trial = next(run for run in found.values() if run.data.params["kind"] == "searched")
    by_image = client.get_metric_history(trial.info.run_id, "psnr_by_image")
    assert [m.value for m in sorted(by_image, key=lambda m: m.step)] == list(
        rows.loc[trial.data.tags["clearer.trial_id"], "psnr_by_image"]
    )

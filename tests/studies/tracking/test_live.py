"""MLflow is a view: it never stops a study, and what it missed arrives later, once."""

import json
import os
import re
import shlex
import shutil
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import ViewType
from running import command, run_study, wait_for
from small import SMALL, put_row
from tracking_servers import contents, free_port, runs, server, synced

import analysis
from studies.store.store import Store
from studies.store.study_file import read_study, write_study
from studies.tracking import live
from studies.tracking.content import UnderWay
from studies.tracking.live import Tracking, runs_page, sync_study

OTHER = SMALL.with_values(lambda1=0.5)
BEGUN = datetime(2026, 1, 2, tzinfo=UTC)
CLOCKS = {"started_at": BEGUN, "finished_at": datetime(2026, 1, 3, tzinfo=UTC), "commit": "abc", "versions": "{}"}


@pytest.mark.drill(minutes=1.5)
def test_a_server_that_dies_under_a_study_is_completed_from_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage, port = tmp_path / "runs", free_port()
    with server(tmp_path, port) as uri:
        study = subprocess.Popen(
            command(storage, "--tracking-uri", uri),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"COLUMNS": "200"},
        )
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
    uri = f"http://somebody:secret-word@127.0.0.1:{free_port()}"
    tracking = Tracking(uri, "lambda_pareto", Store(str(study_storage)), lambda: ())
    problem = tracking.close()
    assert problem is not None
    assert problem.startswith("tracking at http://***@127.0.0.1:")
    assert problem.endswith("the same command sends it again, and so does python -m studies sync")
    assert problem.count("\n") == 0
    assert "secret-word" not in problem


def record(iteration: int) -> dict[str, Any]:
    """A row of a curve."""
    return {"stage": "search", "iteration": iteration, "recorded_at": float(iteration), "psnr_db": 20.0}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of MLflow, which takes seconds to make."""
    file = tmp_path_factory.mktemp("database") / "mlflow.db"
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{file}").search_experiments(max_results=1)
    return file


@pytest.fixture
def begun(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, str]:
    """A store with a study of two trials that have begun, and the address of an empty database."""
    monkeypatch.setattr(live, "EVERY_SECONDS", 0.1)
    shutil.copyfile(database, tmp_path / "mlflow.db")
    store = Store(str(tmp_path / "runs"))
    write_study(store, "lambda_pareto", [SMALL, OTHER], preset="quick", command="command")
    return store, f"sqlite:///{tmp_path}/mlflow.db"


def test_what_is_under_way_is_shown_as_it_goes_and_completed_at_the_end(begun: tuple[Store, str]) -> None:
    store, uri = begun
    known: list[UnderWay] = []
    tracking = Tracking(uri, "lambda_pareto", store, lambda: list(known))
    time.sleep(0.3)
    assert runs(uri) == {}, "nothing to show yet"
    known.append(UnderWay(SMALL, BEGUN, [record(2)]))
    wait_for(lambda: SMALL.trial_id in runs(uri) and "search/psnr_db" in runs(uri)[SMALL.trial_id].data.metrics)
    first = runs(uri)[SMALL.trial_id]
    assert (first.info.status, runs(uri)["study"].info.status) == ("RUNNING", "RUNNING")
    known[0] = UnderWay(SMALL, BEGUN, [record(2), record(4)])
    wait_for(lambda: len(contents(uri)[SMALL.trial_id]["metrics"]["search/psnr_db"]) == 2)
    put_row(store, "lambda_pareto", SMALL, [record(2), record(4), record(6)], "PF", **CLOCKS)
    known[:] = [UnderWay(OTHER, BEGUN)]
    wait_for(lambda: runs(uri)[SMALL.trial_id].info.status == "FINISHED")
    wait_for(lambda: OTHER.trial_id in runs(uri))
    put_row(store, "lambda_pareto", OTHER, [record(2)], "PF", **CLOCKS)
    assert tracking.close() is None
    found = runs(uri)
    assert {name: run.info.status for name, run in found.items()} == dict.fromkeys(found, "FINISHED")
    assert len(found) == 3
    assert found[SMALL.trial_id].info.run_id == first.info.run_id
    assert runs(uri, ViewType.DELETED_ONLY) == {}
    assert [step for step, _, _ in contents(uri)[SMALL.trial_id]["metrics"]["search/psnr_db"]] == [2, 4, 6]


def test_a_study_does_not_wait_for_tracking_that_hangs(begun: tuple[Store, str]) -> None:
    store, uri = begun
    released = threading.Event()

    def hanging() -> list[UnderWay]:
        released.wait(60)
        return []

    tracking = Tracking(uri, "lambda_pareto", store, hanging)
    time.sleep(0.3)
    started = time.monotonic()
    problem = tracking.close(timeout=0.2)
    assert time.monotonic() - started < 5
    assert problem is not None
    assert "did not answer within 0.2 s" in problem
    released.set()


def test_tracking_that_failed_once_is_tried_again_at_the_end(begun: tuple[Store, str]) -> None:
    store, uri = begun
    asked: list[int] = []

    def broken() -> list[UnderWay]:
        asked.append(1)
        raise OSError("it went wrong")

    tracking = Tracking(uri, "lambda_pareto", store, broken)
    wait_for(lambda: tracking.error is not None)
    time.sleep(0.5)
    assert len(asked) == 1, "not again and again"
    assert tracking.close() is None
    assert set(runs(uri)) == {"study"}


def test_a_study_is_brought_up_to_date_once_and_then_unchanged(begun: tuple[Store, str]) -> None:
    store, uri = begun
    assert sync_study(store, "lambda_pareto", uri) == {"created": 1}, "trials that have not begun have no run"
    put_row(store, "lambda_pareto", SMALL, [record(2)], "PF", **CLOCKS)
    assert sync_study(store, "lambda_pareto", uri) == {"created": 1, "completed": 1}
    assert sync_study(store, "lambda_pareto", uri) == {"unchanged": 2}


@pytest.mark.parametrize(
    ("uri", "page"),
    [
        ("http://me:word@host:5000/", "http://***@host:5000/#/experiments/7/runs?workflowType=machine_learning"),
        ("sqlite:////a [b]'s/mlflow.db", "# then open http://127.0.0.1:5000/#/experiments/7/runs?workflowType="),
        ("postgresql://me:word@host/runs", "postgresql://***@host/runs"),
    ],
)
def test_where_runs_are_shown_is_said_without_secrets(uri: str, page: str) -> None:
    said = runs_page(uri, "7")
    assert page in said
    assert "word" not in said
    if uri.startswith("sqlite"):
        assert shlex.split(said, comments=True)[-1] == uri, "the line can be pasted"


def test_a_trial_that_this_version_can_not_read_keeps_its_run(begun: tuple[Store, str]) -> None:
    store, uri = begun
    put_row(store, "lambda_pareto", SMALL, [record(2)], "PF", **CLOCKS)
    sync_study(store, "lambda_pareto", uri)
    about = read_study(store, "lambda_pareto")
    about["trials"][SMALL.trial_id]["a field of the future"] = 1
    store.write("studies/lambda_pareto/study.json", json.dumps(about).encode())
    assert sync_study(store, "lambda_pareto", uri) == {"unchanged": 1}
    assert SMALL.trial_id in runs(uri)


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
    assert all(re.fullmatch(r"λ[12]=.* σ=30 .*", name) for name in named), named
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{study_storage}/mlflow.db")
    trial = next(run for run in found.values() if run.data.params["kind"] == "searched")
    by_image = client.get_metric_history(trial.info.run_id, "series/psnr_by_image")
    assert [m.value for m in sorted(by_image, key=lambda m: m.step)] == list(
        rows.loc[trial.data.tags["clearer.trial_id"], "psnr_by_image"]
    )

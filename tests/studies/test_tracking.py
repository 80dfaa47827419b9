"""MLflow is a view: it never stops a study, and what it missed arrives later, once."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from running import run_study

import analysis


def free_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(folder: Path, port: int) -> Iterator[str]:
    """A real tracking server over `folder`."""
    arguments = [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *arguments, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        end = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                break
            except OSError:
                assert time.monotonic() < end, "the tracking server does not start"
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
        process.wait()


def contents(uri: str) -> dict[str, Any]:
    """Everything that the server shows of each trial, but its own ids and clocks."""
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("lambda_pareto")
    assert experiment is not None
    runs = [run for run in client.search_runs([experiment.experiment_id]) if "clearer.trial_id" in run.data.tags]
    found = {}
    for run in runs:
        assert run.data.tags["clearer.trial_id"] not in found, "one run a trial"
        histories = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
        found[run.data.tags["clearer.trial_id"]] = {
            "status": run.info.status,
            "params": run.data.params,
            "metrics": {
                name: sorted((m.step, m.timestamp, m.value) for m in points) for name, points in histories.items()
            },
            "pictures": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
        }
    return found


def test_a_study_without_its_server_ends_and_a_later_run_brings_it_up_to_date(tmp_path: Path) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    missed = run_study(tmp_path / "runs", "--tracking-uri", uri)
    assert missed.returncode == 0, missed.stderr
    assert f"tracking at {uri}" in missed.stdout
    assert "the same command sends it again" in missed.stdout
    assert len(analysis.load(tmp_path / "runs")) == 7
    with server(tmp_path, port):
        for _ in range(2):
            again = run_study(tmp_path / "runs", "--tracking-uri", uri)
            assert again.returncode == 0, again.stderr
            assert "0 to run" in again.stdout
            assert "tracking at" not in again.stdout
        late = contents(uri)
    assert set(late) == set(analysis.load(tmp_path / "runs")["trial_id"])
    for trial in late.values():
        assert trial["status"] == "FINISHED"
        assert [step for step, _, _ in trial["metrics"]["train/psnr_db"]] == [2, 4]
        assert trial["pictures"] == ["architecture.png", "clean_degraded_restored.png"]


def test_a_server_that_was_there_shows_the_same(tmp_path: Path) -> None:
    with server(tmp_path, free_port()) as uri:
        done = run_study(tmp_path / "runs", "--tracking-uri", uri)
        assert done.returncode == 0, done.stderr
        live = contents(uri)
    local = tmp_path / "local.db"
    again = run_study(tmp_path / "runs", "--tracking-uri", f"sqlite:///{local}")
    assert again.returncode == 0, again.stderr
    assert contents(f"sqlite:///{local}") == live

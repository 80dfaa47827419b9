"""A real tracking server on loopback, and all that one shows of a study."""

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
from mlflow.entities import ViewType

from studies.__main__ import main

PARENT = "mlflow.parentRunId"


def free_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """A tracking server over `folder`, which answers soon, in a session of its own."""
    arguments = [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            *arguments,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--workers",
            "1",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_until_up(port: int, seconds: float = 90) -> None:
    """Waits until a server answers."""
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
            return
        except OSError:
            assert time.monotonic() < end, "the tracking server does not start"
            time.sleep(0.2)


@contextmanager
def server(folder: Path, port: int) -> Iterator[str]:
    """A tracking server over `folder`; killed at the end, as a crash would."""
    process = start(folder, port)
    try:
        wait_until_up(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
        process.wait()


def runs(uri: str, view: int = ViewType.ACTIVE_ONLY) -> dict[str, Any]:
    """The λ study's runs by trial; the study's own run under ``study``."""
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("lambda_pareto")
    if experiment is None:
        return {}
    found: dict[str, Any] = {}
    for run in client.search_runs([experiment.experiment_id], run_view_type=view):
        name = run.data.tags.get("clearer.trial_id", "study")
        assert name not in found, "one run a trial"
        found[name] = run
    return found


def contents(uri: str) -> dict[str, Any]:
    """Everything that the server shows of each run, but run ids."""
    client = mlflow.MlflowClient(tracking_uri=uri)
    found = {}
    every = runs(uri)
    for name, run in every.items():
        histories = {metric: client.get_metric_history(run.info.run_id, metric) for metric in run.data.metrics}
        parent = run.data.tags.get(PARENT)
        assert parent == (None if name == "study" else every["study"].info.run_id)
        found[name] = {
            "name": run.info.run_name,
            "status": run.info.status,
            "times": (run.info.start_time, run.info.end_time),
            "params": run.data.params,
            "tags": {t: text.replace(run.info.run_id, "RUN") for t, text in run.data.tags.items() if t != PARENT},
            "metrics": {
                metric: sorted((m.step, m.timestamp, m.value) for m in points) for metric, points in histories.items()
            },
            "files": sorted(_files(client, run.info.run_id)),
        }
    return found


def _files(client: mlflow.MlflowClient, run_id: str, folder: str | None = None) -> Iterator[str]:
    """The names of all files of a run."""
    for file in client.list_artifacts(run_id, folder):
        if file.is_dir:
            yield from _files(client, run_id, file.path)
        else:
            yield file.path


def synced(storage: Path, uri: str) -> dict[str, Any]:
    """What a server shows after `python -m studies sync`."""
    assert main(["sync", str(storage), "lambda_pareto", "--tracking-uri", uri]) == 0
    return contents(uri)

"""A study on a running cluster gives the numbers of a study on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from running import MEASURED, TINY, run_study

import analysis


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a Ray cluster of one node, with a token, in a home of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:  # short: it holds sockets
        token = Path(folder, "token")
        token.write_text("0123456789abcdef" * 4)
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
        ray = [sys.executable, "-m", "ray.scripts.scripts"]
        start = [
            "start",
            "--head",
            "--block",
            f"--port={port}",
            "--num-cpus=2",
            f"--temp-dir={folder}/ray",
            "--include-dashboard=false",
        ]
        log = Path(folder, "log")
        with log.open("w") as out:
            node = subprocess.Popen(
                [*ray, *start], stdout=out, stderr=out, env=os.environ.copy(), start_new_session=True
            )
        try:
            for _ in range(300):
                if "started successfully" in log.read_text() or "Ray runtime started" in log.read_text():
                    break
                assert node.poll() is None, log.read_text()
                time.sleep(0.2)
            yield f"127.0.0.1:{port}"
        finally:
            subprocess.run(["pkill", "-KILL", "-s", str(node.pid)], check=False)
            node.wait()


def test_rows_equal_those_of_one_machine_bit_for_bit(cluster: str, study_storage: Path, tmp_path: Path) -> None:
    done = run_study(tmp_path / "runs", "--address", cluster, settings=TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    here = analysis.load(study_storage)
    there = analysis.load(tmp_path / "runs").sort_values("trial_id", ignore_index=True)
    here = here[here["trial_id"].isin(there["trial_id"])].sort_values("trial_id", ignore_index=True)
    pd.testing.assert_frame_equal(
        there.drop(columns=list(MEASURED)), here.drop(columns=list(MEASURED)), check_exact=True
    )

"""Real Ray nodes for tests: each a raylet of its own on this machine, with a token, in a folder that is theirs."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest


class Cluster(NamedTuple):
    """Its address, and the process groups of its nodes, the head's first."""

    address: str
    groups: list[int]


RAY = [sys.executable, "-m", "ray.scripts.scripts"]


@contextmanager
def running_cluster(*wrappers: Sequence[str], head_cpus: int = 2) -> Iterator[Cluster]:
    """A cluster: a node named head, and for each of `wrappers`, words before its command, one of one CPU, node0 …"""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started: list[subprocess.Popen[bytes]] = []
    # Short: it holds sockets.
    with tempfile.TemporaryDirectory(prefix="ray-") as folder, pytest.MonkeyPatch.context() as patch:
        token = Path(folder, "token")
        token.write_text("0123456789abcdef" * 4)
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
        patch.delenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", raising=False)  # a Ray of this process has left it
        head = [
            "--head",
            f"--port={port}",
            f"--num-cpus={head_cpus}",
            f"--temp-dir={folder}/ray",
            "--include-dashboard=false",
            "--node-name=head",
        ]
        try:
            _start(started, [*RAY, "start", "--block", *head], Path(folder, "head.log"))
            for number, wrapper in enumerate(wrappers):
                joined = [
                    *wrapper,
                    *RAY,
                    "start",
                    "--block",
                    f"--address=127.0.0.1:{port}",
                    "--num-cpus=1",
                    f"--node-name=node{number}",
                ]
                _start(started, joined, Path(folder, f"{number}.log"))
            yield Cluster(f"127.0.0.1:{port}", [node.pid for node in started])
        finally:
            for node in reversed(started):
                subprocess.run(["pkill", "-KILL", "-s", str(node.pid)], check=False)
                node.wait()


def _start(started: list[subprocess.Popen[bytes]], command: list[str], log: Path) -> None:
    """Starts a node, adds it to those that `started`, and waits until it is up."""
    with log.open("w") as out:
        node = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ.copy(), start_new_session=True)
    started.append(node)
    end = time.monotonic() + 120
    while "Ray runtime started" not in log.read_text():
        assert node.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)

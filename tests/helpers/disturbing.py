"""What is killed in the tests, always by process id, and what must be the same afterwards."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from running import MEASURED
from tracking_servers import free_port

import analysis

REUSED = ("search_reused", "train_reused")


def numbers(storage: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows and curves without what a clock measured or what a run found in the store."""
    rows = analysis.load(storage).drop(columns=[*MEASURED, *REUSED]).sort_values("trial_id", ignore_index=True)
    curves = analysis.load_curves(storage).drop(columns=["seconds", "recorded_at"])
    return rows, curves.sort_values(["trial_id", "stage", "iteration"], ignore_index=True)


def assert_equal(storage: Path, other: Path) -> None:
    """Rows and curves of two stores are the same to the bit."""
    for mine, theirs in zip(numbers(storage), numbers(other), strict=True):
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True)


def _processes() -> Iterator[tuple[int, int, int, str]]:
    """Id, parent, session and command line of every process."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            text = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            yield int(folder.name), int(fields[1]), int(fields[3]), text


def below(process: int) -> dict[int, str]:
    """The command lines of a process and of all that it has started, by id."""
    every = list(_processes())
    found, before = {process}, 0
    while len(found) > before:
        before = len(found)
        found |= {number for number, parent, _, _ in every if parent in found}
    return {number: text for number, _, _, text in every if number in found}


def workers(of: int) -> list[int]:
    """The processes below `of` that compute a pack now."""
    return [number for number, text in below(of).items() if "PackWorker.train" in text]


def send(process: int, sent: signal.Signals) -> bool:
    """Sends a signal to one process; whether it was there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, sent)
        return True
    return False


def kill_session(process: int) -> None:
    """Kills a process that leads a session, and all that is in the session."""
    while members := [number for number, _, session, _ in _processes() if session == process]:
        alive = [send(number, signal.SIGKILL) for number in members if not _is_dead(number)]
        if not any(alive):
            return
        time.sleep(0.05)


def _is_dead(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    return True


class RayNodes:
    """A Ray cluster with a token on this machine: a head, and nodes that come and go, each in a session of its own."""

    def __init__(self, folder: Path, nodes: int):
        self.folder, self.port = folder, free_port()
        (folder / "token").write_text("0123456789abcdef" * 4)
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "20",  # a node that is sent SIGTERM tells its workers
        }
        self._bring_up(nodes)

    def _bring_up(self, nodes: int) -> None:
        before = self._starts()
        self.head = self._start(
            "--head",
            f"--port={self.port}",
            f"--temp-dir={self.folder}/ray",
            "--include-dashboard=false",
            "--num-cpus=1",
        )
        self._wait(self.head, before)
        self.nodes = [self.start_node() for _ in range(nodes)]

    @property
    def address(self) -> str:
        """The cluster's, for `--address`."""
        return f"127.0.0.1:{self.port}"

    def start_node(self) -> subprocess.Popen[bytes]:
        """A node of one CPU, which joins soon."""
        return self._start(f"--address={self.address}", "--num-cpus=1")

    def workers(self) -> list[int]:
        """The processes of all nodes that compute a pack now."""
        return [number for node in (self.head, *self.nodes) for number in workers(node.pid)]

    def stop(self) -> None:
        """Kills all nodes."""
        for node in (*self.nodes, self.head):
            kill_session(node.pid)
            node.wait()

    def start_again(self) -> None:
        """Kills what is left of the nodes, and brings the cluster up at the same address."""
        self.stop()
        self._bring_up(len(self.nodes))

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *arguments]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | self.environment, start_new_session=True
            )

    def _starts(self) -> int:
        log = self.folder / "log"
        return log.read_text().count("runtime started") if log.exists() else 0

    def _wait(self, node: subprocess.Popen[bytes], before: int) -> None:
        end = time.monotonic() + 180
        while self._starts() == before:
            assert node.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < end, "the head of the cluster does not start"
            time.sleep(0.2)


@contextlib.contextmanager
def ray_nodes(nodes: int) -> Iterator[RayNodes]:
    """A cluster in a folder with a short name: it holds sockets."""
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        cluster = RayNodes(Path(folder), nodes)
        try:
            yield cluster
        finally:
            cluster.stop()

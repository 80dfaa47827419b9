"""cluster/local.py: several nodes on this machine run a study as one machine does, and leave nothing behind.

python -m pytest -m drill -s tests/drills/test_local_cluster.py
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import differing, show
from running import ROOT, TINY, command, wait_for

import analysis

pytestmark = pytest.mark.drill(minutes=1.5)


@contextlib.contextmanager
def started(storage: Path, folder: Path, *settings: str) -> Iterator[subprocess.Popen[str]]:
    """Two nodes and a study on them, in a process group of their own; temporary files go to `folder`."""
    nodes = [sys.executable, str(ROOT / "cluster/local.py"), "--nodes", "2", "--"]
    _, *study = command(storage, "--checkpoint-seconds", "0", settings=settings)
    with subprocess.Popen(
        [*nodes, *study],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=storage.parent,
        start_new_session=True,
        env=os.environ | {"TMPDIR": str(folder)},
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def processes_with(text: str) -> list[str]:
    """The command lines of the processes that name `text`."""
    lines = subprocess.run(["ps", "-e", "-o", "args="], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if text in line]


def listening_on(folder: Path) -> set[str]:
    """The addresses on which the processes that name `folder` listen, without ports."""
    table = subprocess.run(["ss", "-H", "-ltnp"], capture_output=True, text=True, check=True).stdout.splitlines()
    named = subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, text=True, check=True).stdout.split()
    rows = [line.split() for line in table]
    return {row[3].rpartition(":")[0].strip("[]") for row in rows if any(f"pid={pid}," in row[-1] for pid in named)}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for temporary files with a short path: it holds sockets."""
    with tempfile.TemporaryDirectory(prefix="cl") as name:
        yield Path(name)


def test_two_nodes_give_the_rows_of_one_machine(folder: Path, study_storage: Path, tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    with started(storage, folder, *TINY) as nodes:
        wait_for(lambda: list(storage.glob("stages/*/*")), 600)
        addresses = listening_on(folder)
        output, errors = nodes.communicate(timeout=600)
    assert nodes.returncode == 0, output + errors
    rows = analysis.load(storage)
    differ = differing(rows, analysis.load(study_storage))
    assert differ == 0
    assert addresses
    assert addresses <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert not list(folder.glob("ray-*"))
    left = processes_with(str(folder))
    assert not left
    show(
        "two nodes on loopback",
        trials=len(rows),
        rows_missing_or_different=differ,
        listened_on=addresses,
        processes_left=len(left),
    )


def test_a_study_in_another_terminal_finds_the_nodes_by_what_is_printed(folder: Path, tmp_path: Path) -> None:
    nodes = [sys.executable, str(ROOT / "cluster/local.py"), "--nodes", "2"]
    with subprocess.Popen(
        nodes, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(folder)}
    ) as process:
        assert process.stdout is not None
        told = itertools.takewhile(lambda line: line != "Ctrl-C ends them.\n", process.stdout)
        exports, study = [line.strip() for line in told if line.startswith("  ")]
        flags = f"--storage {tmp_path}/runs --dry-run --set {' '.join(TINY)}"
        line = f"cd {ROOT} && {exports} && {sys.executable} {study.removeprefix('python ')} {flags}"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=300, check=False)
        process.send_signal(signal.SIGINT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 trials" in done.stdout
    assert process.returncode == 130
    assert not processes_with(str(folder))


def test_ctrl_c_stops_the_study_cleanly_and_ends_the_nodes(folder: Path, tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    longer = tuple(t for t in TINY if not t.startswith(("search_iterations", "report")))
    with started(storage, folder, *longer, "search_iterations=20000", "report_iterations=20") as nodes:
        wait_for(lambda: list(storage.glob("stages/search/*/checkpoint-*")), 600)
        os.killpg(nodes.pid, signal.SIGINT)  # as a terminal does: to the nodes and the study
        output, errors = nodes.communicate(timeout=300)
    assert nodes.returncode == 130, output + errors
    assert "run the same command again to go on" in output
    assert "Traceback" not in output + errors
    assert not list(folder.glob("ray-*"))
    assert not processes_with(str(folder))

"""A study on real nodes that could not run it ends before anything is computed, with a line for each reason."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from nodes import Cluster, running_cluster
from running import ROOT, TINY, UNSWEPT, run_study

from studies.driver.command_line import main
from studies.lambda_pareto import STUDY
from studies.nodes.preflight import _marker as preflight_marker
from studies.nodes.preflight import lines, mixed, tracking_problems
from studies.nodes.report import Problem, Report, release
from studies.store.store import Store

MAY_MOUNT = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0
needs_mounts = pytest.mark.skipif(not MAY_MOUNT, reason="mounting a folder of its own for a node needs root")


def with_mounts(*mounts: str) -> list[str]:
    """The words before a command that give it file systems of its own."""
    return ["unshare", "-m", "sh", "-ec", "; ".join([*mounts, 'exec "$@"']), "sh"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `unshared`, `shared` and `data/mine` with one image in each split."""
    folder = tmp_path_factory.mktemp("preflight")
    for name in ("unshared", "shared"):
        (folder / name).mkdir()
    for number, split in enumerate(("train", "val", "test")):
        (folder / "data/mine" / split).mkdir(parents=True)
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32), np.uint8)
        PIL.Image.fromarray(pixels).save(folder / "data/mine" / split / "1.png")
    return folder


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Cluster]:
    """Two nodes: the second has `libraries` on its path and, if it may mount, another `unshared` and an image less."""
    lonely = with_mounts(f"mount -t tmpfs none {folder}/unshared", f"mount -t tmpfs none {folder}/data/mine/val")
    with running_cluster(["env", f"PYTHONPATH={folder}/libraries", *(lonely if MAY_MOUNT else [])]) as started:
        yield started


def preflight(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the command, after `code`."""
    imports = "import sys; from studies.__main__ import main; from studies.nodes import preflight"
    script = f"{imports}; {code or 'pass'}; sys.exit(main())"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", script, "preflight", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=200,
        check=False,
    )


@needs_mounts
def test_a_study_with_an_unshared_storage_and_other_data_computes_nothing(cluster: Cluster, folder: Path) -> None:
    storage = folder / "unshared" / "runs"
    settings = (*TINY, "dataset=mine")
    broken = folder / "libraries" / "torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libfoo.so is missing')")
    done = run_study(storage, "--address", cluster.address, "--data", str(folder / "data"), settings=settings)
    shutil.rmtree(broken)
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 3, lines
    assert f"node0: the storage {storage} is not there" in lines[0]
    assert f"node0: {folder}/data/mine lacks val/1.png" in lines[1]
    assert "node0: torch can't be imported (libfoo.so is missing), the driver has" in lines[2]
    assert "head" in done.stdout, "the table has both nodes"
    assert list((folder / "unshared").iterdir()) == []


def test_nodes_that_share_all_have_no_problem_that_stops_a_study(cluster: Cluster, folder: Path) -> None:
    """The driver's clock and its tracking are wrong, which is said and no more."""
    storage, moved = folder / "shared", "import time; here = time.time; time.time = lambda: here() + 60"
    arguments = ("--storage", str(storage), "--tracking-uri", "http://127.0.0.1:1")
    done = preflight("--address", cluster.address, *arguments, code=moved)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(name in done.stdout for name in ("head", "node0"))
    assert "--tracking-uri http://127.0.0.1:1: does not answer" in done.stdout
    assert "head, node0: its clock is 60 s behind the driver's; switch time synchronisation on" in done.stdout
    assert "no node has a problem that would stop a study" in done.stdout
    assert list(storage.iterdir()) == []


def test_too_little_space_is_said_before_ray_is_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A network that no disk holds."""
    huge = [text for text in UNSWEPT if not text.startswith("channels")]
    with pytest.raises(SystemExit) as stop:
        main(STUDY, None, ["--storage", str(tmp_path / "runs"), "--set", *huge, "channels=10000000"])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--storage {tmp_path}/runs: " in line
    assert "GB free, and the study needs about" in line
    assert not (tmp_path / "runs").exists()


def test_nothing_is_left_in_the_store(store: Store) -> None:
    with preflight_marker(store) as (_, marker):
        assert store.files("") == [f"{marker}/driver"]
        store.write(f"{marker}/node", b"")
    assert store.files("") == []
    assert not store.is_local or not Path(store.root).exists()


def report(**facts: object) -> Report:
    """A node's answer."""
    return Report(**{"host": "node", "processor": "A", "cores": 1, "versions": {"torch": "2.9.0+cpu"}, **facts})


def test_nodes_of_one_kind_have_nothing_that_differs() -> None:
    assert mixed([report(), report(host="other")], False) == []
    assert mixed([], True) == []


def test_builds_of_one_torch_may_differ_from_the_drivers_but_not_among_nodes() -> None:
    on_gpu, other = report(versions={"torch": "2.9.0+cu126"}), report(versions={"torch": "2.9.0+cu128"})
    assert mixed([on_gpu, on_gpu], True) == []
    (found,) = mixed([on_gpu, other], True)
    assert not found.is_error
    assert "2.9.0+cu126, 2.9.0+cu128" in found.text
    older = report(versions={"torch": "2.8.0+cu126"})
    assert mixed([on_gpu, older], True) == [], "another release is the node's own error"
    assert [release("torch", "2.9.0+cu126"), release("python", "3.11.7")] == ["2.9.0", "3.11"]


def test_devices_of_several_models_are_said_of_those_that_compute() -> None:
    nodes = [report(gpus=["A 80 GB"]), report(gpus=["A 80 GB", "B 80 GB"], processor="B")]
    (gpus,) = mixed(nodes, True)
    assert "several GPUs (A 80 GB, B 80 GB)" in gpus.text
    (processors,) = mixed(nodes, False)
    assert "several processors (A, B)" in processors.text
    assert not gpus.is_error
    assert not processors.is_error


def test_one_line_for_all_nodes_of_which_it_is_true() -> None:
    found = [Problem(True, node, "is wrong; mend it") for node in ("b", "a", "b")] + [Problem(True, "", "all wrong")]
    assert lines(found) == ["a, b: is wrong; mend it", "all wrong"]


def test_tracking_that_does_not_answer_is_a_warning() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://user:word@127.0.0.1:{server.getsockname()[1]}"
        assert tracking_problems(uri) == []
    (problem,) = tracking_problems(uri)
    assert not problem.is_error
    assert "word" not in problem.text
    assert tracking_problems("sqlite:///mlflow.db") == tracking_problems(None) == tracking_problems("none") == []


@pytest.mark.drill
def test_a_node_that_hangs_is_named(cluster: Cluster, folder: Path) -> None:
    """The last of these tests: the node stays so."""
    os.killpg(cluster.groups[1], signal.SIGSTOP)
    done = preflight(
        "--address", cluster.address, "--storage", str(folder / "shared"), code="preflight.ANSWER_SECONDS = 8"
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "node0: has not answered within 8 s" in done.stderr
    assert "no answer" in done.stdout
    assert list((folder / "shared").iterdir()) == []

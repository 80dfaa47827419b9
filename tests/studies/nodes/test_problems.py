"""What nodes say of themselves, and what of it stops a study: real reports of this machine, with one fact changed at a time."""

from __future__ import annotations

import copy
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from object_storage import BUCKET

from studies.nodes import report as node_report
from studies.nodes.problems import Problem, compared, lines, of_caches, of_clocks, tracking_problems
from studies.nodes.report import Question, Report, examine, installed
from studies.store.store import Store
from studies.work.remote_images import sizes


def question(store: Store, folder: Path) -> Question:
    """What a node is asked, with the driver's marker in the store and two images in `folder`."""
    for name in ("1.png", "2.png"):
        (folder / "set12").mkdir(parents=True, exist_ok=True)
        (folder / "set12" / name).write_text(name)
    store.write("preflight/x/driver", b"driver")
    return Question(store.storage, "preflight/x", {str(folder): sizes(str(folder))}, False)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(node_report, "_PATIENCE_SECONDS", 0.3)


@pytest.fixture
def asked(tmp_path: Path) -> Question:
    return question(Store(str(tmp_path / "runs")), tmp_path / "data")


@pytest.fixture
def report(asked: Question) -> Report:
    return examine(asked, "node")


def test_a_sound_node_has_no_problem_and_answers_through_the_store(store: Store, tmp_path: Path) -> None:
    asked = question(store, tmp_path / "data")
    report = examine(asked, "node")
    assert report.errors == []
    assert set(store.names("preflight/x")) == {"driver", "node"}
    assert compared(*installed(), [report, report], False) == []
    assert of_clocks({"node": report}, {"node": 1.0}) == of_caches({"node": report}, asked.files) == []
    assert (report.storage_free is not None) == store.is_local
    assert report.cache_free is not None


def test_another_storage_is_left_as_it_is(asked: Question, tmp_path: Path) -> None:
    for there in (False, True):
        other = tmp_path / "another"
        if there:
            other.mkdir()
        found = examine(Question(str(other), asked.marker, {}, False), "node")
        assert len(found.errors) == 1
        assert f"the storage {other} is {'another' if there else 'not there'}" in found.errors[0]
        assert "--storage s3://" in found.errors[0]
        assert other.exists() == there
        assert not there or not list(other.iterdir())


def test_a_bucket_that_is_not_there_is_an_error_of_one_line(asked: Question, s3: str) -> None:
    gone = s3.format("x").replace(f"//{BUCKET}/", "//nobody/")
    (error,) = examine(Question(gone, asked.marker, {}, False), "node").errors
    assert "the storage s3://nobody/x" in error
    assert "\n" not in error


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "2.png").unlink(), "lacks set12/2.png"),
        (lambda folder: (folder / "2.png").write_text("longer than before"), "has another set12/2.png"),
        (lambda folder: (folder / "3.png").write_text("3"), "has besides set12/3.png"),
        (lambda folder: [path.unlink() for path in folder.iterdir()], "are not there"),
        (lambda folder: [(folder / f"{n}.png").write_text("") for n in range(3, 10)], "5.png and 4 more"),
    ],
)
def test_other_images_are_named(asked: Question, tmp_path: Path, change: Callable[[Path], object], said: str) -> None:
    change(tmp_path / "data/set12")
    (error,) = examine(asked, "node").errors
    assert str(tmp_path / "data") in error
    assert said in error


def test_a_cache_that_can_not_be_written_is_an_error(
    asked: Question, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLEARER_CACHE", str(tmp_path / "file"))
    (error,) = examine(asked, "node").errors
    assert "CLEARER_CACHE" in error


def changed(report: Report, **facts: object) -> Report:
    other = copy.deepcopy(report)
    for name, value in facts.items():
        if name in ("code", "processor", "gpus"):
            setattr(other, name, value)
        else:
            other.versions[name.replace("_", "-")] = str(value)
    other.host = "other"
    return other


@pytest.mark.parametrize(
    ("facts", "is_error", "said"),
    [
        ({"torch": "2.0.1"}, True, "torch 2.0.1, the driver has"),
        ({"torch": "can't be imported (libfoo.so is missing)"}, True, "libfoo.so"),
        ({"python": "3.99.1"}, True, "install python 3."),
        ({"ray": "1.0.0"}, True, "install ray=="),
        ({"numpy": "missing"}, True, "install numpy=="),
        ({"numpy": "1.0.0"}, False, "last digits may differ; install numpy=="),
        ({"scikit_image": "0.1"}, False, "scikit-image 0.1"),
        ({"code": "0123456789ab"}, True, "0123456789ab"),
        ({"processor": "A"}, False, "several processors (A, "),
    ],
)
def test_what_differs_is_named_with_its_mend(
    report: Report, facts: dict[str, object], is_error: bool, said: str
) -> None:
    found = compared(*installed(), [report, changed(report, **facts)], False)
    assert [problem.is_error for problem in found] == [is_error] * len(found)
    assert any(said in line for line in lines(found)), found
    assert all(problem.node in ("other", "") for problem in found)


def test_builds_of_one_torch_may_differ_from_the_drivers_but_not_among_nodes(report: Report) -> None:
    versions, code = installed()
    release = versions["torch"].partition("+")[0]
    on_gpu, other = changed(report, torch=f"{release}+cu126"), changed(report, torch=f"{release}+cu128")
    assert compared(versions, code, [on_gpu, on_gpu], True) == []
    (mixed,) = compared(versions, code, [on_gpu, other], True)
    assert not mixed.is_error
    assert f"{release}+cu126, {release}+cu128" in mixed.text


def test_gpus_of_several_models_and_busy_ones_are_said(report: Report) -> None:
    free = {"name": "A", "free": 80e9, "total": 81e9}
    nodes = [changed(report, gpus=[free]), changed(report, gpus=[free | {"name": "B"}, free | {"free": 3e9}])]
    found = compared(*installed(), nodes, True)
    assert not any(problem.is_error for problem in found)
    assert any("several GPUs (A, B)" in problem.text for problem in found)
    assert any("GPU 1 (A) has 3.0 of 81 GB free" in problem.text for problem in found)


def test_a_node_without_cuda_says_so(asked: Question) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    (error,) = examine(Question(asked.storage, asked.marker, {}, True), "node").errors
    assert "sees no GPU" in error


def test_clocks_and_full_caches(report: Report) -> None:
    (late,) = of_clocks({"a": report, "b": report}, {"a": -60.0, "b": 1.0})
    assert "60 s behind" in late.text
    assert not late.is_error
    report.cache_free = 500
    local, remote = {"/data": {"1.png": 10**6}}, {"s3://bucket/data": {"1.png": 10**6}}
    assert [problem.is_error for problem in of_caches({"a": report}, local)] == [False]
    assert [problem.is_error for problem in of_caches({"a": report}, remote)] == [True]


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

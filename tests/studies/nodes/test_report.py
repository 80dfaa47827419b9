"""What a node says of itself: real answers of this machine to a driver that has something else, one thing at a time."""

import dataclasses
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import torch
from object_storage import BUCKET

from studies.nodes import report as node_report
from studies.nodes.report import Problem, Question, Report, examine, examine_gpus, free_bytes, gb, installed, release
from studies.store.store import Store
from studies.work.remote_images import sizes

VERSIONS, CODE = installed()


def question(store: Store, folder: Path) -> Question:
    """What a node is asked, with the driver's marker in the store and two images in `folder`."""
    for name in ("1.png", "2.png"):
        (folder / "set12").mkdir(parents=True, exist_ok=True)
        (folder / "set12" / name).write_text(name)
    store.write("preflight-x/driver", b"driver")
    return Question(store.storage, "preflight-x", {str(folder): sizes(str(folder))}, VERSIONS, CODE)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(node_report, "_PATIENCE_SECONDS", 0.3)


@pytest.fixture
def asked(tmp_path: Path) -> Question:
    return question(Store(str(tmp_path / "runs")), tmp_path / "data")


def answered(asked: Question, **changes: object) -> list[Problem]:
    """What is wrong, where what is asked is changed."""
    return examine(dataclasses.replace(asked, **changes), "node", "its name").problems


def test_a_sound_node_has_no_problem_and_answers_through_the_store(store: Store, tmp_path: Path) -> None:
    report = examine(question(store, tmp_path / "data"), "node", "its name")
    assert report.problems == []
    assert set(store.names("preflight-x")) == {"driver", "node"}
    assert (report.storage_free is not None) == store.is_local
    assert report.cache_free is not None
    assert (report.host, report.versions) == ("its name", VERSIONS)
    assert report.cores > 0
    assert report.processor


def test_another_storage_is_left_as_it_is(asked: Question, tmp_path: Path) -> None:
    for there in (False, True):
        other = tmp_path / "another"
        if there:
            other.mkdir()
        (found,) = answered(asked, storage=str(other))
        assert found.is_error
        assert f"the storage {other} is {'another' if there else 'not there'}" in found.text
        assert "--storage s3://" in found.text
        assert other.exists() == there
        assert not there or not list(other.iterdir())


def test_a_bucket_that_is_not_there_is_an_error_of_one_line(asked: Question, s3: str) -> None:
    gone = s3.format("x").replace(f"//{BUCKET}/", "//nobody/")
    (found,) = answered(asked, storage=gone)
    assert found.is_error
    assert "the storage s3://nobody/x" in found.text
    assert "\n" not in found.text


def test_a_storage_that_a_node_can_not_open_is_an_error_of_one_line(asked: Question) -> None:
    (found,) = answered(asked, storage="gopher://me:word@host/x")
    assert found.is_error
    assert "the storage gopher://***@host/x can't be read and written" in found.text
    assert "\n" not in found.text
    assert "word" not in found.text


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
    (found,) = answered(asked)
    assert found.is_error
    assert str(tmp_path / "data") in found.text
    assert said in found.text


def test_a_cache_that_can_not_be_written_is_an_error(
    asked: Question, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLEARER_CACHE", str(tmp_path / "file"))
    (found,) = answered(asked)
    assert found.is_error
    assert "CLEARER_CACHE" in found.text


def test_a_full_cache_stops_a_study_only_where_images_are_copied_to_it(asked: Question, tmp_path: Path) -> None:
    most, uri = 10**18, f"file://{tmp_path}/nowhere"
    (remote,) = (p for p in answered(asked, files={uri: {"1.png": most}}) if "free, for" in p.text)
    assert remote.is_error
    assert str(tmp_path / "cache") in remote.text
    assert not [p for p in answered(asked, files={str(tmp_path): {"1.png": most}}) if "free, for" in p.text]


def test_a_cache_with_little_room_is_said(asked: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = node_report.shutil.disk_usage("/")
    monkeypatch.setattr(node_report.shutil, "disk_usage", lambda path: usage._replace(free=500))
    (found,) = answered(asked)
    assert not found.is_error
    assert "free, for" in found.text


@pytest.mark.parametrize(
    ("name", "driver", "is_error", "said"),
    [
        ("torch", "2.0.1", True, "the driver has 2.0.1; install torch==2.0.1 there"),
        ("python", "3.99.1", True, "the driver has 3.99.1; install python 3.99 there"),
        ("python", f"{release('python', VERSIONS['python'])}.99", False, "last digits may differ; install python 3."),
        ("ray", "1.0.0", True, "install ray==1.0.0 there"),
        ("numpy", "1.0.0", False, "last digits may differ; install numpy==1.0.0"),
        ("scikit-image", "0.1", False, "the driver has 0.1"),
    ],
)
def test_what_differs_from_the_drivers_is_named_with_its_mend(
    asked: Question, name: str, driver: str, is_error: bool, said: str
) -> None:
    (found,) = answered(asked, versions={**VERSIONS, name: driver})
    assert found.is_error == is_error
    assert found.text.startswith(f"{name} {VERSIONS[name]}, ")
    assert said in found.text


def test_other_code_than_the_drivers_is_an_error(asked: Question) -> None:
    (found,) = answered(asked, code="0123456789ab")
    assert found.is_error
    assert f"runs other code of this project ({CODE}) than the driver (0123456789ab)" in found.text


def test_a_library_that_is_missing_or_broken_is_an_error(asked: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version

    def missing(name: str) -> str:
        if name == "numpy":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", missing)
    (found,) = answered(asked)
    assert (found.is_error, found.text.split(",")[0]) == (True, "numpy missing")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "torch", None)
    found = next(problem for problem in answered(asked) if "torch" in problem.text)
    assert found.is_error
    assert "torch can't be imported (" in found.text


def test_another_build_of_the_drivers_torch_is_no_problem(asked: Question) -> None:
    other = f"{release('torch', VERSIONS['torch'])}+cu126"
    assert answered(asked, versions={**VERSIONS, "torch": other}) == []


@pytest.mark.parametrize(
    ("cuda", "hip", "built"), [(None, None, "no GPU"), ("12.6", None, "CUDA 12.6"), (None, "6.3", "ROCm 6.3")]
)
def test_a_node_without_a_gpu_says_what_torch_is_built_for(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, hip: str | None, built: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.version.cuda", cuda)
    monkeypatch.setattr("torch.version.hip", hip, raising=False)
    gpus, (found,) = examine_gpus("node")
    assert (gpus, found.is_error, found.node) == ([], True, "node")
    assert f"(built for {built}) sees no GPU" in found.text


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two GPUs, of which the second is used by others; the devices on which a convolution was computed."""
    sizes, real, computed = [(80e9, 81e9), (3e9, 81e9)], torch.rand, []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda index: "AB"[index])
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda index: sizes[index])
    monkeypatch.setattr("torch.cuda.synchronize", lambda index: computed.append(f"cuda:{index}"))
    monkeypatch.setattr("torch.rand", lambda *size, device, **how: real(*size, **how))
    return computed


def test_every_gpu_computes_and_one_that_others_use_is_said(gpus: list[str]) -> None:
    found_gpus, (found,) = examine_gpus("node")
    assert found_gpus == [("A", 81 * 10**9), ("B", 81 * 10**9)]
    assert gpus == ["cuda:0", "cuda:1"]
    assert not found.is_error
    assert "GPU 1 (B) has 3.0 of 81 GB free" in found.text


def test_a_gpu_for_which_torch_has_no_kernels_is_an_error(gpus: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nmore")

    monkeypatch.setattr("torch.nn.functional.conv2d", broken)
    _, (found,) = examine_gpus("node")
    assert found.is_error
    assert found.text.startswith("GPU 0 can't compute (CUDA error: no kernel image is available")


def test_every_problem_names_the_node(asked: Question) -> None:
    wrong = dataclasses.replace(asked, code="x", versions={**VERSIONS, "ray": "1.0.0"}, storage="/nowhere")
    report: Report = examine(wrong, "node", "its name")
    assert [problem.node for problem in report.problems] == ["its name"] * 3


def test_space_is_that_of_the_nearest_folder_there_is(tmp_path: Path) -> None:
    assert free_bytes(str(tmp_path / "not/yet")) is not None
    assert free_bytes("s3://bucket/x") is None
    assert [gb(size) for size in (500, 2.34e9, 12_345e9)] == ["0.0", "2.3", "12,345"]

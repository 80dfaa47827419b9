"""What tests of several folders share."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from filelock import FileLock
from hypothesis import settings
from in_process import InProcess
from object_storage import BUCKET, moto
from running import run_study

from studies.driver.session import Session
from studies.store.store import Store

settings.register_profile("clearer", deadline=None, max_examples=25, derandomize=True, database=None)
settings.load_profile("clearer")


_WHOLE_STUDIES = Path(__file__).parent / "studies"
STARTED, BEGUN = time.monotonic(), set[Path]()
# A shell has what it starts in the background ignore Ctrl-C, and the programs that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three, as tests of studies wait for Ray half of their time; none for drills, which are disturbed by company."""
    wanted = config.getoption("markexpr")
    return 0 if "drill" in wanted and "not drill" not in wanted else 3


def _minutes(item: pytest.Item) -> float:
    """What the drills of an item's module take on two cores together, by its marker; 0 for other tests."""
    marker = item.get_closest_marker("drill")
    return marker.kwargs.get("minutes", 1) if marker else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The shortest drills first: as many as can run where time is short. Of other tests whole studies, the longest."""
    items.sort(key=lambda item: (_minutes(item), item.path.parent != _WHOLE_STUDIES))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begins no module of drills that would not end within DRILL_SECONDS, where that is set."""
    allowed = os.environ.get("DRILL_SECONDS")
    if allowed and item.path not in BEGUN and time.monotonic() - STARTED + 60 * _minutes(item) > float(allowed):
        pytest.skip(f"of DRILL_SECONDS={allowed} too few are left")
    BEGUN.add(item.path)


@pytest.fixture(scope="session")
def study_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The storage of a finished tiny λ study, which tests leave as it is; `output.txt` beside it is what it printed.

    The first process of tests that asks for it computes it, for all of them.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "study"
    storage, output = folder / "runs", folder / "output.txt"
    folder.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not output.exists():
            done = run_study(storage)
            assert done.returncode == 0, done.stdout + done.stderr
            assert done.stderr == ""
            output.write_text(done.stdout)
    files = {path: path.stat().st_mtime_ns for path in storage.rglob("*.*")}
    yield storage
    after = {path: path.stat().st_mtime_ns for path in storage.rglob("*.*")}
    assert after == files, "a test has changed what others use"


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """What studies run on in this process, instead of a Ray."""
    found = InProcess()
    monkeypatch.setattr(Session, "cluster", found)
    return found


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URI of an empty bucket of a real S3 endpoint on loopback, with `{}` for a prefix in it."""
    with moto({}) as port:
        boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}/{{}}?endpoint_override=127.0.0.1:{port}&scheme=http"


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of either kind."""
    is_folder = request.param == "folder"
    return Store(str(tmp_path / "runs") if is_folder else request.getfixturevalue("s3").format(tmp_path.name))

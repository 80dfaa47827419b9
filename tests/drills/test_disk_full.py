"""The disk fills up at random times: the study says so, leaves nothing half-written, and goes on when there is space.

DISK_SEED=7 python -m pytest -m drill -s tests/drills/test_disk_full.py
"""

import contextlib
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from disturbing import assert_equal
from running import TINY, command

from studies.store.store import Store

pytestmark = pytest.mark.drill(minutes=2.5)

FLAGS = ("--random", "0", "--checkpoint-seconds", "0")
FILLS = 3
PATIENCE = 1200.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("no mount command here")
    if mounted.returncode:
        pytest.skip(f"a tmpfs can't be mounted: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    """Writes until the disk is full to the last byte."""
    with path.open("ab", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


def run(storage: Path) -> None:
    """Runs the study to its end."""
    done = subprocess.run(
        command(storage, *FLAGS, settings=TINY),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=storage.parent,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def assert_whole(storage: Path) -> None:
    """Nothing half-written is there: no temporary file, and what is there can be read."""
    assert not [path for name in ("*.partial", "probe-*") for path in storage.rglob(name)]
    store = Store(str(storage))
    for path in storage.glob("studies/*/*/*.parquet"):
        pq.read_table(path)
    for stage in ("search", "train", "test"):
        for key in store.finished(stage):
            assert store.result(stage, key) is not None


def test_a_disk_that_fills_up_at_any_time(disk: Path, tmp_path: Path) -> None:
    seed = int(os.environ.get("DISK_SEED", random.SystemRandom().randrange(10**6)))
    generator = random.Random(seed)
    print(f"\nDISK_SEED={seed}")
    started = time.monotonic()
    run(tmp_path / "undisturbed")
    takes = time.monotonic() - started

    for number in range(FILLS):
        storage, ballast = disk / f"runs{number}", disk / "ballast"
        at = generator.uniform(0.1, 1) * takes
        driver = subprocess.Popen(
            command(storage, *FLAGS, settings=TINY),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"COLUMNS": "200"},
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(at)
        fill(ballast)
        output, errors = driver.communicate(timeout=PATIENCE)
        kinds = [
            stage
            for stage in ("search", "train", "test", "time")
            if list(storage.glob(f"stages/{stage}/*/result.json"))
        ]
        said = [line for line in (output + errors).splitlines() if "No space left" in line or "disk is full" in line]
        print(
            f"full after {at:.0f} s of {takes:.0f}: status {driver.returncode}, finished {kinds}, said {said[-1:]}",
            flush=True,
        )
        assert "Traceback" not in output + errors, output + errors
        if driver.returncode:
            assert driver.returncode in (1, 2), output + errors
            assert said, output + errors
        assert_whole(storage)
        ballast.unlink()
        run(storage)
        assert_equal(storage, tmp_path / "undisturbed")
        shutil.rmtree(storage)

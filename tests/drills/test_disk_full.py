"""The disk fills up at random times; the study says so in a line, leaves nothing half-written, and goes on when there is space.

DISK_SEED=7 python -m pytest -m drill -s tests/drills/test_disk_full.py
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from disturbing import assert_equal
from running import command, run_study

from studies.store import Store

pytestmark = pytest.mark.drill

SETTINGS = (
    "channels=4", "cells=1", "columns=2", "batch_size=4", "patch_size=32", "search_iterations=100", "warmup_iterations=20", "train_iterations=40",
    "report_iterations=10", "time_series=1", "time_calls=1", "test_limit=1", "reference_images=1", "lambda1=0,0.1", "lambda2=0", "seed=0",
)  # fmt: skip
FLAGS = ("--random", "0", "--checkpoint-seconds", "0")
FILLS = 3


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)],
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
    done = run_study(tmp_path / "undisturbed", *FLAGS, settings=SETTINGS)
    takes = time.monotonic() - started
    assert done.returncode == 0, done.stdout + done.stderr

    for number in range(FILLS):
        storage, ballast = disk / f"runs{number}", disk / "ballast"
        at = generator.uniform(0.1, 1) * takes
        driver = subprocess.Popen(
            command(storage, *FLAGS, settings=SETTINGS), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=tmp_path, env=os.environ | {"COLUMNS": "200"},
        )  # fmt: skip
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(at)
        fill(ballast)
        output, errors = driver.communicate(timeout=300)
        kinds = [
            stage
            for stage in ("search", "train", "test", "time")
            if list(storage.glob(f"stages/{stage}/*/result.json"))
        ]
        said = [line for line in (output + errors).splitlines() if "No space left" in line or "disk is full" in line]
        print(f"full after {at:.0f} s of {takes:.0f}: status {driver.returncode}, finished {kinds}, said {said[-1:]}")
        assert "Traceback" not in output + errors, output + errors
        if driver.returncode:
            assert driver.returncode in (1, 2), output + errors
            assert said, output + errors
        assert_whole(storage)
        ballast.unlink()
        again = run_study(storage, *FLAGS, settings=SETTINGS)
        assert again.returncode == 0, again.stdout + again.stderr
        assert_equal(storage, tmp_path / "undisturbed")

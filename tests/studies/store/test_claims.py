"""Claims: of all drivers that use a store one has a stage, and only while it lives."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from running import MEASURED, ROOT, TINY, command

import analysis
from studies import lambda_pareto
from studies.driver.options import parse_assignments
from studies.store import claims
from studies.store.claims import Claims
from studies.store.store import Store
from studies.work.keys import Trial
from studies.work.trials import Pixels

HOLDER = """
import sys, time
from studies.store.claims import Claims
from studies.store.store import Store
with Claims(Store(sys.argv[1])) as mine:
    assert mine.take({"job": {"search/x"}})
    print("held", flush=True)
    time.sleep(600)
"""
STUDY = """
import dataclasses, sys
from studies.driver.command_line import main
from studies.lambda_pareto import STUDY
sys.exit(main(dataclasses.replace(STUDY, name=sys.argv.pop(1), random={"quick": 1}, ends=False), None))
"""


def driver_file(store: Store, **changes: object) -> str:
    """Writes the file of a driver on another machine, which has claimed search/x."""
    about = {"host": "elsewhere", "machine": "another", "process": 1, "born": 1.0, "names": ["search/x"]}
    name = f"{claims.FOLDER}/0"
    store.write(name, claims.sealed(about | changes))
    return name


def test_a_name_has_one_owner_until_it_is_released(store: Store) -> None:
    with Claims(store) as mine, Claims(store) as other:
        assert mine.take({"job": {"search/x"}}) == {"job"}
        assert other.take({"job": {"search/x"}, "free": {"search/y"}}) == {"free"}
        assert f"process {os.getpid()} on " in other.owners({"search/x"})
        mine.release({"search/x"})
        assert other.take({"job": {"search/x"}}) == {"job"}
    assert store.names(claims.FOLDER) == []


def test_of_a_job_all_names_are_claimed_or_none(store: Store) -> None:
    with Claims(store) as mine, Claims(store) as other, Claims(store) as third:
        assert mine.take({"job": {"train/x", "test/a"}}) == {"job"}
        assert other.take({"job": {"train/x", "test/b"}}) == set()
        assert third.take({"job": {"test/b"}}) == {"job"}


def test_drivers_that_ask_at_the_same_time_never_have_the_same_name(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "SETTLE_SECONDS", 0.1)
    names = [f"search/{number}" for number in range(4)]
    owned: set[str] = set()
    guard, together = threading.Lock(), threading.Barrier(3, timeout=60)

    def work(number: int) -> int:
        had = 0
        left, end = set(names), time.monotonic() + 60
        with Claims(store) as mine:
            together.wait()
            while left and time.monotonic() < end:
                for name in mine.take({name: {name} for name in left}):
                    with guard:
                        assert name not in owned, "two drivers have it"
                        owned.add(name)
                    time.sleep(0.01 * number)
                    with guard:
                        owned.remove(name)
                    mine.release({name})
                    left.remove(name)
                    had += 1
                time.sleep(0.01)
        return had

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, range(3))) == [len(names)] * 3, "everyone gets everything in the end"


def test_a_killed_driver_on_this_machine_holds_nothing(store: Store) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, store.storage], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with Claims(store) as mine:
        assert mine.take({"job": {"search/x"}}) == set()
        holder.kill()  # and not waited for: its parent may be as dead as it is
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
        assert mine.take({"job": {"search/x"}}) == {"job"}
        assert store.names(claims.FOLDER) == [mine.id]
    holder.communicate()


def test_a_process_number_that_is_used_again_is_another_process(store: Store) -> None:
    with Claims(store) as mine:
        here = json.loads((store.read(f"{claims.FOLDER}/{mine.id}") or b"").partition(b"\n")[2])
        driver_file(store, machine=here["machine"], process=here["process"], born=here["born"])
        assert mine.take({"job": {"search/x"}}) == set()
        driver_file(store, machine=here["machine"], process=here["process"], born=1.0)
        assert mine.take({"job": {"search/x"}}) == {"job"}


def test_a_driver_that_an_earlier_version_left_counts_as_dead_when_it_is_silent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wrote another kind of birth."""
    with Claims(store) as mine:
        here = json.loads((store.read(f"{claims.FOLDER}/{mine.id}") or b"").partition(b"\n")[2])
        driver_file(store, machine=here["machine"], process=2**22 + 1, born="12345678")
        assert mine.take({"job": {"search/x"}}) == set()
        monkeypatch.setattr(claims, "DEAD_SECONDS", -60.0)
        assert mine.take({"job": {"search/x"}}) == {"job"}


def test_a_driver_elsewhere_is_dead_when_its_heartbeat_stops(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(claims, "DEAD_SECONDS", 2.0)
    with Claims(store) as mine, Claims(store) as living:
        assert living.take({"job": {"search/y"}}) == {"job"}
        driver_file(store)
        won = mine.take({"x": {"search/x"}, "y": {"search/y"}})
        assert won == set()
        end = time.monotonic() + 60
        while not won and time.monotonic() < end:
            won = mine.take({"x": {"search/x"}, "y": {"search/y"}})
            time.sleep(0.1)
        assert won == {"x"}, "the one that is silent, not the one that beats"


def test_a_full_disk_refuses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with Claims(Store(str(tmp_path))) as other, Claims(store) as mine:
        assert other.take({"job": {"search/x"}}) == {"job"}
        monkeypatch.setattr(store, "write", full)
        assert mine.take({"job": {"search/x"}, "free": {"search/y"}}) == {"free"}
        mine.release({"search/y"})


def trial_of(*assigned: str) -> Trial:
    """The first trial of a tiny study."""
    configurations = lambda_pareto.STUDY.trials("quick", parse_assignments([*TINY, *assigned]), 1)
    (trial,) = Pixels(None).trials(configurations[:1])
    return trial


def start(storage: Path, name: str) -> subprocess.Popen[str]:
    """Starts a tiny λ study of three trials, under a name of its own."""
    environment = os.environ | {"COLUMNS": "200", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    arguments = [sys.executable, "-c", STUDY, name, *command(storage, "--tracking-uri", "none")[2:]]
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=storage.parent, env=environment
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The storage of two studies of the same trials that ran at the same time, and what each has printed."""
    storage = tmp_path_factory.mktemp("two") / "runs"
    reference = f"reference/{trial_of().reference_key}"
    with Claims(Store(str(storage))) as mine:
        assert mine.take({"job": {reference}})
        drivers = [start(storage, name) for name in ("first", "second")]
        end = time.monotonic() + 120
        while len(list(storage.glob("drivers/*"))) < 3 and time.monotonic() < end:
            time.sleep(0.1)
    printed = [driver.communicate(timeout=300) for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0], printed
    assert [errors for _, errors in printed] == ["", ""]
    return storage, [output for output, _ in printed]


@pytest.mark.drill(minutes=1.5)
def test_two_studies_at_the_same_time_compute_every_stage_once(two: tuple[Path, list[str]]) -> None:
    storage, printed = two
    lines = [line for output in printed for line in re.findall(r"^ +done \d+/\d+ .*", output, re.MULTILINE)]
    jobs = [line for line in lines if not line.endswith("ms an image")]
    computed = [line for line in jobs if not line.endswith("by another study")]
    stages = ("search", "reference", "train")
    finished = [path for stage in stages for path in storage.glob(f"stages/{stage}/*/result.json")]
    assert len(computed) == len(finished)
    assert any(line.endswith("by another study") for line in jobs)
    assert any("being computed by another study (process " in output for output in printed)
    rows = analysis.load(storage)
    for stage in ("search", "train"):
        made = rows[rows[f"{stage}_key"].notna()].groupby(f"{stage}_key")[f"{stage}_reused"]
        assert (made.apply(lambda reused: (~reused.astype(bool)).sum()) == 1).all(), "one trial of each made it"
    assert not list(storage.glob("drivers/*"))
    assert not list(storage.glob("stages/*/*/checkpoint-*"))


@pytest.mark.drill(minutes=1.5)
def test_their_rows_are_those_of_a_study_alone(two: tuple[Path, list[str]], study_storage: Path) -> None:
    differ = [*MEASURED, "study", "search_reused", "train_reused"]
    alone = analysis.load(study_storage).drop(columns=differ).sort_values("trial_id", ignore_index=True)
    for study in ("first", "second"):
        rows = analysis.load(two[0], study).drop(columns=differ).sort_values("trial_id", ignore_index=True)
        expected = alone[alone["trial_id"].isin(rows["trial_id"])].reset_index(drop=True)
        assert len(rows) == 3
        pd.testing.assert_frame_equal(rows, expected, check_exact=True)


@pytest.mark.drill(minutes=1.5)
def test_ctrl_c_stops_a_study_that_waits(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "runs"))
    with Claims(store) as mine:
        assert mine.take({"job": {f"search/{trial_of().search_key}"}})
        driver = start(Path(store.root), "first")
        assert driver.stdout is not None
        line = next(line for line in driver.stdout if "waiting" in line or not line)
        assert line.strip().startswith("1 stage is being computed by another study"), "the others are done by now"
        driver.send_signal(signal.SIGINT)
        output, errors = driver.communicate(timeout=60)
        assert driver.returncode == 130, output + errors
        assert "run the same command again to go on" in output
        assert "Traceback" not in output + errors
        assert store.names(claims.FOLDER) == [mine.id]

"""Whatever is killed, the same command ends the study with the same numbers."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from disturbing import assert_equal, workers
from mlflow.entities import ViewType
from running import UNTRACKED, command, run_study, wait_for
from tracking_servers import contents, runs, synced

import analysis

_SHAPE = "channels=4 cells=1 columns=2 batch_size=4 patch_size=32".split()
_LENGTHS = "search_iterations=80 warmup_iterations=20 train_iterations=20 report_iterations=2".split()
_FEW = "time_series=1 time_calls=1 test_limit=1 reference_images=1 lambda1=0,0.1 lambda2=0".split()
SETTINGS = (*_SHAPE, *_LENGTHS, *_FEW)
FLAGS = ("--random", "0")
EVERY_ITERATION = ("--checkpoint-seconds", "0")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same study, run alone, one trial at a time."""
    storage = tmp_path_factory.mktemp("undisturbed") / "runs"
    done = run_study(storage, "--concurrent", "1", *FLAGS, *UNTRACKED, settings=SETTINGS)
    assert done.returncode == 0, done.stderr
    rows = analysis.load(storage)
    assert (rows.loc[rows["kind"] == "searched", "search_pack"] == 2).all(), (
        "packs are interrupted, not single searches"
    )
    return storage


def start(storage: Path, *flags: str, shell: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Starts the study."""
    arguments = [*shell, *command(storage, *flags, *FLAGS, settings=SETTINGS)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=storage.parent)


def test_a_killed_driver_and_a_killed_worker_change_no_bit(tmp_path: Path, undisturbed: Path) -> None:
    storage = tmp_path / "runs"
    driver = start(storage, *EVERY_ITERATION)
    wait_for(lambda: list(storage.glob("stages/search/*/checkpoint-*")))
    driver.kill()
    driver.communicate()
    assert not list(storage.glob("stages/search/*/result.json")), "killed in the middle of the searches"
    assert list(storage.glob("drivers/*")), "killed while it held claims"

    driver = start(storage, *EVERY_ITERATION)
    wait_for(lambda: workers(driver.pid) and list(storage.glob("stages/*/*/checkpoint-*")))
    os.kill(workers(driver.pid)[0], signal.SIGKILL)
    output, errors = driver.communicate(timeout=300)
    assert driver.returncode == 0, output + errors
    assert_equal(storage, undisturbed)
    assert not list(storage.glob("stages/*/*/checkpoint-*"))
    assert not list(storage.glob("drivers/*"))
    assert "waiting" not in output, "the claims of a driver that is gone hold nobody up"

    uri = f"sqlite:///{storage}/mlflow.db"
    assert set(runs(uri)) == {"study", *analysis.load(storage)["trial_id"]}, "one MLflow run a trial"
    assert runs(uri, ViewType.DELETED_ONLY) == {}, "no run was made again"
    live = contents(uri)
    assert synced(storage, f"sqlite:///{tmp_path}/scratch.db") == live
    searched = next(run for run in live.values() if run["params"].get("kind") == "searched")
    steps = [step for step, _, _ in searched["metrics"]["search/psnr_db"]]
    assert steps == list(range(2, 81, 2)), "no step missing, none twice"


def test_a_driver_that_has_to_go_saves_at_once_and_says_how_to_go_on(tmp_path: Path, undisturbed: Path) -> None:
    storage = tmp_path / "runs"
    in_the_background = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")  # where a script's shell has Ctrl-C ignored
    driver = start(storage, "--checkpoint-seconds", "600", *UNTRACKED, shell=in_the_background)
    wait_for(lambda: workers(driver.pid))
    driver.send_signal(signal.SIGTERM)
    output, errors = driver.communicate(timeout=60)
    assert driver.returncode == 130, output + errors
    assert "run the same command again to go on" in output
    assert "Traceback" not in output + errors
    done = run_study(storage, *FLAGS, *UNTRACKED, settings=SETTINGS)
    assert done.returncode == 0, done.stderr
    assert_equal(storage, undisturbed)

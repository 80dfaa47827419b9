"""Every study in the quick preset, shortened, one after another on one store."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from running import CONTRACT, UNSWEPT, command, run_study

import analysis

pytestmark = pytest.mark.drill(minutes=17)
STUDIES = "random_baseline table5 adaptive_pareto seeds settings supernet_fidelity tasks cells columns".split()

SHORT = ("train_iterations=40", "search_iterations=40", "warmup_iterations=20", "time_series=2", "time_calls=2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_ends_and_its_rows_are_whole(name: str, folder: Path) -> None:
    before = {path.name for path in folder.glob("runs/stages/train/*")}
    started = time.monotonic()
    done = run_study(folder / "runs", settings=SHORT, study=name)
    print(f"\n{done.stdout[-2500:]}\n{name}: {time.monotonic() - started:.0f} s")
    assert done.returncode == 0, done.stderr
    rows = analysis.load(folder / "runs", name)
    assert set(CONTRACT) <= set(rows.columns)
    assert (rows["status"] == "finished").all()
    assert rows[["psnr_db", "parameters", "train_seconds", "architecture"]].notna().all(axis=None)
    assert rows["trial_id"].is_unique
    new = {path.name for path in folder.glob("runs/stages/train/*")} - before
    assert new == set(rows.loc[~rows["train_reused"].astype(bool), "train_key"]), "trained what no study had"
    written = sorted((folder / "runs/stages").rglob("*"))
    again = run_study(folder / "runs", settings=SHORT, study=name)
    assert again.returncode == 0, again.stderr
    assert sorted((folder / "runs/stages").rglob("*")) == written, "the same command computes nothing"


def test_a_killed_sampler_goes_on_with_what_it_had_proposed(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    request = "--trials", "5", "--random", "0", "--tracking-uri", "none"
    driver = subprocess.Popen(
        command(storage, *request, settings=UNSWEPT, study="adaptive_pareto"), stdout=subprocess.PIPE
    )
    end = time.monotonic() + 300
    while len(list(storage.glob("studies/adaptive_pareto/trials/*.parquet"))) < 4:
        assert time.monotonic() < end
        time.sleep(0.1)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    done = run_study(storage, *request, settings=UNSWEPT, study="adaptive_pareto")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = analysis.load(storage)
    assert rows["kind"].value_counts().to_dict() == {"searched": 5, "given": 2}
    assert rows["trial_id"].is_unique
    assert "was taught 5 finished and 0 failed trials" in done.stdout
    shutil.rmtree(storage)

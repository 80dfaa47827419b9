"""A dry run says what there is, what is shared, what the rest costs and on what that rests; it writes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import ray
from running import TINY

from clearer.timing import device_name
from studies.driver import dry_run
from studies.driver.command_line import main
from studies.driver.study import configuration
from studies.lambda_pareto import STUDY
from studies.nodes.capacity import Request
from studies.planning.costs import Costs
from studies.planning.plan import STAGES
from studies.store.rows import configuration_columns, curve_table, row_table
from studies.store.store import Store
from studies.work.stages import Place


def said(storage: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    """What a dry run prints, by the first word of the line; the store stays as it is, and no Ray is started."""
    given = {text.split("=")[0] for text in arguments}
    settings = [text for text in TINY if text.split("=")[0] not in given]
    before = {path: path.stat().st_mtime_ns for path in storage.rglob("*")}
    assert main(STUDY, None, ["--storage", str(storage), "--dry-run", "--set", *settings, *arguments]) == 0
    assert {path: path.stat().st_mtime_ns for path in storage.rglob("*")} == before
    assert not ray.is_initialized()
    found: dict[str, str] = {}
    for line in capsys.readouterr().out.splitlines():
        found[line.split()[0]] = found.get(line.split()[0], "") + line + "\n"
    return found


def test_what_was_measured_here_is_what_the_rest_is_reckoned_with(
    study_storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(study_storage, capsys, "seed=5")
    assert "7 trials, 0 there, 7 to run" in lines["lambda_pareto,"]
    assert "2 to run, 0 in the store" in lines["searches"]
    assert "at most 5 to run" in lines["trainings"], "a random architecture that is given too is one training"
    assert "0 to run, 1 in the store" in lines["references"], "a seed does not change them"
    assert "searches: measured: " in lines["basis"]
    assert "tests: measured: " in lines["basis"]
    assert "probe" not in lines["basis"]


@pytest.mark.parametrize("grown", ["seed=0,1", "sigma=30,50", "train_iterations=4,6"])
def test_what_is_added_to_a_finished_study_runs_alone(
    grown: str, study_storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(study_storage, capsys, grown)
    assert "14 trials, 7 there, 7 to run" in lines["lambda_pareto,"]
    searches = "0 to run, 2 in the store" if grown.startswith("train") else "2 to run, 0 in the store"
    assert searches in lines["searches"], "a search does not depend on the training"


def test_a_stage_that_was_stopped_early_is_not_taken_for_a_fast_one(tmp_path: Path) -> None:
    store, c = Store(str(tmp_path)), configuration("quick", {})
    here = device_name("cpu", c.threads)
    row = configuration_columns(c) | {
        "study": "one", "trial_id": c.trial_id, "status": "finished",
        "search_key": "s", "search_device": here, "search_seconds": 10.0, "search_stopped_at": 80,
        "train_key": "t", "train_device": here, "train_seconds": 3.0, "train_stopped_at": 100,
    }  # fmt: skip
    store.end_trial("one", c.trial_id, row_table(row), curve_table([]))
    costs = Costs(store, Place(str(tmp_path), None), {key: {} for key in STAGES}, elsewhere=False)
    assert (c.search_iterations, c.warmup_iterations, c.train_iterations) == (160, 60, 300)
    assert costs.of("search", c).seconds == pytest.approx(10 * (2 * 160 - 60) / (2 * 80 - 60))
    assert costs.of("train", c).seconds == pytest.approx(9)


def test_another_shape_is_probed(study_storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(study_storage, capsys, "seed=5", "patch_size=24")
    assert "searches: probe: 3 steps" in lines["basis"]
    assert "tests: measured: " in lines["basis"], "a test does not depend on the patch"


def test_stages_that_are_in_the_store_are_not_run_again(
    study_storage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(study_storage / "stages", tmp_path / "runs/stages")
    lines = said(tmp_path / "runs", capsys)
    assert "7 trials, 0 there, 7 to run" in lines["lambda_pareto,"]
    for stage in ("searches", "trainings", "tests", "testing", "references"):
        assert " 0 to run" in lines[stage]
    assert "2 in the store" in lines["searches"]
    assert "about 0 s of one slot" in lines["time"]


def test_failed_trials_stay_where_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(str(tmp_path / "runs"))
    trial = STUDY.trials("quick", {"seed": [3]}, seeds=1)[0]
    row = {"study": STUDY.name, "trial_id": trial.trial_id, "status": "failed", "error": "no memory"}
    store.end_trial(STUDY.name, trial.trial_id, row_table(row), curve_table([]))
    arguments = ["--storage", str(tmp_path / "runs"), "--dry-run", "--set", "seed=3"]
    for more, there in (([], 1), (["--retry-failed"], 0)):
        assert main(STUDY, None, [*arguments, *more]) == 0
        assert f"11 trials, {there} there" in capsys.readouterr().out
    assert store.trial_ids(STUDY.name) == {trial.trial_id}


def test_hours_of_a_gpu_on_which_nothing_was_measured_are_not_known(
    study_storage: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "this_machine", lambda: [{"CPU": 4.0, "GPU": 2.0}])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(dry_run, "device_name", lambda device, threads: device)
    lines = said(study_storage, capsys, "seed=5", "--gpus-per-trial", "0.5")
    assert "not known" in lines["GPU-hours"]
    assert "with the 4 slots" in lines["time"]


def test_every_resource_that_is_missing_is_named_with_its_mend() -> None:
    nodes = [{"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}]
    both = Request(threads=8, gpus=2).problems(nodes)
    assert [line.split(":")[0] for line in both] == ["--set threads", "--gpus-per-trial"]
    assert "ask for 4 or less" in both[0]
    assert "ask for 1 or less" in both[1]
    apart = Request(threads=4, gpus=1).problems(nodes)
    assert len(apart) == 1
    assert "no node of the cluster has both" in apart[0]
    assert Request(threads=2, gpus=1).problems(nodes) == []
    assert "add a node with a GPU" in Request(threads=1, gpus=1).problems([{"CPU": 4.0}])[0]


@pytest.mark.parametrize(
    ("threads", "gpus", "slots"), [(1, 0, 10), (3, 0, 2), (1, 0.5, 4), (1, 0.6, 2), (1, 0.2, 8), (1, 2, 1), (8, 0, 1)]
)
def test_slots_are_those_that_ray_would_place(threads: int, gpus: float, slots: int) -> None:
    assert Request(threads, gpus).slots([{"CPU": 8.0, "GPU": 2.0}, {"CPU": 2.0}]) == slots

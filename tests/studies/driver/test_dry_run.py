"""A dry run says what there is, what is shared, what the rest costs and on what that rests; it writes nothing."""

import shutil
from pathlib import Path

import pytest
import ray
from pictures import picture, save
from running import TINY

from studies.driver import dry_run, session
from studies.driver.command_line import main
from studies.lambda_pareto import STUDY
from studies.store.rows import curve_table, row_table
from studies.store.store import Store


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
    trial = STUDY.trials("quick", {"seed": [3]})[0]
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
    for module in (dry_run, session):
        monkeypatch.setattr(module, "this_machine", lambda with_gpus: [{"CPU": 4.0, "GPU": 2.0}])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(dry_run, "device_name", lambda device, threads: device)
    lines = said(study_storage, capsys, "seed=5", "--gpus-per-trial", "0.5")
    assert "not known" in lines["GPU-hours"]
    assert "with the 4 slots" in lines["time"]


def test_what_no_node_can_hold_is_said_instead_of_a_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(STUDY, None, ["--storage", str(tmp_path / "runs"), "--dry-run", "--set", *TINY, "threads=512"])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--set threads: a trial asks for 512 CPU" in line


def test_a_folder_of_ones_own_is_told_with_what_is_not_used(
    study_storage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "[red]" / "a.png", picture(0, 40, 40))
    save(tmp_path / "[red]" / "a.webp", picture(1, 40, 40))
    lines = said(study_storage, capsys, f"test_set={tmp_path}/[red]")
    assert lines[f"{tmp_path}/[red]:"] == f"{tmp_path}/[red]: 1 images; not used: 1 .webp\n"


def test_a_test_image_that_is_too_small_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "images" / "a.png", picture(0, 10, 40))
    with pytest.raises(SystemExit) as stop:
        main(STUDY, None, ["--storage", str(tmp_path / "runs"), "--set", *TINY, f"test_set={tmp_path}/images"])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(
        f"lambda_pareto.py: {tmp_path}/images/a.png: 40×10 pixels, smaller than SSIM's window of 11"
    )
    assert not (tmp_path / "runs").exists()
    assert not ray.is_initialized()


def test_published_images_that_are_not_here_are_said_to_be_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--preset", "proxy", "--storage", str(tmp_path / "a/b"), "--dry-run", "--set", *TINY]
    assert main(STUDY, None, arguments) == 0
    out = capsys.readouterr().out
    assert "bsds500: its 500 images are not here; --data DIR must name the folder that holds bsds500/" in out
    assert "trials, 0 there" in out
    assert not list(tmp_path.iterdir())

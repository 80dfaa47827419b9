"""Networks of a finished study timed again, without training."""

import shutil
from pathlib import Path

import pytest

import analysis
from analysis.rows.comparable import by_device
from analysis.storage.places import StorageError
from clearer import timing
from studies.__main__ import main
from studies.driver import retime
from studies.store.rows import row_table
from studies.store.store import Store, as_parquet
from studies.work import stages


def test_another_device_gets_times_and_a_figure_of_its_own(
    study_storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = tmp_path / "runs"
    shutil.copytree(study_storage, storage)
    rows = analysis.load(storage)
    trained = sorted((storage / "stages/train").rglob("*"))
    for module in (stages, retime):
        monkeypatch.setattr(module, "device_name", lambda *_: "another device")
    assert main(["retime", str(storage), "lambda_pareto"]) == 0
    assert f"{len(rows)} trials timed on another device" in capsys.readouterr().out
    assert sorted((storage / "stages/train").rglob("*")) == trained
    later = analysis.load_timings(storage)
    assert set(later["trial_id"]) == set(rows["trial_id"])
    assert (later["test_time_ms"] > 0).all()
    assert analysis.load(storage).equals(rows), "rows stay as they were"
    devices = dict(by_device(rows, later))
    assert set(devices) == {"another device", rows["device"].iloc[0]}
    assert all(len(part) == len(rows) for part in devices.values())
    assert (storage / "studies/lambda_pareto/report/pareto_test_time_device_2.svg").exists()


def test_a_trial_that_cannot_be_timed_leaves_the_others_their_times(
    study_storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = tmp_path / "runs"
    shutil.copytree(study_storage, storage)
    for module in (stages, retime):
        monkeypatch.setattr(module, "device_name", lambda *_: "another device")
    first, timed = sorted(analysis.load(storage)["architecture"])[0], stages.compute_time

    def unsteady(c, architecture, *more):  # type: ignore[no-untyped-def]
        if str(architecture) == first:
            raise timing.UnsteadyError("the device is not steady")
        return timed(c, architecture, *more)

    monkeypatch.setattr(retime, "compute_time", unsteady)
    assert main(["retime", str(storage), "lambda_pareto"]) == 1
    assert f"{first}  not timed: the device is not steady" in capsys.readouterr().out
    rows, later = analysis.load(storage), analysis.load_timings(storage)
    assert set(later["trial_id"]) == set(rows[rows["architecture"] != first]["trial_id"])


def test_images_that_are_not_those_of_the_study_are_refused(
    study_storage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = tmp_path / "runs"
    shutil.copytree(study_storage, storage)
    store = Store(str(storage))
    (trial_id, *_) = sorted(store.trial_ids("lambda_pareto"))
    (row,) = store.rows("lambda_pareto", {trial_id})
    other = row_table(row | {"data_sha256": "0" * 64})
    store.write(f"studies/lambda_pareto/trials/{trial_id}.parquet", as_parquet(other))
    assert main(["retime", str(storage), "lambda_pareto"]) == 2
    assert f"not the images that trial {trial_id} was made with" in capsys.readouterr().err
    assert not (storage / "studies/lambda_pareto/timings").exists()


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([str(tmp_path), "nothing"], [str(tmp_path), "nothing", "--gpu"]):
        assert main(["retime", *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_store_that_cannot_be_written_is_named_before_anything_is_timed(
    study_storage: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(store: Store) -> None:
        raise StorageError(f"--storage {store.storage}: can't be written")

    monkeypatch.setattr(Store, "check_writable", refuse)
    monkeypatch.setattr(retime, "compute_time", lambda *_: pytest.fail("it was timed"))
    assert main(["retime", str(study_storage), "lambda_pareto"]) == 2
    assert capsys.readouterr().err.count("can't be written\n") == 1

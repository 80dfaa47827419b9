"""A tracking server made what the store says, whatever state it was in."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from tracking_servers import contents, free_port, runs, synced

from clearer.checkpoint import read_network
from studies.store.rows import row_table
from studies.store.store import Store, as_parquet
from studies.tracking import server as tracking_server
from studies.tracking import sync
from studies.tracking.content import SENT_TAG, curve_points


@pytest.fixture(scope="module")
def tracked(study_storage: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of a finished study, and the address of a database made from it alone; tests leave both as they were."""
    storage = tmp_path_factory.mktemp("tracked") / "runs"
    shutil.copytree(study_storage, storage, ignore=shutil.ignore_patterns("ml*"))
    uri = f"sqlite:///{storage}/mlflow.db"
    synced(storage, uri)
    return storage, uri


def test_a_server_that_was_always_there_shows_what_the_store_says(
    study_storage: Path, tracked: tuple[Path, str]
) -> None:
    live = contents(f"sqlite:///{study_storage}/mlflow.db")
    assert contents(tracked[1]) == live
    assert set(live) == {"study", *Store(str(study_storage)).trial_ids("lambda_pareto")}


def test_whatever_happened_to_its_runs_they_are_mended(tracked: tuple[Path, str]) -> None:
    storage, uri = tracked
    whole = contents(uri)
    client = mlflow.MlflowClient(tracking_uri=uri)
    found = runs(uri)
    study = found.pop("study")
    lost, doubled, strange, reopened, touched, *_ = found.values()
    client.delete_run(lost.info.run_id)
    client.create_run(doubled.info.experiment_id, tags=doubled.data.tags, start_time=doubled.info.start_time + 1)
    client.log_metric(strange.info.run_id, "train/psnr_db", 99.0, step=3)
    client.update_run(reopened.info.run_id, status="RUNNING")
    client.delete_tag(reopened.info.run_id, SENT_TAG)
    client.set_tag(touched.info.run_id, "test_time_error", "an error that is over")
    client.set_tag(touched.info.run_id, "status", "failed")
    client.set_tag(study.info.run_id, "command", "another")
    assert synced(storage, uri) == whole
    mended = runs(uri)
    for run in (doubled, reopened, touched):
        assert mended[run.data.tags["clearer.trial_id"]].info.run_id == run.info.run_id


def test_what_users_add_stays(tracked: tuple[Path, str]) -> None:
    storage, uri = tracked
    client = mlflow.MlflowClient(tracking_uri=uri)
    name, run = next((name, run) for name, run in runs(uri).items() if name != "study")
    client.set_tag(run.info.run_id, "mlflow.note.content", "the one for the talk")
    client.set_tag(run.info.run_id, "starred", "yes")
    after = synced(storage, uri)[name]["tags"]
    assert (after["mlflow.note.content"], after["starred"]) == ("the one for the talk", "yes")
    for tag in ("mlflow.note.content", "starred"):
        client.delete_tag(run.info.run_id, tag)
    assert synced(storage, uri)[name]["tags"]["mlflow.note.content"].startswith(run.info.run_name)


def test_a_failed_trial_that_is_run_again_keeps_its_run(tracked: tuple[Path, str]) -> None:
    storage, uri = tracked
    store = Store(str(storage))
    whole = contents(uri)
    trial_id = min(store.trial_ids("lambda_pareto"))
    (row,) = store.rows("lambda_pareto", {trial_id})
    unmeasured = {"psnr_db": None, "test_time_ms": None, "test_key": None}
    failed = row | unmeasured | {"status": "failed", "error": "lost s3://somebody:secret-word@bucket/x"}
    store.write(f"studies/lambda_pareto/trials/{trial_id}.parquet", as_parquet(row_table(failed)))
    shown = synced(storage, uri)[trial_id]
    assert shown["status"] == "FAILED"
    assert shown["tags"]["error"] == "lost s3://***@bucket/x"
    assert "psnr_db" not in shown["metrics"]
    assert "train/psnr_db" in shown["metrics"]
    first = runs(uri)[trial_id].info.run_id
    store.write(f"studies/lambda_pareto/trials/{trial_id}.parquet", as_parquet(row_table(row)))
    assert synced(storage, uri) == whole
    assert runs(uri)[trial_id].info.run_id == first


def test_the_model_restores_what_the_network_does(tracked: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    storage, uri = tracked
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    run = next(run for name, run in runs(uri).items() if name != "study")
    mlflow.set_tracking_uri(uri)
    model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    network, _ = read_network(storage / "stages/train" / run.data.tags["train_key"] / "network.safetensors")
    images = np.random.default_rng(0).random((2, 1, 21, 34), dtype=np.float32)
    with torch.inference_mode():
        assert np.array_equal(model.predict(images), network(torch.from_numpy(images)).numpy())
    signature = model.metadata.signature
    assert [spec.shape for spec in (*signature.inputs, *signature.outputs)] == [(-1, 1, -1, -1)] * 2
    with pytest.raises(mlflow.MlflowException, match="float64"):
        model.predict(images.astype(np.float64))
    folder = Path(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/model"))
    assert not list(folder.rglob("*.pkl"))
    assert str(storage.parent.parent) not in (folder / "MLmodel").read_text()


def test_infinity_arrives_once(tracked: tuple[Path, str]) -> None:
    record = {"stage": "train", "iteration": 2, "recorded_at": 1.5, "psnr_db": float("inf"), "alpha_loss": float("nan")}
    (point,) = curve_points([record])
    server = tracking_server.Server(tracked[1], "another study", "0")
    run = server.client.create_run("0")
    for _ in range(2):
        server.log_points(run.info.run_id, [point])
    (held,) = server.client.get_metric_history(run.info.run_id, "train/psnr_db")
    assert (held.key, held.step, held.timestamp, held.value) == point


def test_a_database_whose_making_was_cut_short_is_made_again(study_storage: Path, tmp_path: Path) -> None:
    store, uri = Store(str(study_storage)), f"sqlite:///{tmp_path}/mlflow.db"
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**17, usual[1]))  # the disk takes no more than this of a file
    try:
        with pytest.raises(Exception, match="disk"):
            sync.sync_study(store, "lambda_pareto", uri)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert not list(tmp_path.iterdir())
    assert sync.sync_study(store, "lambda_pareto", uri) == {"created": 8}
    assert not list(tmp_path.glob("*.partial*"))


def test_mistakes_are_one_line(study_storage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([str(tmp_path / "nothing")], [str(study_storage), "nothing"]):
        with pytest.raises(SystemExit) as stop:
            sync.main(arguments)
        assert stop.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "nothing").exists()
    uri = f"http://somebody:secret-word@127.0.0.1:{free_port()}"
    assert sync.main([str(study_storage), "--tracking-uri", uri]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "http://***@127.0.0.1" in error
    assert "secret-word" not in error

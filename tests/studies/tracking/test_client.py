"""A tracking server made what the store says, whatever state it was in."""

import errno
import os
import resource
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
from tracking_servers import contents, runs, synced

from studies.__main__ import main
from studies.store.rows import row_table
from studies.store.store import Store, as_parquet
from studies.tracking.client import SENT_TAG, Client, default_uri, follow_move, one_line
from studies.tracking.content import Content, curve_points
from studies.tracking.live import sync_study


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
    assert synced(storage, uri)[name]["tags"]["mlflow.note.content"].startswith("σ=30")


def test_the_overview_of_a_study_shows_its_front_unless_a_user_wrote_it(tracked: tuple[Path, str]) -> None:
    storage, uri = tracked
    client, study = mlflow.MlflowClient(tracking_uri=uri), runs(uri)["study"]
    own = f"get-artifact?path=pareto_parameters.png&run_uuid={study.info.run_id}"
    assert own in study.data.tags["mlflow.note.content"]
    assert "pareto_parameters.png" in {file.path for file in client.list_artifacts(study.info.run_id)}
    client.set_tag(study.info.run_id, "mlflow.note.content", "my own")
    assert synced(storage, uri)["study"]["tags"]["mlflow.note.content"] == "my own"


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


@pytest.fixture
def copied(tracked: tuple[Path, str], tmp_path: Path) -> tuple[Path, str, dict[str, str]]:
    """A copy of the study with its database and files, the database's address, and the id of each run."""
    storage = Path(shutil.copytree(tracked[0], tmp_path / "a copy"))
    uri = f"sqlite:///{storage}/mlflow.db"
    return storage, uri, ids(uri)


def ids(uri: str) -> dict[str, str]:
    """The ids of the λ study's runs, wherever they are; each trial has one."""
    client = mlflow.MlflowClient(tracking_uri=uri)
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    by_trial = {run.data.tags.get("clearer.trial_id", "study"): run.info.run_id for run in found}
    assert len(by_trial) == len(found), "one run a trial"
    return by_trial


def test_a_copied_store_loads_its_models_from_where_it_is(
    copied: tuple[Path, str, dict[str, str]], tracked: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    storage, uri, before = copied
    stamps = {path: path.stat().st_mtime_ns for path in tracked[0].rglob("*")}
    for state in ("copied", "copied without MLflow's files"):
        assert main(["sync", str(storage)]) == 0
        said = capsys.readouterr().out
        assert f"the files of its runs are in {storage}/mlartifacts now, no longer in" in said
        assert ids(uri) == before, state
        mlflow.set_tracking_uri(uri)
        for run in mlflow.MlflowClient(uri).search_runs(["1"]):
            assert run.info.artifact_uri == (storage / "mlartifacts" / run.info.run_id / "artifacts").as_uri()
            if "architecture" in run.data.tags:
                mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
        storage = Path(shutil.copytree(storage, f"{storage} again", ignore=shutil.ignore_patterns("mlartifacts")))
        uri = f"sqlite:///{storage}/mlflow.db"
    assert stamps == {path: path.stat().st_mtime_ns for path in tracked[0].rglob("*")}


def test_an_experiment_that_was_not_made_by_a_study_keeps_its_place(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = mlflow.MlflowClient(uri)
    (tmp_path / "large/mlartifacts").mkdir(parents=True)
    place = (tmp_path / "large/mlartifacts").as_uri()
    client.create_experiment("a study", artifact_location=place)
    (tmp_path / "mlartifacts").mkdir()
    assert follow_move(uri) == []
    assert client.get_experiment_by_name("a study").artifact_location == place


def test_a_server_whose_files_are_gone_is_not_given_a_second_set(
    copied: tuple[Path, str, dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    storage, _, _ = copied
    elsewhere = storage.with_name("elsewhere")
    uri = f"sqlite:///{elsewhere}/mlflow.db"
    elsewhere.mkdir()
    kept = elsewhere / "files"
    mlflow.MlflowClient(uri).create_experiment("lambda_pareto", artifact_location=kept.as_uri())
    assert sync_study(Store(str(storage)), "lambda_pareto", uri) == {"created": 8}
    kept.rename(elsewhere / "moved")
    capsys.readouterr()
    assert main(["sync", str(storage), "--tracking-uri", uri]) == 1
    said = capsys.readouterr().err
    assert (said.count("\n"), kept.exists()) == (1, False)
    assert f"{kept}: the files of the runs were there" in said
    kept.mkdir()
    assert sync_study(Store(str(storage)), "lambda_pareto", uri) == {"completed": 8}
    assert all((kept / run / "artifacts").exists() for run in ids(uri).values())


def test_what_is_renamed_deleted_or_moved_stays_one_run(copied: tuple[Path, str, dict[str, str]]) -> None:
    storage, uri, before = copied
    store, client = Store(str(storage)), mlflow.MlflowClient(uri)
    sync_study(store, "lambda_pareto", uri)
    client.rename_experiment("1", "for the talk")
    assert sync_study(store, "lambda_pareto", uri) == {"unchanged": 8}
    client.delete_experiment("1")
    assert sync_study(store, "lambda_pareto", uri) == {"restored": 8}
    assert sync_study(store, "lambda_pareto", uri) == {"unchanged": 8}
    assert ids(uri) == before, "those that were replaced before are not among them"
    trial = min(before.keys() - {"study"})
    client.delete_run(before[trial])
    client.update_run(before["study"], name="the first try")
    assert sync_study(store, "lambda_pareto", uri) == {"restored": 1, "unchanged": 7}
    assert ids(uri) == before
    assert client.get_run(before["study"]).info.run_name == "the first try"

    run = client.get_run(before[trial])
    tags = {name: text for name, text in run.data.tags.items() if name != "mlflow.runName"}
    other = client.create_run(
        client.create_experiment("other", f"file://{storage}/other"), run.info.start_time, tags, run.info.run_name
    )
    client.delete_run(before[trial])
    assert sync_study(store, "lambda_pareto", uri) == {"completed": 1, "unchanged": 7}
    assert ids(uri) == before | {trial: other.info.run_id}, "it was moved to another experiment"


def test_a_run_whose_tags_were_taken_away_is_known_by_what_can_not_change(
    copied: tuple[Path, str, dict[str, str]],
) -> None:
    storage, uri, before = copied
    client = mlflow.MlflowClient(uri)
    for run in client.search_runs(["1"]):
        for tag in run.data.tags:
            client.delete_tag(run.info.run_id, tag)
    assert sync_study(Store(str(storage)), "lambda_pareto", uri) == {"completed": 8}
    assert ids(uri) == before


def test_the_model_of_a_run_is_loaded_from_the_server(tracked: tuple[Path, str]) -> None:
    run = next(run for name, run in runs(tracked[1]).items() if name != "study")
    mlflow.set_tracking_uri(tracked[1])
    model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert model.predict(np.zeros((1, 1, 16, 16), np.float32)).shape == (1, 1, 16, 16)


def test_infinity_arrives_once(tracked: tuple[Path, str]) -> None:
    record = {"stage": "train", "iteration": 2, "recorded_at": 1.5, "psnr_db": float("inf"), "alpha_loss": float("nan")}
    (point,) = curve_points([record])
    told = {"name": "a run", "note": "a note", "status": "FINISHED", "started": 1, "ended": 2}
    content = Content({"clearer.study_id": "0"}, **told, params={}, tags={}, points=frozenset({point}))
    outcomes = [Client(tracked[1], "another study", "0").bring(content) for _ in range(2)]
    assert [outcome for _, outcome in outcomes] == ["created", "unchanged"]
    assert outcomes[0][0] == outcomes[1][0]
    client = mlflow.MlflowClient(tracking_uri=tracked[1])
    (held,) = client.get_metric_history(outcomes[0][0], "train/psnr_db")
    assert (held.key, held.step, held.timestamp, held.value) == point


def content_of(points: set[tuple[str, int, int, float]], **changes: object) -> Content:
    """A run's content with some points."""
    told = {"name": "a run", "note": "a note", "status": "RUNNING", "started": 1, "ended": None}
    usual = {**told, "params": {"a": "1"}, "tags": {}, "points": frozenset(points), **changes}
    return Content({"clearer.study_id": "1", "clearer.trial_id": "t"}, **usual)


def test_a_run_grows_and_is_made_again_only_where_it_holds_what_it_should_not(tracked: tuple[Path, str]) -> None:
    server = Client(tracked[1], "a third study", "1")
    one, two, other = (("m", step, step, value) for step, value in ((1, 1.0), (2, 2.0), (1, 3.0)))
    run, outcome = server.bring(content_of({one}, is_partial=True))
    assert outcome == "created"
    assert server.bring(content_of({one}, is_partial=True)) == (run, "unchanged")
    assert server.bring(content_of({one, two}, is_partial=True)) == (run, "completed")
    assert server.bring(content_of({one}, is_partial=True)) == (run, "unchanged"), "it may hold more than is known now"
    assert server.bring(content_of({one, two}, status="FINISHED", ended=5)) == (run, "completed")
    assert server.bring(content_of({one, two}, status="FINISHED", ended=5)) == (run, "unchanged")
    again, outcome = server.bring(content_of({other, two}, status="FINISHED", ended=5))
    assert (again != run, outcome) == (True, "created")
    assert mlflow.MlflowClient(tracking_uri=tracked[1]).get_run(run).info.lifecycle_stage == "deleted"


def test_more_points_than_are_sent_at_once_arrive(tracked: tuple[Path, str]) -> None:
    points = {("m", step, step, float(step)) for step in range(2500)}
    run, _ = Client(tracked[1], "a large study", "2").bring(content_of(points))
    held = mlflow.MlflowClient(tracking_uri=tracked[1]).get_metric_history(run, "m")
    assert {(m.key, m.step, m.timestamp, m.value) for m in held} == points


def test_a_run_that_has_params_and_metrics_that_are_gone_stays_that_run(tracked: tuple[Path, str]) -> None:
    """Earlier versions sent `train_halving` and other metrics; MLflow takes neither back."""
    storage, uri = tracked
    client = mlflow.MlflowClient(tracking_uri=uri)
    name, run = next((name, run) for name, run in runs(uri).items() if name != "study")
    client.log_param(run.info.run_id, "train_halving", "0")
    client.log_metric(run.info.run_id, "search/alpha_fusion_01", 0.5)
    client.set_tag(run.info.run_id, "starred", "yes")
    synced(storage, uri)
    assert runs(uri)[name].info.run_id == run.info.run_id
    client.delete_run(runs(uri)[name].info.run_id)
    synced(storage, uri)


def test_a_study_is_tracked_in_its_own_folder_and_errors_are_one_line(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    assert default_uri(store) == f"sqlite:///{tmp_path}/mlflow.db"
    store.is_local = False
    assert default_uri(store) is None
    assert one_line(ValueError("at http://me:word@host\nand more")) == "ValueError: at http://***@host"
    assert one_line(ValueError()) == "ValueError: "
    assert len(one_line(ValueError("x" * 1000))) == 300


def test_a_database_whose_making_was_cut_short_is_made_again(study_storage: Path, tmp_path: Path) -> None:
    store, uri = Store(str(study_storage)), f"sqlite:///{tmp_path}/mlflow.db"
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**17, usual[1]))  # the disk takes no more than this of a file
    try:
        with pytest.raises(Exception, match="disk"):
            sync_study(store, "lambda_pareto", uri)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert not list(tmp_path.iterdir())
    assert sync_study(store, "lambda_pareto", uri) == {"created": 8}
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.parametrize("name", ["a b", "a%20b", "100%", "a#b", "a?b", "[x] $y$", "-x", "~y"])
def test_a_storage_of_any_name_holds_its_own_tracking(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("")
    server = Client(default_uri(Store(str(tmp_path / name))) or "", "s", "0")
    run = server.client.create_run(server.experiment)
    server.client.log_artifact(run.info.run_id, str(tmp_path / "file"))
    assert {path.name for path in (tmp_path / name).iterdir()} == {"mlflow.db", "mlartifacts"}
    assert {path.name for path in tmp_path.iterdir()} == {name, "file"}


def test_a_database_is_made_where_files_have_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    Client(f"sqlite:///{tmp_path}/mlflow.db", "s", "0")
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]

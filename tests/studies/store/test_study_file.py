"""`study.json`: what a study asks, what it has planned, and what ran it."""

import json
import os
import platform
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from small import SMALL

from analysis.storage.files import FORMAT
from analysis.storage.places import StorageError
from clearer.machine import processor, versions
from studies.store import study_file
from studies.store.store import Store
from studies.store.study_file import LIBRARIES, commit, planned_trials, read_study, write_study

OTHER = SMALL.with_values(lambda1=0.5)


def test_a_study_that_was_written_is_read_and_its_trials_are_the_same(store: Store) -> None:
    written = write_study(store, "s", [SMALL, OTHER], "the question?", preset="quick", command="the command")
    assert read_study(store, "s") == written
    assert planned_trials(store, "s") == {c.trial_id: c for c in (SMALL, OTHER)}
    (run,) = written["runs"]
    assert (run["command"], run["preset"], written["question"]) == ("the command", "quick", "the question?")
    assert run["versions"] == versions(LIBRARIES)
    assert run["hardware"] == {"driver": platform.node(), "processor": processor(), "cores": os.cpu_count()}
    assert run["commit"] == commit()
    assert written["format"] == FORMAT


def test_a_run_adds_to_those_before_and_a_trial_keeps_its_first_start(store: Store) -> None:
    first = write_study(store, "s", [SMALL], preset="quick", command="one")
    second = write_study(store, "s", [SMALL, OTHER], preset="proxy", command="two", nodes=[{"host": "n"}], warnings=[])
    assert [run["command"] for run in second["runs"]] == ["one", "two"]
    assert second["runs"][1]["nodes"] == [{"host": "n"}]
    assert second["study_id"] == first["study_id"]
    started = second["trials_started_at"]
    assert started[SMALL.trial_id] == first["trials_started_at"][SMALL.trial_id]
    assert datetime.fromisoformat(started[OTHER.trial_id]) > datetime.fromisoformat(started[SMALL.trial_id])
    assert write_study(store, "s", [], preset="quick", command="three")["trials"].keys() == second["trials"].keys(), (
        "none is forgotten"
    )


def test_two_studies_have_ids_of_their_own(store: Store) -> None:
    ids = {write_study(store, name, [], preset="quick", command="command")["study_id"] for name in ("a", "b")}
    assert len(ids) == 2


def test_a_study_that_is_not_there_is_named_without_secrets(store: Store) -> None:
    store.storage = "s3://key:word@bucket/x"
    with pytest.raises(StorageError, match=r"s3://\*\*\*@bucket/x: holds no study nothing") as refusal:
        read_study(store, "nothing")
    assert "\n" not in str(refusal.value)
    assert planned_trials(store, "nothing") == {}


def test_a_study_of_a_newer_format_is_refused_in_one_line_that_names_both_numbers(store: Store) -> None:
    about = write_study(store, "s", [SMALL], preset="quick", command="command") | {"format": FORMAT + 1}
    store.write("studies/s/study.json", json.dumps(about).encode())
    said = f"studies/s/study.json has format {FORMAT + 1}, this version knows {FORMAT}"
    for read in (read_study, planned_trials):
        with pytest.raises(StorageError, match=said) as refusal:
            read(store, "s")
        assert "\n" not in str(refusal.value)
    with pytest.raises(StorageError, match=said):
        write_study(store, "s", [SMALL], preset="quick", command="command")


def test_what_this_version_can_not_read_is_passed_over_and_kept(store: Store) -> None:
    about = write_study(store, "s", [SMALL], preset="quick", command="command")
    about["trials"]["0123456789ab"] = SMALL.values() | {"a field of the future": 1}
    store.write("studies/s/study.json", json.dumps(about).encode())
    assert planned_trials(store, "s").keys() == {SMALL.trial_id}
    after = write_study(store, "s", [OTHER], preset="quick", command="command")
    assert after["trials"].keys() == {SMALL.trial_id, OTHER.trial_id, "0123456789ab"}
    assert after["trials"]["0123456789ab"] == about["trials"]["0123456789ab"]
    assert after["trials"][SMALL.trial_id] == json.loads(json.dumps(SMALL.values()))


def test_versions_name_what_numbers_depend_on() -> None:
    assert {"python", "clearer-studies", "torch", "ray", "mlflow", "numpy", "pyarrow"} <= versions(LIBRARIES).keys()


def test_a_commit_is_of_the_project_and_not_of_another_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for words in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "outer"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    inner = tmp_path / "copy"
    inner.mkdir()
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=tmp_path, text=True).strip()
    monkeypatch.setenv("GIT_DIR", str(inner))
    for root, found in ((tmp_path, head), (inner, None)):
        monkeypatch.setattr(study_file, "_ROOT", root)
        assert study_file.commit.__wrapped__() == found

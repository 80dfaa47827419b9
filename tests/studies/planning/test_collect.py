"""`python -m studies gc`: frees what no study needs, in a folder and on S3, and nothing else."""

import json
import os
import time
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from small import SMALL

from clearer.configuration import Configuration
from studies.__main__ import main
from studies.driver.study import configuration
from studies.planning import collect
from studies.store import claims
from studies.store.claims import Claims
from studies.store.rows import curve_table, row_table
from studies.store.store import Store
from studies.store.study_file import write_study
from studies.work.keys import Trial
from studies.work.place import fingerprints
from studies.work.trials import Pixels

ENDED: Configuration = configuration("quick", {"lambda1": 0.0, "lambda2": 0.0})
PLANNED: Configuration = configuration("quick", {"lambda1": 0.5, "lambda2": 0.0})

E, F, W = (64 * letter for letter in "efd")
"""The keys of stages that have ended, that are forgotten, that are under way."""
FOUND = b'{"architecture": "FPFP-FPFF-PFFP"}'
"""What a search finds."""


def stage(store: Store, kind: str, key: str, result: bytes = b"{}") -> str:
    """Writes a finished stage of ten bytes and a result of two."""
    store.write(f"stages/{kind}/{key}/file", b"0123456789")
    store.write(f"stages/{kind}/{key}/result.json", result)
    return f"stages/{kind}/{key}/result.json"


@pytest.fixture
def needed(store: Store) -> set[str]:
    """The files of a store with one trial that has ended and one that has only been searched."""
    search = str(Trial(PLANNED, fingerprints(PLANNED, None)).search_key)
    names = {stage(store, kind, E) for kind in ("search", "train", "test", "time", "reference")}
    names |= {stage(store, "search", search, FOUND)}
    store.save_checkpoint("search", W, 5, b"state")
    write_study(store, "s", [ENDED, PLANNED], preset="quick", command="command")
    row = {"study": "s", "trial_id": ENDED.trial_id, **{f"{kind}_key": E for kind in ("search", "train", "test")}}
    store.end_trial("s", ENDED.trial_id, row_table(row), curve_table([], ENDED.trial_id))
    return {name for name in store.files("") if W not in name}


def left(store: Store) -> set[str]:
    return {name for name in store.files("") if not name.startswith(claims.FOLDER)}


def test_what_no_trial_refers_to_is_reported_and_then_freed(
    store: Store, needed: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    stage(store, "train", F)
    store.write(f"stages/search/{E}/checkpoint-000000009", b"late")
    store.write(f"stages/search/{E}/file.0.partial", b"cut off")
    store.write("ray/tune-x/state.json", b"{}")
    store.write(f"{claims.FOLDER}/0", claims.sealed(claims._this_process() | {"process": 2**22 + 1, "names": ["a"]}))
    before = left(store)
    assert main(["gc", store.storage]) == 0
    assert left(store) == before, "dry by default"
    said = capsys.readouterr().out
    assert main(["gc", store.storage, "--delete"]) == 0
    freed = capsys.readouterr().out
    assert said.splitlines()[:-1] == freed.splitlines()[:-1]
    lines = [line.split(maxsplit=3) for line in said.splitlines()]
    assert {what: (int(count), size) for count, size, _, what in lines[:-1] if "claims" not in what} == {
        "checkpoints of finished stages": (1, "4"),
        "unfinished files": (1, "7"),
        "folders of Ray's temporary files": (1, "2"),
        "search stages that no trial refers to": (1, "5"),
        "train stages that no trial refers to": (1, "12"),
    }
    assert [count for count, _, _, what in lines[:-1] if "claims" in what] == ["1"]
    assert said.splitlines()[-1].endswith("bytes can be freed; add --delete")
    assert freed.splitlines()[-1].endswith("bytes freed")
    assert left(store) == needed
    assert store.names(claims.FOLDER) == []
    assert main(["gc", store.storage, "--delete"]) == 0
    assert capsys.readouterr().out == "0 bytes freed\n"


def test_what_a_running_study_uses_stays(store: Store, needed: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    stage(store, "train", F)
    store.write(f"stages/search/{E}/file.0.partial", b"being written")
    store.write(f"stages/search/{E}/checkpoint-000000009", b"late")
    store.write("ray/tune-x/state.json", b"{}")
    before = left(store)
    with Claims(store) as running:
        assert running.take({"job": {f"search/{W}"}})
        assert main(["gc", store.storage, "--delete"]) == 0
        assert before - left(store) == {f"stages/search/{E}/checkpoint-000000009"}
        assert store.filesystem.get_file_info(store.path(f"stages/search/{E}/file.0.partial")).is_file
    assert f"process {os.getpid()} on " in capsys.readouterr().out


def test_a_study_that_begins_meanwhile_stops_it(
    store: Store, needed: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    survey = collect.Survey

    def slow(*arguments: object) -> collect.Survey:
        found = survey(*arguments)  # type: ignore[arg-type]
        store.write(
            f"{claims.FOLDER}/0", claims.sealed({"host": "h", "machine": "m", "process": 1, "born": 1.0, "names": []})
        )
        return found

    monkeypatch.setattr(collect, "Survey", slow)
    before = left(store)
    assert main(["gc", store.storage, "--delete"]) == 2
    assert "a study has begun" in capsys.readouterr().err
    assert left(store) == before


def test_without_their_images_the_stages_of_unfinished_trials_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(str(tmp_path))
    write_study(store, "s", [configuration("proxy", {})], preset="proxy", command="command")
    stage(store, "search", F)
    store.write(f"stages/search/{F}/file.0.partial", b"cut off")
    assert main(["gc", str(tmp_path), "--delete"]) == 0
    assert "name --data" in capsys.readouterr().out
    assert store.files("stages") == [f"search/{F}/file", f"search/{F}/result.json"]
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("arguments", [["nowhere"], ["x://y"], [".", "--data", "nowhere"]])
def test_a_mistake_is_one_line(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "studies" / "s").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert main(["gc", *arguments]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1, err
    assert err.startswith("python -m studies gc: ")
    assert out == ""
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["s", "studies"]


def test_a_folder_of_images_tells_what_trials_without_a_row_need(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, split in enumerate(("train", "val", "test")):
        folder = tmp_path / "data/mine" / split
        folder.mkdir(parents=True)
        pixels = np.random.default_rng(number).integers(0, 255, (40, 40), np.uint8)
        PIL.Image.fromarray(pixels).save(folder / "1.png")
    c = SMALL.with_values(dataset="mine")
    store = Store(str(tmp_path / "runs"))
    write_study(store, "s", [c], preset="quick", command="command")
    needed = str(Trial(c, fingerprints(c, tmp_path / "data")).search_key)
    stage(store, "search", needed, FOUND), stage(store, "search", F)
    assert main(["gc", store.storage, "--delete", "--data", str(tmp_path / "data")]) == 0
    assert store.finished("search").keys() == {needed}


def test_what_follows_from_a_search_that_has_ended_stays(store: Store) -> None:
    trial = Pixels(None).trials([PLANNED])[0]
    write_study(store, "s", [PLANNED], preset="quick", command="command")
    stage(store, "search", str(trial.search_key), FOUND)
    train = trial.train_key("FPFP-FPFF-PFFP")
    stage(store, "train", train), stage(store, "train", trial.train_key("FFFF-FFFF-FFFF"))
    stage(store, "test", trial.tested_key(train)), stage(store, "test", F)
    assert main(["gc", store.storage, "--delete"]) == 0
    assert store.finished("train").keys() == {train}
    assert store.finished("test").keys() == {trial.tested_key(train)}


def test_stages_that_a_trial_of_another_version_may_need_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(str(tmp_path))
    about = write_study(store, "s", [ENDED], preset="quick", command="command")
    about["trials"][ENDED.trial_id]["a field of the future"] = 1
    store.write("studies/s/study.json", json.dumps(about).encode())
    stage(store, "search", F)
    assert main(["gc", str(tmp_path), "--delete"]) == 0
    assert f"s has a trial of another version that has no row, {ENDED.trial_id}" in capsys.readouterr().out
    assert store.finished("search").keys() == {F}


def test_what_can_not_be_deleted_is_named_and_the_rest_is_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(str(tmp_path))
    write_study(store, "s", [], preset="quick", command="command")
    for key in (E, F):
        stage(store, "search", key)
    free = collect.free

    def refused(store: Store, find: collect.Find) -> None:
        if find.path.endswith(E):
            raise OSError("not yours")
        free(store, find)

    monkeypatch.setattr(collect, "free", refused)
    assert main(["gc", str(tmp_path), "--delete"]) == 1
    assert f"stages/search/{E}: not yours" in capsys.readouterr().out
    assert store.finished("search").keys() == {E}


def test_a_stage_that_is_freed_never_looks_finished(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    stage(store, "train", F)
    removed: list[str] = []
    remove = store.remove

    def noted(name: str) -> None:
        removed.append(name)
        remove(name)

    store.remove = noted  # type: ignore[method-assign]
    collect.free(store, collect.Find("", f"stages/train/{F}", 12, is_folder=True))
    assert removed == [f"stages/train/{F}/result.json"]
    assert store.files("stages") == []


def test_files_that_nobody_has_finished_for_an_hour_are_freed_beside_a_running_study(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for name in ("old", "new"):
        store.write(f"stages/search/{F}/{name}.0.partial", b"")
    hours_ago = time.time() - 2 * collect.LEFT_SECONDS
    os.utime(tmp_path / f"stages/search/{F}/old.0.partial", (hours_ago, hours_ago))
    with Claims(store):
        assert main(["gc", str(tmp_path), "--delete"]) == 0
    assert [path.name for path in tmp_path.rglob("*.partial")] == ["new.0.partial"]

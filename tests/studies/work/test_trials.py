"""A trial, and the row that it ends as."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small import NO_DATA, SMALL, search_of, train_of

from clearer.configuration import Configuration
from clearer.images.reading import ImageError
from clearer.splits import OverlapError
from studies.store.rows import ROW, row_table
from studies.store.store import Store
from studies.work import trials as trials_module
from studies.work.jobs import Pack
from studies.work.keys import Trial
from studies.work.learning import compute_pack
from studies.work.place import Place, fingerprints
from studies.work.stages import compute_time
from studies.work.trials import Pixels, mean, trial_row

GIVEN = SMALL.with_values(kind="given", architecture="PF")


def images(folder: Path, *splits: str) -> Path:
    """A data folder with a dataset `mine` of one image in each split; another image in each."""
    for number, split in enumerate(splits):
        (folder / "mine" / split).mkdir(parents=True)
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "mine" / split / "1.png")
    return folder


def test_images_are_read_once_however_many_trials_use_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Configuration] = []

    def counted(c: Configuration, folder: Path | None) -> Any:
        read.append(c)
        return fingerprints(c, folder)

    monkeypatch.setattr(trials_module, "fingerprints", counted)
    c, pixels = SMALL.with_values(dataset="mine"), Pixels(images(tmp_path, "train", "val", "test"))
    lambdas = [c.with_values(lambda1=n / 10, seed=n) for n in range(5)]
    made = pixels.trials(lambdas)
    assert [trial.configuration for trial in made] == lambdas
    assert len({trial.data for trial in made}) == len(read) == 1
    (other,) = pixels.trials([c.with_values(weights_split="validation", alpha_split="train")])
    assert len(read) == 2
    assert (other.data.weights, other.data.alpha) == (made[0].data.alpha, made[0].data.weights)
    assert pixels.of(c) is pixels.of(lambdas[1])


def test_a_bad_image_and_splits_that_overlap_are_named(tmp_path: Path) -> None:
    c, folder = SMALL.with_values(dataset="mine"), images(tmp_path, "train", "val", "test")
    (folder / "mine/test/1.png").write_bytes((folder / "mine/train/1.png").read_bytes())
    with pytest.raises(OverlapError, match="1"):
        Pixels(folder).trials([c])
    pixels = Pixels(folder)
    (allowed,) = pixels.trials([c.with_values(allow_overlap=True)])
    assert pixels.overlaps == ["1 of mine train overlap 1 of mine test: 1.png = 1.png (same file)"]
    assert allowed.data.weights != allowed.data.alpha
    (folder / "mine/test/1.png").write_text("not an image")
    with pytest.raises(ImageError, match=r"1\.png"):
        Pixels(folder).trials([c])
    with pytest.raises(ImageError, match="nowhere"):
        Pixels(folder).trials([SMALL.with_values(dataset="nowhere")])


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Trial, str, str]:
    """A store with all stages of a searched trial, what it found, and the key of its testing time."""
    place = Place(str(tmp_path_factory.mktemp("computed")), None)
    store, (trial,) = Store(place.storage), Pixels(None).trials([SMALL])
    list(compute_pack(Pack((search_of(SMALL, trial.data),), 4), place))
    found = (store.result("search", str(trial.search_key)) or {})["architecture"]
    list(compute_pack(Pack((train_of(SMALL, found, trial.data),)), place))
    time = compute_time(trial, found, trial.train_key(found), place)
    return store, trial, found, time


def test_a_finished_trial_is_a_row_of_all_that_its_stages_found(computed: tuple[Store, Trial, str, str]) -> None:
    store, trial, found, time = computed
    row = trial_row("s", trial, found, store, time)
    assert row.keys() <= set(ROW.names)
    assert (row["study"], row["trial_id"]) == ("s", SMALL.trial_id)
    assert (row["lambda1"], row["columns"], row["architecture"]) == (SMALL.lambda1, "2", found)
    assert (row["search_pack"], row["train_pack"]) == (4, 1)
    assert row["psnr_db"] == pytest.approx(mean(row["psnr_by_image"]))
    assert (row["test_images"], len(row["alpha"])) == (1, 2)
    assert row["test_time_ms"] > 0
    assert row["search_seconds"] > 0 < row["train_seconds"]
    assert (row["gpu_seconds"], row.get("search_stopped_at")) == (None, None)
    assert row["finished_at"] > datetime(2026, 1, 2, tzinfo=UTC)
    assert {"torch", "python"} <= json.loads(row["versions"]).keys()
    keys = trial.search_key, trial.train_key(found), trial.tested_key(trial.train_key(found))
    assert (row["search_key"], row["train_key"], row["test_key"]) == keys
    (written,) = row_table(row).to_pylist()
    assert written["psnr_db"] == row["psnr_db"]


def test_what_was_not_measured_is_null(computed: tuple[Store, Trial, str, str], tmp_path: Path) -> None:
    store, trial, found, _ = computed
    untimed = trial_row("s", trial, found, store)
    assert untimed["test_time_ms"] is None
    assert untimed["psnr_db"] is not None
    given = trial_row("s", Trial(GIVEN, trial.data), "PF", Store(str(tmp_path)))
    assert {given[name] for name in ("lambda1", "search_iterations", "search_key", "psnr_db")} == {None}
    assert given["parameters"] > 0


def test_a_trial_that_failed_keeps_what_it_had(computed: tuple[Store, Trial, str, str]) -> None:
    store, trial, _, _ = computed
    row = trial_row("s", trial, None, store)
    assert row["search_seconds"] > 0, "its search had ended"
    assert (row["architecture"], row["train_key"], row["psnr_db"]) == (None, None, None)
    assert trial_row("s", trial, "PF", store)["architecture"] == "PF"


def learnt(store: Store, trial: Trial, stage: str, key: str | None, **changes: Any) -> None:
    """The result of a stage that learns."""
    usual = {"seconds": 10.0, "device": "GPU", "pack": 1, "host": "there", "gpus": 0.5, "iterations": 8}
    store.finish(stage, str(key), {**usual, "architecture": "PF", "alpha": [0.1, 0.9], **changes}, {})


def test_gpu_seconds_are_of_both_stages_and_their_shares(tmp_path: Path) -> None:
    store, trial = Store(str(tmp_path)), Trial(SMALL, NO_DATA)
    learnt(store, trial, "search", trial.search_key)
    assert trial_row("s", trial, "PF", store)["gpu_seconds"] == 5
    learnt(store, trial, "train", trial.train_key("PF"), gpus=1.0)
    assert trial_row("s", trial, "PF", store)["gpu_seconds"] == 15
    assert trial_row("s", trial, "PF", store)["host"] == "there"


def test_energy_is_known_where_it_is_of_every_stage(tmp_path: Path) -> None:
    store, trial = Store(str(tmp_path)), Trial(SMALL, NO_DATA)
    learnt(store, trial, "search", trial.search_key, energy_wh=2.0)
    assert trial_row("s", trial, None, store)["energy_wh"] == 2
    learnt(store, trial, "train", trial.train_key("PF"))  # by a version that did not measure it
    learnt(store, trial, "train", trial.train_key("FF"), energy_wh=0.5)
    found = {text: trial_row("s", trial, text, store)["energy_wh"] for text in ("PF", "FF")}
    assert found == {"PF": None, "FF": 2.5}


def test_a_search_that_stopped_says_so_in_its_row(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    trial = Trial(SMALL.with_values(search_patience=2), NO_DATA)
    learnt(store, trial, "search", trial.search_key, iterations=6)
    row = trial_row("s", trial, "PF", store)
    assert (row["search_stopped_at"], row["search_iterations"]) == (6, 8)
    assert row_table(row).to_pylist()[0]["search_stopped_at"] == 6


def test_a_mean_is_of_what_is_there() -> None:
    assert mean([1.0, None, 3.0]) == 2.0
    assert mean([None]) is mean([]) is None

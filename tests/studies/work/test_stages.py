"""The stages that do not learn: computed once, of the pixels that were there when the study began."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import SMALL, train_of

from clearer.images.reading import ImageError
from clearer.machine import device_name
from clearer.splits import learning_images
from clearer.testing import score
from studies.store.store import Store
from studies.work import stages
from studies.work.jobs import Pack, Train
from studies.work.keys import Fingerprints, Trial
from studies.work.learning import compute_pack
from studies.work.place import Place, fingerprints
from studies.work.stages import compute_references, compute_test, compute_time, load_network


@pytest.fixture(scope="module")
def data() -> Fingerprints:
    return fingerprints(SMALL, None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, data: Fingerprints) -> tuple[Place, Train]:
    """A training that has been tested; tests leave both as they are."""
    place, job = Place(str(tmp_path_factory.mktemp("trained")), None), train_of(SMALL, "PF", data)
    list(compute_pack(Pack((job,)), place))
    return place, job


def test_a_place_is_on_a_gpu_where_a_trial_takes_some_of_one(tmp_path: Path) -> None:
    assert [Place("s", None, gpus).device for gpus in (0.0, 0.25, 2.0)] == ["cpu", "cuda", "cuda"]
    assert Place("s", None).folder is None
    assert Place("s", str(tmp_path)).folder == tmp_path


def test_fingerprints_are_of_pixels_and_name_the_files(data: Fingerprints) -> None:
    assert len({data.weights, data.alpha, data.test}) == 3
    assert data == fingerprints(SMALL.with_values(lambda1=0.5, sigma=50), None), "noise is made later"
    assert fingerprints(SMALL.with_values(test_limit=2), None).learning == data.learning
    assert fingerprints(SMALL.with_values(test_limit=2), None).test != data.test
    assert all(data.files)


def test_a_test_scores_the_network_on_every_image_and_keeps_a_picture(
    trained: tuple[Place, Train], data: Fingerprints
) -> None:
    place, job = trained
    store, key = Store(place.storage), job.tests[0][0]
    result = store.result("test", key)
    assert result is not None
    scores = score(SMALL, load_network(store, job.key), stages.scored_images(SMALL, None))
    assert result["by_image"]["psnr_db"] == list(scores.psnr_db)
    assert result["pixels_sha256"] == scores.pixels_sha256
    assert len(result["images"]) == 1
    assert "psnr_y_db" not in result["by_image"], "luma is of colour images"
    with Image.open(Path(place.storage) / f"stages/test/{key}/example.png") as picture:
        height, width = stages.scored_images(SMALL, None).clean[0].shape[:2]
        assert picture.height <= height
        assert picture.width <= 3 * width, "clean, degraded and restored, side by side"


def test_a_stage_that_is_there_is_not_computed_again(trained: tuple[Place, Train], data: Fingerprints) -> None:
    place, job = trained
    before = {path: path.stat().st_mtime_ns for path in Path(place.storage).rglob("*")}
    compute_test(SMALL, job.tests[0][0], job.key, data, place)
    assert {path: path.stat().st_mtime_ns for path in Path(place.storage).rglob("*")} == before


def test_a_time_is_of_this_device_and_taken_once(trained: tuple[Place, Train], data: Fingerprints) -> None:
    place, job = trained
    key = compute_time(Trial(SMALL, data), "PF", job.key, place)
    assert key == Trial(SMALL, data).time_key("PF", device_name("cpu"))
    result = Store(place.storage).result("time", key)
    assert result is not None
    assert result["device"] == device_name("cpu", 1)
    assert result["test_time_ms"] > 0
    assert result["test_time_images"] == 1
    assert result["test_set_seconds"] is None
    whole = Store(place.storage).result(
        "time", compute_time(Trial(SMALL.with_values(time_set=True), data), "PF", job.key, place)
    )
    assert whole is not None
    assert whole["test_set_seconds"] > 0
    assert compute_time(Trial(SMALL, data), "PF", "whatever network", place) == key, "weights change no time"
    assert torch.get_num_threads() == SMALL.threads


def test_a_network_that_is_not_there_is_named(tmp_path: Path, data: Fingerprints) -> None:
    with pytest.raises(FileNotFoundError, match=r"stages/train/lost/network\.safetensors"):
        load_network(Store(str(tmp_path)), "lost")
    with pytest.raises(FileNotFoundError, match="the training's network is missing"):
        compute_test(SMALL, "test", "lost", data, Place(str(tmp_path), None))


def test_references_are_rows_and_pictures_of_the_first_test_image(tmp_path: Path) -> None:
    place = Place(str(tmp_path), None)
    compute_references(SMALL, "r", place)
    result = Store(str(tmp_path)).result("reference", "r")
    assert result is not None
    assert result["rows"][0]["method"] == "noisy input"
    assert result["fields"]["sigma"] == SMALL.sigma
    pictured = {picture["method"]: picture for picture in result["pictures"]}
    assert pictured.keys() == {row["method"] for row in result["rows"][1:]}
    for picture in pictured.values():
        assert (tmp_path / "stages/reference/r" / picture["file"]).exists()
        assert picture["psnr_db"] > 20


def test_images_below_a_tile_of_the_patch_score_have_references_without_it(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        (tmp_path / "own" / split).mkdir(parents=True)
        pixels = np.random.default_rng(len(split)).integers(0, 256, (48, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"own/{split}/{split}.png")
    place = Place(str(tmp_path / "store"), str(tmp_path))
    compute_references(SMALL.with_values(dataset="own"), "r", place)
    result = Store(place.storage).result("reference", "r")
    assert result is not None
    assert len(result["rows"]) == 1 + len(result["pictures"])
    for row in result["rows"]:
        assert row["psnr_patch_db"] is None
        assert row["psnr_db"] > 5


def test_images_that_have_changed_since_the_study_began_are_named(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        (tmp_path / "own" / split).mkdir(parents=True)
        pixels = np.random.default_rng(len(split)).integers(0, 256, (64, 64), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"own/{split}/{split}.png")
    c = SMALL.with_values(dataset="own")
    before = fingerprints(c, tmp_path)
    for images, split in zip(stages.unchanged_sets(c, before, tmp_path), ("train", "validation"), strict=True):
        assert images.contents == learning_images(c, split, tmp_path).contents
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "own/val/val.png")
    with pytest.raises(ImageError, match=r"val\.png: changed during the study"):
        stages.unchanged_sets(c, before, tmp_path)
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "own/test/test.png")
    with pytest.raises(ImageError, match=r"test\.png: changed during the study"):
        compute_test(c, "test", "lost", before, Place(str(tmp_path / "runs"), str(tmp_path)))

from __future__ import annotations

import time

import numpy as np
import pytest
from pictures import picture, save, side_by_side

from clearer.configuration import Configuration
from clearer.images.datasets import SPLITS, scored_files, split_files, stored_sets
from clearer.images.overlap import OverlapError, by_sets, find_overlaps, scenes_of
from clearer.images.reading import ImageError, ImageFile, bt601, read_image
from clearer.presets import DERAIN
from clearer.scores import psnr_db
from clearer.splits import check_splits, configured_files, scored_images
from clearer.testing import degraded_inputs


@pytest.fixture
def data(tmp_path):
    """A data folder with a small bsds500 whose splits share nothing."""
    for place, inner in enumerate(("train", "val", "test")):
        for seed in range(3):
            save(tmp_path / "bsds500" / inner / f"{seed}.png", picture(10 * place + seed, 150, 180))
    return tmp_path


def test_splits_that_share_nothing_pass(data):
    assert check_splits(Configuration(), data) == []


def test_embedded_splits_share_nothing():
    assert check_splits(Configuration(dataset="embedded"), None) == []


def test_an_overlap_stops_and_is_named_in_one_line(data):
    save(data / "bsds500" / "val" / "again.jpg", picture(1, 150, 180), "JPEG")
    save(data / "bsds500" / "val" / "gray.png", bt601(picture(2, 150, 180)))
    with pytest.raises(OverlapError) as stopped:
        check_splits(Configuration(), data)
    message = str(stopped.value)
    assert "2 of bsds500 train overlap 2 of bsds500 validation" in message
    assert "1.png = again.jpg (recompressed)" in message
    assert "2.png = gray.png (gray copy)" in message
    assert "--set allow_overlap=true" in message
    assert "\n" not in message
    assert isinstance(stopped.value, ImageError)


def test_an_overlap_that_is_allowed_is_returned(data):
    save(data / "bsds500" / "test" / "again.png", picture(1, 150, 180))
    (found,) = check_splits(Configuration(allow_overlap=True), data)
    assert (found.set_a, found.file_a.name) == ("bsds500 train", "1.png")
    assert (found.set_b, found.file_b.name, found.kind) == ("bsds500 test", "again.png", "same file")


def test_another_test_set_is_compared_too(data):
    crop = picture(2, 150, 180)[10:138, 30:158]
    save(data / "set12" / "04.png", bt601(crop))
    with pytest.raises(OverlapError, match=r"1 of bsds500 train overlap 1 of set12 test: 2\.png = 04\.png \(crop\)"):
        check_splits(Configuration(test_set="set12"), data)


def test_pairs_are_compared_by_their_clean_images(tmp_path):
    for place, inner in enumerate(("train", "val", "test")):
        save(tmp_path / "pairs" / inner / "1.png", side_by_side(picture(place, 100, 120), seed=place))
    configuration = Configuration(**{**DERAIN, "dataset": "pairs"})
    assert check_splits(configuration, tmp_path) == []
    save(tmp_path / "pairs" / "test" / "2.png", side_by_side(picture(0, 100, 120), seed=9))
    with pytest.raises(OverlapError, match=r"1 of pairs train overlap 1 of pairs test: 1\.png = 2\.png"):
        check_splits(configuration, tmp_path)


def test_the_order_of_sets_and_files_is_kept(data):
    sets = {"b": split_files("bsds500", "train", data), "a": split_files("bsds500", "train", data)}
    found = find_overlaps(sets)
    assert [(o.set_a, o.file_a.name, o.set_b, o.file_b.name) for o in found] == [
        ("b", f"{i}.png", "a", f"{i}.png") for i in range(3)
    ]
    assert find_overlaps({"b": sets["b"]}, within=True) == []


def test_repeats_within_a_set_are_counted_as_one_scene(tmp_path):
    files = [
        ImageFile(save(tmp_path / f"{i}.jpg", picture(seed, 100, 120), "JPEG", quality=90 - i))
        for i, seed in enumerate((1, 2, 1, 1))
    ]
    overlaps = find_overlaps({"set": files}, within=True)
    assert len(overlaps) == 3
    assert len(scenes_of([file.path for file in files], overlaps)) == 2
    assert len(scenes_of([file.path for file in files[1:3]], overlaps)) == 2


def test_an_unreadable_image_is_named(data):
    (data / "bsds500" / "val" / "0.png").write_bytes(b"text")
    with pytest.raises(ImageError, match=r"val/0\.png: not a readable image"):
        check_splits(Configuration(), data)


@pytest.mark.drill
def test_the_published_datasets_overlap_as_is_known(benchmarks, tmp_path, monkeypatch):
    monkeypatch.setenv("CLEARER_CACHE", str(tmp_path))
    sets = {}
    for name, pairing in (("bsds500", ""), ("bsd68", ""), ("rain800", "clean_left")):
        sets |= stored_sets(name, benchmarks, pairing)
    overlaps = find_overlaps(sets, within=True)
    between = {
        names: (len({o.file_a for o in found}), len({o.file_b for o in found}))
        for names, found in by_sets(overlaps).items()
        if names[0] != names[1]
    }
    assert between == {
        ("bsds500 val", "bsd68"): (68, 68),
        ("bsd68", "rain800 train"): (2, 2),
        ("bsds500 train", "rain800 train"): (15, 20),
        ("bsds500 val", "rain800 train"): (3, 3),
        ("bsds500 test", "rain800 train"): (90, 209),
        ("bsds500 train", "rain800 test"): (1, 1),
        ("bsds500 test", "rain800 test"): (36, 47),
        ("rain800 train", "rain800 test"): (1, 1),
    }
    assert {o.kind for o in by_sets(overlaps)["bsds500 val", "bsd68"]} == {"gray copy"}
    (shared,) = by_sets(overlaps)["rain800 train", "rain800 test"]
    assert (shared.file_a.name, shared.file_b.name) == ("460.jpg", "6.jpg")
    rain = {name: [file.path for file in sets[f"rain800 {name}"]] for name in ("train", "test")}
    assert len(scenes_of(rain["train"], overlaps)) == 369
    assert len(scenes_of(rain["test"], overlaps)) == 76
    assert len(scenes_of(rain["train"] + rain["test"], overlaps)) == 444
    started = time.perf_counter()
    assert find_overlaps(sets, within=True) == overlaps
    assert time.perf_counter() - started < 1


@pytest.mark.drill
def test_rain800_is_divided_600_to_100_by_scenes(benchmarks):
    train, validation = (split_files("rain800", split, benchmarks, "clean_left") for split in SPLITS[:2])
    assert (len(train), len(validation)) == (600, 100)
    assert find_overlaps({"train": train, "validation": validation}) == []
    with pytest.raises(OverlapError, match=r"1 of rain800 train overlap 1 of rain800 test: 460\.jpg = 6\.jpg"):
        check_splits(Configuration(**DERAIN), benchmarks)


def test_bsd68_is_a_part_of_bsds500_validation(benchmarks):
    with pytest.raises(
        OverlapError, match=r"68 of bsds500 validation overlap 68 of bsd68 test: .*, and 65 more; --set"
    ):
        check_splits(Configuration(test_set="bsd68"), benchmarks)


def test_set12s_starfish_is_in_bsds500_train(benchmarks, tmp_path):
    starfish = read_image(benchmarks / "bsds500" / "train" / "12003.jpg", 1, "bt601")[7:263, 109:365]
    save(tmp_path / "04.png", starfish)
    with pytest.raises(
        OverlapError, match=r"1 of bsds500 train overlap 1 of .* test: 12003\.jpg = 04\.png \(crop\); --set"
    ):
        check_splits(Configuration(test_set=str(tmp_path)), benchmarks)


def test_doing_nothing_scores_what_is_known_of_rain800(benchmarks):
    c = Configuration(**DERAIN, test_border="whole")
    images = scored_images(c, benchmarks)
    found = [psnr_db(d, clean / 255) for d, clean in zip(degraded_inputs(c, images), images.clean, strict=True)]
    assert np.mean(found) == pytest.approx(21.155, abs=5e-4)


def test_matlabs_gray_of_bsds500_is_bsd68(benchmarks):
    images = [file for file in scored_files("bsd68", benchmarks) if file.path.name in ("test001.png", "test068.png")]
    for file, name in zip(images, ("101085", "351093"), strict=True):
        found = read_image(benchmarks / "bsds500" / "val" / f"{name}.jpg", 1, "bt601")
        np.testing.assert_array_equal(found, read_image(file.path, 1))


def test_the_test_split_is_the_named_test_set(data):
    fill = save(data / "mine" / "one.png", picture(99, 40, 40))
    assert [f.path for f in configured_files(Configuration(test_set="mine"), "test", data)] == [fill]
    assert len(configured_files(Configuration(), "test", data)) == 3

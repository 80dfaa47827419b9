import time

import numpy as np
import pytest
from pictures import picture, save

from clearer.configuration import Configuration
from clearer.images.datasets import SPLITS, scored_files, split_files, stored_sets
from clearer.images.overlap import OverlapError, by_sets, find_overlaps, scenes_of
from clearer.images.reading import ImageFile, read_image
from clearer.presets import preset_values
from clearer.splits import check_splits


@pytest.fixture
def data(tmp_path):
    """A data folder with a small bsds500 whose splits share nothing."""
    for place, inner in enumerate(("train", "val", "test")):
        for seed in range(3):
            save(tmp_path / "bsds500" / inner / f"{seed}.png", picture(10 * place + seed, 150, 180))
    return tmp_path


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
        check_splits(Configuration(**preset_values("paper", "derain")), benchmarks)


def test_matlabs_gray_of_bsds500_is_bsd68(benchmarks):
    images = [file for file in scored_files("bsd68", benchmarks) if file.path.name in ("test001.png", "test068.png")]
    for file, name in zip(images, ("101085", "351093"), strict=True):
        found = read_image(benchmarks / "bsds500" / "val" / f"{name}.jpg", 1, "bt601")
        np.testing.assert_array_equal(found, read_image(file.path, 1))

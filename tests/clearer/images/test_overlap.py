import io
import time

import numpy as np
import PIL.Image
import pytest
from pictures import encoded, picture, save, side_by_side

from clearer.configuration import Configuration
from clearer.images import overlap
from clearer.images.datasets import SPLITS, scored_files, split_files, stored_sets
from clearer.images.overlap import (
    COPY,
    CROP,
    GRAY,
    PIXELS,
    RECOMPRESSED,
    OverlapError,
    by_sets,
    find_overlaps,
    grouped,
    matches,
    scenes_of,
)
from clearer.images.reading import ImageFile, bt601, read_image
from clearer.presets import preset_values
from clearer.splits import check_splits

ONE, OTHER = picture(1, 240, 320), picture(2, 240, 320)


def jpeg(pixels, quality):
    return np.asarray(PIL.Image.open(io.BytesIO(encoded(pixels, "JPEG", quality=quality))))


@pytest.fixture
def found(tmp_path):
    """The matches of pictures, by their places."""

    def by_place(*pictures):
        files = [ImageFile(save(tmp_path / f"{i:03}.png", pixels)) for i, pixels in enumerate(pictures)]
        return matches(files)

    return by_place


@pytest.mark.parametrize("quality", [95, 60, 30])
def test_a_recompressed_image_is_found(found, quality):
    assert found(ONE, OTHER, jpeg(ONE, quality)) == [(0, 2, RECOMPRESSED)]


def test_gray_copies_are_found(found):
    pillow = np.asarray(PIL.Image.fromarray(ONE).convert("L"))
    assert found(ONE, bt601(ONE), OTHER) == [(0, 1, GRAY)]
    assert found(ONE, pillow, OTHER) == [(0, 1, GRAY)]
    assert found(pillow, bt601(ONE)) == [(0, 1, RECOMPRESSED)]


@pytest.mark.parametrize("size", [96, 128, 200])
@pytest.mark.parametrize("change", [lambda crop: crop, bt601, lambda crop: jpeg(crop, 60)])
def test_crops_are_found_anywhere(found, size, change):
    places = [(7, 109), (0, 0), (240 - size, 320 - size)]
    crops = [change(np.ascontiguousarray(ONE[y : y + size, x : x + size])) for y, x in places]
    assert {match for match in found(OTHER, ONE, *crops) if match[0] == 1} == {(1, i, CROP) for i in (2, 3, 4)}


def test_a_gray_crop_of_the_size_of_set12_is_found(found):
    large = picture(3, 321, 481)
    assert found(bt601(large)[7:263, 109:365], large, OTHER) == [(0, 1, CROP)]


def test_overlapping_crops_are_found_and_disjoint_ones_are_not(found):
    left, middle, right = ONE[:, :160], ONE[:, 80:240], ONE[:, 160:]
    assert found(left, middle, right) == [(0, 1, CROP), (1, 2, CROP)]


def test_copies_of_a_file_and_of_its_pixels_are_found(tmp_path):
    files = [
        ImageFile(save(tmp_path / name, ONE, kind))
        for name, kind in (("a.png", "PNG"), ("b.png", "PNG"), ("c.bmp", "BMP"))
    ]
    assert matches(files) == [(0, 1, COPY), (0, 2, PIXELS), (1, 2, PIXELS)]


def test_flat_images_match_only_when_they_are_equal(tmp_path):
    flat = [np.full((64, 64, 3), level, np.uint8) for level in (100, 101, 100)]
    files = [ImageFile(save(tmp_path / f"{i}.png", pixels, "BMP" if i else "PNG")) for i, pixels in enumerate(flat)]
    assert matches(files) == [(0, 2, PIXELS)]


def test_other_pictures_do_not_match(found):
    assert found(*(picture(seed, 120, 120) for seed in range(20))) == []


def test_of_a_pair_the_clean_half_counts(tmp_path):
    files = [
        ImageFile(save(tmp_path / "1.png", side_by_side(ONE, seed=1)), half="left"),
        ImageFile(save(tmp_path / "2.png", side_by_side(ONE, seed=2)), half="left"),
        ImageFile(save(tmp_path / "3.png", OTHER)),
    ]
    assert [pair for *pair, _ in matches(files)] == [[0, 1]]
    assert grouped(len(files), matches(files)) == [[0, 1], [2]]
    assert COPY not in {kind for *_, kind in matches([files[0], files[0]._replace(half="right")])}


def test_findings_are_kept(tmp_path, monkeypatch):
    files = [ImageFile(save(tmp_path / f"{seed}.png", picture(seed % 2, 130, 90))) for seed in (50, 51, 52)]
    first = matches(files)
    monkeypatch.setattr(overlap, "read_file", None)
    assert matches(files) == first
    assert matches(files[::-1]) == [(0, 2, COPY)]


def test_groups_join_what_is_linked():
    assert grouped(6, [(4, 1), (1, 3), (0, 5)]) == [[0, 5], [1, 3, 4], [2]]
    assert grouped(2, []) == [[0], [1]]


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

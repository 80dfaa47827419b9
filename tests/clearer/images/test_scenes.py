import io

import numpy as np
import PIL.Image
import pytest
from pictures import encoded, picture, save, side_by_side

from clearer.images import scenes
from clearer.images.reading import ImageFile, bt601
from clearer.images.scenes import COPY, CROP, GRAY, PIXELS, RECOMPRESSED, contents, grouped, groups, matches

ONE, OTHER = picture(1, 240, 320), picture(2, 240, 320)


def jpeg(pixels, quality):
    return np.asarray(PIL.Image.open(io.BytesIO(encoded(pixels, "JPEG", quality=quality))))


@pytest.fixture
def found(tmp_path):
    """The matches of pictures, by their places."""

    def by_place(*pictures):
        files = [ImageFile(save(tmp_path / f"{i:03}.png", pixels)) for i, pixels in enumerate(pictures)]
        return [tuple(match) for match in matches(files)]

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
    assert [tuple(match) for match in matches(files)] == [(0, 1, COPY), (0, 2, PIXELS), (1, 2, PIXELS)]


def test_flat_images_match_only_when_they_are_equal(tmp_path):
    flat = [np.full((64, 64, 3), level, np.uint8) for level in (100, 101, 100)]
    files = [ImageFile(save(tmp_path / f"{i}.png", pixels, "BMP" if i else "PNG")) for i, pixels in enumerate(flat)]
    assert [tuple(match) for match in matches(files)] == [(0, 2, PIXELS)]


def test_other_pictures_do_not_match(found):
    assert found(*(picture(seed, 120, 120) for seed in range(20))) == []


def test_of_a_pair_the_clean_half_counts(tmp_path):
    files = [
        ImageFile(save(tmp_path / "1.png", side_by_side(ONE, seed=1)), half="left"),
        ImageFile(save(tmp_path / "2.png", side_by_side(ONE, seed=2)), half="left"),
        ImageFile(save(tmp_path / "3.png", OTHER)),
    ]
    assert [(m.one, m.other) for m in matches(files)] == [(0, 1)]
    assert groups(files) == [[0, 1], [2]]
    assert contents(files)[0] != contents([files[0]._replace(half="right")])[0]


def test_findings_are_kept(tmp_path, monkeypatch):
    files = [ImageFile(save(tmp_path / f"{seed}.png", picture(seed % 2, 130, 90))) for seed in (50, 51, 52)]
    first = matches(files)
    monkeypatch.setattr(scenes, "read_file", None)
    assert matches(files) == first
    assert [tuple(m) for m in matches(files[::-1])] == [(0, 2, COPY)]


def test_groups_join_what_is_linked():
    assert grouped(6, [(4, 1), (1, 3), (0, 5)]) == [[0, 5], [1, 3, 4], [2]]
    assert grouped(2, []) == [[0], [1]]

import itertools
import re

import numpy as np
import pytest
from pictures import encoded, picture, save, side_by_side

from clearer.images.datasets import EMBEDDED
from clearer.images.reading import ImageError, ImageFile
from clearer.images.sets import ImageSet, check_unchanged, fingerprint, load_images, load_split

GRAY = np.arange(256, dtype=np.uint8).reshape(16, 16)  # every pixel is its own value


@pytest.fixture
def data(tmp_path):
    """A data folder whose bsds500 training split holds one good image."""
    save(tmp_path / "bsds500" / "train" / "good.png", GRAY)
    return tmp_path


def load(data, split="train", **more):
    return load_split("bsds500", split, 1, data, **more)


def test_an_unusable_file_is_named_in_one_line(data):
    path = data / "bsds500" / "train" / "bad.png"
    path.write_bytes(encoded(picture(0))[:2000])
    with pytest.raises(ImageError, match=f"^{re.escape(str(path))}: ") as refused:
        load(data)
    assert "\n" not in str(refused.value)


def test_a_folder_named_as_an_image_is_named(data):
    (data / "bsds500" / "train" / "bad.png").mkdir()
    with pytest.raises(ImageError, match=r"bad\.png: not a readable"):
        load(data)


def test_an_image_smaller_than_the_patch_is_named(data):
    assert load(data, smallest=16).names == ("good.png",)
    with pytest.raises(ImageError, match=r"good\.png: 16×16 pixels, smaller than 17; take it out of the folder"):
        load(data, smallest=17)


def test_the_first_images_by_name_are_loaded(data):
    for name in ("b.PNG", "a.bmp", "c.txt"):
        (data / "bsds500" / "train" / name).write_bytes(encoded(GRAY))
    assert load(data, limit=2).names == ("a.bmp", "b.PNG")


def test_embedded_splits_are_disjoint_and_usable():
    loaded = {split: load_split("embedded", split, 1, None, smallest=64) for split in EMBEDDED}
    pixels = {split: {image.tobytes() for image in found.clean} for split, found in loaded.items()}
    for one, other in itertools.combinations(EMBEDDED, 2):
        assert not set(EMBEDDED[one]) & set(EMBEDDED[other])
        assert not pixels[one] & pixels[other]
    assert loaded["test"].names == EMBEDDED["test"]
    assert loaded["test"].degraded is None


def test_pairs_are_loaded_with_their_partners(tmp_path):
    clean = picture(1, 20, 24)
    path = save(tmp_path / "1.png", side_by_side(clean))
    left, right = (load_images([ImageFile(path, half=half)], 3) for half in ("left", "right"))
    np.testing.assert_array_equal(left.clean[0], clean)
    np.testing.assert_array_equal(left.degraded[0], side_by_side(clean)[:, 24:])
    np.testing.assert_array_equal(right.clean[0], left.degraded[0])
    assert fingerprint(left) != fingerprint(right)
    assert fingerprint(left) != fingerprint(ImageSet(left.names, left.clean))


def test_a_file_that_changed_between_two_readings_is_named(data):
    save(data / "bsds500" / "train" / "other.png", picture(0))
    before = load(data)
    check_unchanged(load(data), before.contents)
    save(data / "bsds500" / "train" / "other.png", picture(1))
    with pytest.raises(ImageError, match=r"^other\.png: changed"):
        check_unchanged(load(data), before.contents)
    (data / "bsds500" / "train" / "other.png").unlink()
    with pytest.raises(ImageError, match=r"2 images has 1 now"):
        check_unchanged(load(data), before.contents)


def test_a_fingerprint_is_of_names_shapes_pixels_and_order():
    one, other = GRAY[..., None], GRAY.T[..., None]
    sets = [
        (("a", "b"), (one, other)),
        (("a", "c"), (one, other)),
        (("a", "b"), (other, one)),
        (("a", "b"), (one, other.reshape(8, 32, 1))),
        (("a",), (one,)),
    ]
    assert len({fingerprint(ImageSet(*found)) for found in sets}) == len(sets)
    assert fingerprint(ImageSet(("a",), (one,))) == fingerprint(ImageSet(("a",), (np.asfortranarray(one),)))

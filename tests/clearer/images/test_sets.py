import itertools
import multiprocessing
import os
import re

import numpy as np
import pytest
from pictures import encoded, picture, save, side_by_side

from clearer.images import sets as module
from clearer.images.datasets import EMBEDDED, split_files
from clearer.images.reading import ImageError, ImageFile, read_file
from clearer.images.sets import ImageSet, check_unchanged, content_of, decoded, fingerprint, load_images

GRAY = np.arange(256, dtype=np.uint8).reshape(16, 16)  # every pixel is its own value


@pytest.fixture
def data(tmp_path):
    """A data folder whose bsds500 training split holds one good image."""
    save(tmp_path / "bsds500" / "train" / "good.png", GRAY)
    return tmp_path


def load(data, split="train", **more):
    return load_images(split_files("bsds500", split, data), 1, **more)


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
    assert load(data).first(2).names == ("a.bmp", "b.PNG")


def test_embedded_splits_are_disjoint_and_usable():
    loaded = {split: load_images(split_files("embedded", split, None), 1, smallest=64) for split in EMBEDDED}
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


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLEARER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "decoded"


@pytest.fixture
def files(tmp_path, cache):
    sizes = ((30, 20), (17, 41), (8, 8))
    found = [ImageFile(save(tmp_path / f"{i}.png", picture(i, *size))) for i, size in enumerate(sizes)]
    pair = save(tmp_path / "pair.png", side_by_side(picture(9, 12, 10)))
    return [*found, ImageFile(pair, half="left")]


def load_decoded(files, channels=3, grayscale="pillow"):
    return decoded(files, tuple(map(content_of, files)), channels, grayscale)


def same(one, other):
    return all(
        np.array_equal(a, b) if a is not None else b is None
        for pair in zip(one, other, strict=True)
        for a, b in zip(*pair, strict=True)
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_decoded_images_are_those_of_the_files(files, channels):
    assert same(load_decoded(files, channels), [read_file(file, channels) for file in files])


def test_files_are_decoded_once(files, cache, monkeypatch):
    first = load_decoded(files)
    assert len(list(cache.glob("*.images"))) == 1
    monkeypatch.setattr(module, "read_file", None)
    assert same(load_decoded(files), first)


def test_images_are_mapped_and_read_only(files):
    clean, _ = load_decoded(files)[0]
    owner = clean
    while owner.base is not None and not isinstance(owner, np.memmap):
        owner = owner.base
    assert isinstance(owner, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        clean[0] = 0


def test_another_way_of_reading_is_another_cache_file(files, cache):
    for how in ((3, "pillow"), (1, "pillow"), (1, "bt601")):
        load_decoded(files, *how)
    load_decoded(files[:2])
    assert len(list(cache.glob("*.images"))) == 4


def test_a_changed_file_is_decoded_again(files):
    before = load_decoded(files)
    save(files[0].path, picture(7, 30, 20))
    assert same(load_decoded(files), [read_file(file, 3) for file in files])
    np.testing.assert_array_equal(before[0][0], picture(0, 30, 20))


def test_a_file_that_changes_after_it_was_listed_is_named(files, cache):
    listed = tuple(map(content_of, files))
    save(files[1].path, picture(7))
    with pytest.raises(ImageError, match=r"^\S*1\.png: changed while it was in use$"):
        decoded(files, listed, 3, "pillow")
    assert not list(cache.glob("*images*"))


def test_a_file_that_is_gone_is_named(files):
    files[1].path.unlink()
    with pytest.raises(ImageError, match=r"1\.png: not a readable file"):
        load_decoded(files)


def test_a_cache_that_cannot_be_written_is_done_without(files, cache):
    cache.parent.write_text("not a folder")
    assert same(load_decoded(files), [read_file(file, 3) for file in files])


def test_a_full_disk_is_done_without(files, cache, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write_images", full)
    assert same(load_decoded(files), [read_file(file, 3) for file in files])
    assert not list(cache.glob("*images*"))


def _count(files, folder):
    reading = module.read_file

    def counted(file, *how):
        (folder / f"{file.path.name} by {os.getpid()}").touch()
        return reading(file, *how)

    module.read_file = counted
    load_decoded(files)


def test_processes_that_start_together_decode_once(files, tmp_path):
    (tmp_path / "readings").mkdir()
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_count, args=(files, tmp_path / "readings")) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert len(list((tmp_path / "readings").iterdir())) == len(files)

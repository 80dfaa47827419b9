import multiprocessing
import os

import numpy as np
import pytest
from pictures import picture, save, side_by_side

from clearer.images import decoded as module
from clearer.images.decoded import contents, decoded
from clearer.images.reading import ImageError, ImageFile, read_file


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


def load(files, channels=3, grayscale="pillow"):
    return decoded(files, contents(files), channels, grayscale)


def same(one, other):
    return all(
        np.array_equal(a, b) if a is not None else b is None
        for pair in zip(one, other, strict=True)
        for a, b in zip(*pair, strict=True)
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_decoded_images_are_those_of_the_files(files, channels):
    assert same(load(files, channels), [read_file(file, channels) for file in files])


def test_files_are_decoded_once(files, cache, monkeypatch):
    first = load(files)
    assert len(list(cache.glob("*.images"))) == 1
    monkeypatch.setattr(module, "read_file", None)
    assert same(load(files), first)


def test_images_are_mapped_and_read_only(files):
    clean, _ = load(files)[0]
    owner = clean
    while owner.base is not None and not isinstance(owner, np.memmap):
        owner = owner.base
    assert isinstance(owner, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        clean[0] = 0


def test_another_way_of_reading_is_another_cache_file(files, cache):
    for how in ((3, "pillow"), (1, "pillow"), (1, "bt601")):
        load(files, *how)
    load(files[:2])
    assert len(list(cache.glob("*.images"))) == 4


def test_a_changed_file_is_decoded_again(files):
    before = load(files)
    save(files[0].path, picture(7, 30, 20))
    assert same(load(files), [read_file(file, 3) for file in files])
    np.testing.assert_array_equal(before[0][0], picture(0, 30, 20))


def test_a_file_that_changes_after_it_was_listed_is_named(files, cache):
    listed = contents(files)
    save(files[1].path, picture(7))
    with pytest.raises(ImageError, match=r"^\S*1\.png: changed while it was in use$"):
        decoded(files, listed, 3, "pillow")
    assert not list(cache.glob("*images*"))


def test_a_file_that_is_gone_is_named(files):
    files[1].path.unlink()
    with pytest.raises(ImageError, match=r"1\.png: not a readable file"):
        load(files)


def test_a_cache_that_cannot_be_written_is_done_without(files, cache):
    cache.parent.write_text("not a folder")
    assert same(load(files), [read_file(file, 3) for file in files])


def test_a_full_disk_is_done_without(files, cache, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write_images", full)
    assert same(load(files), [read_file(file, 3) for file in files])
    assert not list(cache.glob("*images*"))


def _count(files, folder):
    reading = module.read_file

    def counted(file, *how):
        (folder / f"{file.path.name} by {os.getpid()}").touch()
        return reading(file, *how)

    module.read_file = counted
    load(files)


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

from __future__ import annotations

import io
import itertools
import re
import struct
import zlib

import numpy as np
import PIL.Image
import pytest

from clearer import images
from clearer.images import (
    EMBEDDED,
    Crops,
    ImageError,
    ImageSet,
    as_tensor,
    fingerprint,
    load_split,
    read_image,
    split_files,
)

GRAY = np.arange(256, dtype=np.uint8).reshape(16, 16)  # every pixel is its own value
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)


def encoded(pixels, kind="PNG"):
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def png_of_16_bit_colours():
    """One pixel; Pillow writes none."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(7))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c)) + name + c + struct.pack(">I", zlib.crc32(name + c)) for name, c in chunks
    )


UNREADABLE = {
    "zero bytes": b"",
    "text": b"not an image\n",
    "truncated png": encoded(NOISE)[:2000],
    "truncated jpeg": encoded(NOISE, "JPEG")[:2000],
    "16 bits": encoded(GRAY.astype(np.uint16) * 257),
    "floats": encoded(GRAY.astype(np.float32), "TIFF"),
}


@pytest.fixture
def data(tmp_path):
    """A data folder whose bsds500 training split holds one good image."""
    folder = tmp_path / "bsds500" / "train"
    folder.mkdir(parents=True)
    (folder / "good.png").write_bytes(encoded(GRAY))
    return tmp_path


def load(data, split="train", **more):
    return load_split("bsds500", split, 1, data, **more)


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unusable_file_is_named_in_one_line(data, content):
    path = data / "bsds500" / "train" / "bad.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=f"^{re.escape(str(path))}: ") as refused:
        load(data)
    assert "\n" not in str(refused.value)


def test_colours_of_16_bits_are_refused(tmp_path):
    (tmp_path / "deep.png").write_bytes(png_of_16_bit_colours())
    with pytest.raises(ImageError, match=r"deep\.png"):
        read_image(tmp_path / "deep.png", 3)


def test_a_folder_named_as_an_image_is_named(data):
    (data / "bsds500" / "train" / "bad.png").mkdir()
    with pytest.raises(ImageError, match=r"bad\.png: not a readable image"):
        load(data)


def test_an_image_smaller_than_the_patch_is_named(data):
    assert load(data, smallest=16).names == ("good.png",)
    with pytest.raises(ImageError, match=r"good\.png: 16×16 pixels, smaller than the patch of 17"):
        load(data, smallest=17)


def test_an_image_of_too_many_pixels_is_not_decoded(data, monkeypatch):
    monkeypatch.setattr(images, "LARGEST_PIXELS", 255)
    with pytest.raises(ImageError, match=r"good\.png: 16×16 pixels, more than 255"):
        load(data)


def test_a_missing_or_empty_folder_is_named(data):
    with pytest.raises(ImageError, match=r"bsds500/val: no such folder"):
        load(data, "validation")
    (data / "bsds500" / "val").mkdir()
    (data / "bsds500" / "val" / "readme.txt").write_text("no image")
    with pytest.raises(ImageError, match=r"bsds500/val: holds no image"):
        load(data, "validation")
    with pytest.raises(ImageError, match="needs --data DIR"):
        load(None)
    with pytest.raises(ImageError, match="'val': one of train, validation, test"):
        load(data, "val")


def test_files_are_taken_by_name(data):
    for name in ("b.PNG", "a.bmp", "c.txt"):
        (data / "bsds500" / "train" / name).write_bytes(encoded(GRAY))
    assert [path.name for path in split_files("bsds500", "train", data)] == ["a.bmp", "b.PNG", "good.png"]
    assert load(data, limit=2).names == ("a.bmp", "b.PNG")


def test_embedded_splits_are_disjoint_and_usable():
    loaded = {split: load_split("embedded", split, 1, None, smallest=64) for split in EMBEDDED}
    pixels = {split: {image.tobytes() for image in found.clean} for split, found in loaded.items()}
    for one, other in itertools.combinations(EMBEDDED, 2):
        assert not set(EMBEDDED[one]) & set(EMBEDDED[other])
        assert not pixels[one] & pixels[other]
    assert loaded["test"].names == EMBEDDED["test"]


def test_colours_become_gray_and_gray_becomes_colours(tmp_path):
    colours = np.stack([GRAY, GRAY.T, 255 - GRAY, GRAY], axis=-1)
    (tmp_path / "rgba.png").write_bytes(encoded(colours))
    (tmp_path / "gray.png").write_bytes(encoded(GRAY))
    np.testing.assert_array_equal(read_image(tmp_path / "rgba.png", 3), colours[..., :3])
    gray = read_image(tmp_path / "rgba.png", 1)
    assert gray.shape == (16, 16, 1)
    np.testing.assert_allclose(gray[..., 0], colours[..., :3] @ [0.299, 0.587, 0.114], atol=1)
    np.testing.assert_array_equal(read_image(tmp_path / "gray.png", 3), np.stack([GRAY] * 3, axis=-1))


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


def crops(**changed):
    values = {
        "images": [GRAY[..., None]],
        "batch_size": 40,
        "patch_size": 8,
        "sigma": 30.0,
        "protocol": "clip8",
        "seed": 0,
        "role": "crops",
    }
    return Crops(**{**values, **changed})


def test_crops_are_turned_and_flipped_windows():
    windows = {
        side.tobytes(): (y, x, turns, flipped)
        for y, x, turns, flipped in itertools.product(range(9), range(9), range(4), (False, True))
        for side in [np.rot90(np.fliplr(GRAY[y : y + 8, x : x + 8]) if flipped else GRAY[y : y + 8, x : x + 8], turns)]
    }
    clean = crops().batch(0)[1]
    found = [windows[(255 * crop[0].numpy()).round().astype(np.uint8).tobytes()] for crop in clean]
    assert {(turns, flipped) for _, _, turns, flipped in found} == set(itertools.product(range(4), (False, True)))
    assert {y for y, *_ in found} >= {0, 8}


def test_a_batch_is_a_function_of_seed_role_and_iteration():
    def batch(iteration=3, **changed):
        return tuple(tensor.numpy().tobytes() for tensor in crops(**changed).batch(iteration))

    assert batch() == batch()
    assert len({batch(), batch(seed=1), batch(role="other"), batch(4)}) == 4
    assert batch(sigma=50.0)[1] == batch()[1] != batch()[0] != batch(sigma=50.0)[0]


def test_a_batch_pairs_degraded_with_clean():
    degraded, clean = crops(protocol="float", batch_size=200).batch(0)
    assert degraded.shape == clean.shape == (200, 1, 8, 8)
    assert 255 * (degraded - clean).std().item() == pytest.approx(30, rel=0.03)
    assert crops(patch_size=16).batch(0)[1].shape == (40, 1, 16, 16)


def test_as_tensor_moves_channels_first():
    pixels = np.arange(24.0).reshape(2, 3, 4)
    assert as_tensor(pixels).shape == (4, 2, 3)
    np.testing.assert_array_equal(as_tensor(pixels)[1].numpy(), pixels[..., 1])

import io
import re
import struct
import zlib

import numpy as np
import PIL.Image
import pytest
from pictures import encoded, picture, save, side_by_side

from clearer.images import reading
from clearer.images.reading import ImageError, ImageFile, bt601, read_file, read_image

GRAY = np.arange(256, dtype=np.uint8).reshape(16, 16)
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
NAN = np.where(GRAY > 9, np.nan, GRAY).astype(np.float32)
DAMAGED = 2_400


def png(width, height, depth, colour, pixels=b""):
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
        (b"IDAT", zlib.compress(pixels)),
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
    "16-bit colours": png(1, 1, 16, 2, bytes(7)),
    "floats": encoded(GRAY.astype(np.float32), "TIFF"),
    "NaN": encoded(NAN, "TIFF"),
    "bomb": png(30_000, 30_000, 8, 0),
    "bomb of one bit": png(30_000, 30_000, 1, 0),
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_unusable_file_is_named_in_one_line(tmp_path, content, channels):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"\A{re.escape(str(path))}: [^\n]*\Z"):
        read_image(path, channels)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path, tmp_path / "none.png"):
        with pytest.raises(ImageError, match=re.escape(str(path))):
            read_image(path, 1)


def test_an_image_of_too_many_pixels_is_not_decoded(tmp_path, monkeypatch):
    path = save(tmp_path / "good.png", GRAY)
    monkeypatch.setattr(reading, "LARGEST_PIXELS", 255)
    with pytest.raises(ImageError, match=r"good\.png: 16×16 pixels, more than 255"):
        read_image(path, 1)


def test_colours_become_gray_and_gray_becomes_colours(tmp_path):
    colours = np.stack([GRAY, GRAY.T, 255 - GRAY, GRAY], axis=-1)
    rgba, gray = save(tmp_path / "rgba.png", colours), save(tmp_path / "gray.png", GRAY)
    np.testing.assert_array_equal(read_image(rgba, 3), colours[..., :3])
    found = read_image(rgba, 1)
    assert found.shape == (16, 16, 1)
    np.testing.assert_allclose(found[..., 0], colours[..., :3] @ [0.299, 0.587, 0.114], atol=1)
    np.testing.assert_array_equal(read_image(gray, 3), np.stack([GRAY] * 3, axis=-1))


def test_the_two_conversions_to_gray_are_what_they_are_named(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / "colours.png", colours)
    pillow, matlab = (read_image(path, 1, grayscale)[..., 0].astype(int) for grayscale in ("pillow", "bt601"))
    exact = colours @ [0.298936021293775, 0.587043074451121, 0.114020904255103]
    np.testing.assert_array_equal(matlab, np.floor(exact + 0.5))
    np.testing.assert_array_equal(pillow, np.asarray(PIL.Image.fromarray(colours).convert("L")))
    assert 0 < np.abs(pillow - matlab).max() <= 1


def test_gray_stays_as_it_is_under_both_conversions(tmp_path):
    path = save(tmp_path / "gray.png", GRAY)
    for grayscale in ("pillow", "bt601"):
        np.testing.assert_array_equal(read_image(path, 1, grayscale)[..., 0], GRAY)
    np.testing.assert_array_equal(bt601(np.stack([GRAY] * 3, -1)), GRAY)


def test_pairs_are_two_halves_or_two_files(tmp_path):
    clean = picture(0, 12, 10)
    both = side_by_side(clean)
    beside = save(tmp_path / "beside.png", both)
    one, other = save(tmp_path / "clean.png", clean), save(tmp_path / "degraded.png", both[:, 10:])
    for file in (ImageFile(beside, half="left"), ImageFile(one, other)):
        for found, expected in zip(read_file(file, 3), (clean, both[:, 10:]), strict=True):
            np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(read_file(ImageFile(beside, half="right"), 3)[1], clean)
    assert read_file(ImageFile(one), 3)[1] is None


def test_pairs_that_do_not_fit_are_named(tmp_path):
    odd = save(tmp_path / "odd.png", picture(0, 12, 11))
    with pytest.raises(ImageError, match=r"odd\.png: 11×12 pixels, but a side-by-side pair has an even width"):
        read_file(ImageFile(odd, half="left"), 3)
    even = save(tmp_path / "even.png", picture(0, 12, 10))
    with pytest.raises(ImageError, match=r"odd\.png: 11×12 pixels, but the clean .*even\.png has 10×12"):
        read_file(ImageFile(even, odd), 3)


def damaged(originals, seed):
    """One of the original files with bytes flipped, cut off, or replaced by a piece of another."""
    generator = np.random.default_rng(seed)
    data, other = (bytearray(originals[int(generator.integers(len(originals)))]) for _ in range(2))
    way = generator.integers(4)
    place = int(generator.integers(len(data)))
    if way == 0:
        return data[:place]
    if way == 1:
        for flipped in generator.integers(len(data), size=int(generator.integers(1, 30))):
            data[flipped] ^= int(generator.integers(1, 256))
    elif way == 2:  # where the sizes and the tables are
        data[int(generator.integers(min(64, len(data))))] = int(generator.integers(256))
    else:
        start = int(generator.integers(len(other)))
        data[place : place + int(generator.integers(200))] = other[start : start + int(generator.integers(200))]
    return data


@pytest.mark.parametrize("seed", range(0, DAMAGED, 300))
def test_damaged_images_are_read_or_named(tmp_path, seed):
    small = picture(0, 24, 20)
    originals = [encoded(pixels, kind) for pixels in (small, small[..., 0]) for kind in ("PNG", "JPEG", "BMP", "TIFF")]
    originals += [encoded(small, "JPEG", progressive=True), encoded(small, "TIFF", compression="tiff_lzw")]
    buffer = io.BytesIO()
    PIL.Image.fromarray(small).quantize(16).save(buffer, "PNG")
    originals.append(buffer.getvalue())
    outcomes = {"read": 0, "named": 0}
    for one in range(seed, seed + 300):
        path = tmp_path / f"{one}.png"
        path.write_bytes(damaged(originals, one))
        try:
            image = read_image(path, 3 if one % 2 else 1, "bt601" if one % 3 else "pillow")
        except ImageError as error:
            assert re.fullmatch(rf"{re.escape(str(path))}: [^\n]+", str(error)), error  # noqa: PT017
            outcomes["named"] += 1
        else:
            assert image.dtype == np.uint8
            assert image.ndim == 3
            outcomes["read"] += 1
    assert min(outcomes.values()) > 30

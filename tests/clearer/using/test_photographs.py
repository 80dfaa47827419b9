import io
import re
import struct
import zlib

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from clearer.images.reading import ImageError
from clearer.using import photographs
from clearer.using.photographs import Photograph, read_photograph, write_png

PROFILE = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
KINDS = [(dtype, channels) for dtype in (np.uint8, np.uint16) for channels in (1, 2, 3, 4)]
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)


def pixels(channels, dtype=np.uint8, size=(7, 5)):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (*size, channels), dtype, endpoint=True)


def photograph(channels, dtype=np.uint8, size=(7, 5), **more):
    values = pixels(channels, dtype, size)
    count = 1 if channels < 3 else 3
    return Photograph(values[..., :count], values[..., count:] if channels % 2 == 0 else None, **more)


def png(shown):
    buffer = io.BytesIO()
    write_png(shown, buffer)
    return buffer.getvalue()


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    (image if isinstance(image, PIL.Image.Image) else PIL.Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def oriented(orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return exif


def by_hand(data):
    """(height, width, bytes of a pixel) of a PNG whose rows have filter 1; chunks and checksums are checked."""
    chunks, place = {}, 8
    while place < len(data):
        (length,), name = struct.unpack(">I", data[place : place + 4]), data[place + 4 : place + 8]
        body = data[place + 8 : place + 8 + length]
        assert struct.unpack(">I", data[place + 8 + length : place + 12 + length])[0] == zlib.crc32(name + body)
        chunks[name] = chunks.get(name, b"") + body
        place += 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert (rows[:, 0] == 1).all()
    return np.cumsum(rows[:, 1:].reshape(height, width, -1), axis=1, dtype=np.uint8)


@pytest.fixture
def read(tmp_path):
    """Reads bytes as an image file."""

    def from_bytes(data, name="photo.png"):
        (tmp_path / name).write_bytes(data)
        return read_photograph(tmp_path / name)

    return from_bytes


@pytest.mark.parametrize(("dtype", "channels"), KINDS)
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (130, 3)])
def test_a_png_holds_the_pixels(read, dtype, channels, size):
    shown = photograph(channels, dtype, size)
    expected = pixels(channels, dtype, size)
    big_endian = expected.astype(expected.dtype.newbyteorder(">")).view(np.uint8)
    assert np.array_equal(by_hand(png(shown)), big_endian)
    again = read(png(shown))
    assert again.colour.dtype == dtype
    assert np.array_equal(again.colour, shown.colour)
    assert (again.alpha is None) == (shown.alpha is None)
    assert again.alpha is None or np.array_equal(again.alpha, shown.alpha)


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 1), (np.uint8, 3), (np.uint8, 4), (np.uint16, 1)])
def test_others_read_it(dtype, channels):
    image = PIL.Image.open(
        io.BytesIO(png(photograph(channels, dtype, profile=PROFILE, exif=oriented(6).tobytes()[6:])))
    )
    assert np.array_equal(np.asarray(image).reshape(7, 5, channels), pixels(channels, dtype))
    assert image.info["icc_profile"] == PROFILE
    assert image.getexif()[0x0112] == 6


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_tiff_of_16_bits_keeps_them(read, channels, byteorder, compression):
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        pixels(channels, np.uint16).squeeze(),
        photometric="minisblack" if channels == 1 else "rgb",
        byteorder=byteorder,
        compression=compression,
        extrasamples=["unassalpha"] if channels == 4 else None,
    )
    found = read(buffer.getvalue(), "photo.tif")
    assert found.bits == 16
    assert np.array_equal(found.colour, pixels(channels, np.uint16)[..., : min(channels, 3)])
    assert (found.alpha is None) == (channels != 4)
    assert found.alpha is None or np.array_equal(found.alpha, pixels(4, np.uint16)[..., 3:])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_profile_and_orientation_are_read(read, kind):
    data = encoded(pixels(3, size=(8, 16)), kind, icc_profile=PROFILE, exif=oriented(6).tobytes())
    found = read(data)
    assert found.profile == PROFILE
    assert PIL.Image.open(io.BytesIO(png(found))).getexif()[0x0112] == 6
    assert found.colour.shape == (8, 16, 3)


def test_a_tiff_is_turned_upright_once(read):
    image = pixels(1)
    found = read(encoded(image.squeeze(), "TIFF", tiffinfo={0x0112: 6}), "photo.tif")
    assert np.array_equal(found.colour[..., 0], np.rot90(image[..., 0], -1))
    assert found.exif == b""


def test_a_palette_becomes_colours(read):
    image = PIL.Image.fromarray(pixels(3)).quantize(64)
    assert np.array_equal(read(encoded(image)).colour, np.asarray(image.convert("RGB")))
    found = read(encoded(image, transparency=int(np.asarray(image)[0, 0])))
    assert found.colour.shape == (7, 5, 3)
    assert np.array_equal(found.alpha[..., 0] == 0, np.asarray(image) == np.asarray(image)[0, 0])


def test_one_bit_becomes_black_and_white(read):
    image = PIL.Image.fromarray(pixels(1)[..., 0] > 127)
    found = read(encoded(image))
    assert (found.bits, found.alpha) == (8, None)
    assert np.array_equal(found.colour[..., 0], 255 * np.asarray(image))


@pytest.mark.parametrize(
    "image", [pixels(1)[..., 0], pixels(3), pixels(1, np.uint16)[..., 0]], ids=["L", "RGB", "I;16"]
)
def test_a_transparent_colour_becomes_alpha(read, image):
    key = tuple(map(int, image[2, 3])) if image.ndim == 3 else int(image[2, 3])
    data = png(Photograph(np.atleast_3d(image)))
    body = b"".join(struct.pack(">H", value) for value in np.atleast_1d(key))
    chunk = struct.pack(">I", len(body)) + b"tRNS" + body + struct.pack(">I", zlib.crc32(b"tRNS" + body))
    found = read(data[:33] + chunk + data[33:])
    assert found.alpha.dtype == found.colour.dtype
    assert np.array_equal(found.alpha[..., 0] == 0, (np.atleast_3d(image) == key).all(-1))
    assert set(np.unique(found.alpha)) == {0, np.iinfo(image.dtype).max}


def test_cmyk_becomes_rgb_without_its_profile(read):
    data = encoded(PIL.Image.fromarray(pixels(3, size=(8, 8))).convert("CMYK"), "JPEG", icc_profile=PROFILE)
    found = read(data, "photo.jpg")
    assert (found.colour.shape, found.alpha, found.profile) == ((8, 8, 3), None, b"")


def test_frames_are_counted(read):
    frames = [PIL.Image.fromarray(NOISE), PIL.Image.fromarray(NOISE.T.copy())]
    found = read(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), "photo.gif")
    assert (found.frames, found.colour.shape[:2]) == (2, (64, 64))


UNREADABLE = {
    "zero bytes": b"",
    "text": b"not an image\n",
    "truncated png": encoded(NOISE)[:2000],
    "truncated jpeg": encoded(NOISE, "JPEG")[:2000],
    "truncated 16 bits": png(photograph(3, np.uint16, (64, 64)))[:2000],
    "floats": encoded(NOISE.astype(np.float32), "TIFF"),
    "32 bits": encoded(NOISE.astype(np.int32), "TIFF"),
    "bomb": png(photograph(1))[:16] + struct.pack(">II", 60_000, 60_000) + b"\x08\0\0\0\0",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unusable_file_is_named_in_one_line(read, tmp_path, content):
    with pytest.raises(ImageError, match=f"^{re.escape(str(tmp_path))}/photo.png: ") as refused:
        read(content)
    assert "\n" not in str(refused.value)


def test_the_largest_size_is_named(read, monkeypatch):
    monkeypatch.setattr(photographs, "LARGEST_PIXELS", 34)
    with pytest.raises(ImageError, match=r"5×7 pixels, more than 34; cut it"):
        read(png(photograph(1)))


def test_folders_and_missing_files_are_named(tmp_path):
    for path, reason in ((tmp_path, "is a folder"), (tmp_path / "no.png", "no such file")):
        with pytest.raises(ImageError, match=f"^{re.escape(str(path))}: {reason}"):
            read_photograph(path)


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_no_image(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(data)
    with pytest.raises(ImageError):
        read_photograph(path)

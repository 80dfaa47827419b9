"""A user's own image files, in and out: bit depth, alpha, colour profile and orientation are kept.

Pillow decodes 16-bit colour to the upper 8 bits of each value. Decoded again with the bytes of each value said
to be swapped, a file gives the lower 8. Pillow cannot write 16-bit colour, so PNG is written here.
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
import PIL.ImageFile

from clearer.images.reading import ImageError, opened_image

LARGEST_PIXELS = 200_000_000
_SWAPPED = {"B": "L", "L": "B", "N": "B" if np.little_endian else "L"}
_ROWS = 64


@dataclass(frozen=True)
class Photograph:
    """`colour` is uint8 or uint16, (height, width, 1 or 3); `alpha` has one channel, or is None.

    `profile` (ICC) and `exif`, with the orientation, are bytes. Pixels lie as in the file; those of a TIFF are turned.
    """

    colour: np.ndarray
    alpha: np.ndarray | None = None
    profile: bytes = b""
    exif: bytes = b""
    frames: int = 1

    @property
    def bits(self) -> int:
        """8 or 16, a channel."""
        return 8 * self.colour.dtype.itemsize


def read_photograph(path: Path) -> Photograph:
    """The first frame of an image file; a palette becomes colours, 1 bit becomes 8, CMYK becomes RGB.

    Raises ImageError: no readable image, more than 200 megapixels, or values of 32 bits.
    """
    if path.is_dir():
        raise ImageError(f"{path}: is a folder; name the images in it")
    with opened_image(path, LARGEST_PIXELS, "; cut it into parts") as image:
        if image.mode in ("I", "F"):
            raise ImageError(f"{path}: 32 bits a channel; save it with 8 or 16 first")
        return _decoded(image, path)


def _decoded(image: PIL.ImageFile.ImageFile, path: Path) -> Photograph:
    frames, profile = getattr(image, "n_frames", 1), image.info.get("icc_profile") or b""
    key = image.info.get("transparency") if image.mode in ("L", "RGB", "I;16", "I;16B") else None
    deep = [str(tile.args if isinstance(tile.args, str) else tile.args[0]) for tile in image.tile if tile.args]
    if image.mode.startswith("I;16"):
        pixels = np.asarray(image).astype(np.uint16)
    elif any(";16" in raw for raw in deep):
        pixels = _sixteen_bits(image, path)
    else:
        if image.mode == "CMYK":
            profile = b""  # it describes inks
        mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
        has_alpha = image.has_transparency_data and image.mode not in ("L", "RGB")
        pixels = np.asarray(image.convert(f"{mode}A" if has_alpha else mode))
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    colour, alpha = np.split(pixels, [1 if pixels.shape[2] < 3 else 3], axis=2)
    if key is not None:
        alpha = ~(colour == key).all(-1, keepdims=True) * np.array(np.iinfo(colour.dtype).max, colour.dtype)
    # A TIFF's tags describe that very file, and Pillow has turned its pixels upright.
    exif = b"" if image.format == "TIFF" else (image.info.get("exif") or b"").removeprefix(b"Exif\0\0")
    return Photograph(colour, alpha if alpha.size else None, profile, exif, frames)


def _sixteen_bits(image: PIL.ImageFile.ImageFile, path: Path) -> np.ndarray:
    """(height, width, channels), uint16."""
    if image.tile[0].args == "LA;16B":  # a PNG of gray and alpha: four bytes a pixel
        image.tile = [tile._replace(args="RGBA") for tile in image.tile]
        return np.asarray(image).view(">u2").astype(np.uint16)
    upper = np.asarray(image).astype(np.uint16)
    with path.open("rb") as file, PIL.Image.open(file) as again:
        again.tile = [tile._replace(args=_swapped(tile.args)) for tile in again.tile]
        return (upper << 8) + np.asarray(again)


def _swapped(arguments: Any) -> Any:
    """A decoder's arguments (the raw mode, or a tuple that begins with it) with the byte order turned round."""
    if isinstance(arguments, tuple):
        return (_swapped(arguments[0]), *arguments[1:])
    return arguments[:-1] + _SWAPPED[arguments[-1]]


def write_png(photograph: Photograph, file: BinaryIO) -> None:
    """Writes 8- or 16-bit gray or RGB, with alpha, profile and EXIF where there are any."""
    height, width, channels = photograph.colour.shape
    kind = (0 if channels == 1 else 2) + (0 if photograph.alpha is None else 4)
    file.write(b"\x89PNG\r\n\x1a\n")
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, photograph.bits, kind, 0, 0, 0))
    if photograph.profile:
        _chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(photograph.profile))
    _chunk(file, b"eXIf", photograph.exif)
    packer = zlib.compressobj(6)
    for top in range(0, height, _ROWS):
        _chunk(file, b"IDAT", packer.compress(_filtered(photograph, top)))
    _chunk(file, b"IDAT", packer.flush())
    _chunk(file, b"IEND", b"")


def _filtered(photograph: Photograph, top: int) -> bytes:
    """Some rows as PNG's filter 1 has them: each byte less the same byte of the pixel to its left."""
    parts = [photograph.colour] if photograph.alpha is None else [photograph.colour, photograph.alpha]
    rows = np.concatenate([part[top : top + _ROWS] for part in parts], axis=2)
    values = np.ascontiguousarray(rows.astype(rows.dtype.newbyteorder(">"))).view(np.uint8)
    less = values.copy()
    less[:, 1:] -= values[:, :-1]
    return np.insert(less.reshape(len(less), -1), 0, 1, axis=1).tobytes()


def _chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    if data or name == b"IEND":
        file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))

"""One image file read as 8-bit pixels, gray or RGB, alone or with its degraded partner.

Everything that is wrong with a file is one `ImageError` of one line that names it. Orientation tags are not
followed, alpha is dropped, and of several frames the first is read.
"""

import contextlib
import hashlib
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageFile

Image = np.ndarray
"""uint8, (height, width, channels)."""
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
LARGEST_PIXELS = 100_000_000
BT601 = (0.298936021293775, 0.587043074451121, 0.114020904255103)
"""MATLAB's rgb2gray; Pillow's L uses 0.299, 0.587, 0.114 in whole numbers, and differs by one level in places."""
LUMA = np.array([65.481, 128.553, 24.966]) / 255
"""Of Y, MATLAB's rgb2ycbcr: ITU-R BT.601 in studio range, 16 … 235."""
GRAYS = ("pillow", "bt601", "luma")
_UNSHOWN = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of control characters, of bytes that are no UTF-8, and of ends of lines."""


class ImageError(ValueError):
    """A folder or an image that can't be used; the message is one line that names it."""


def shown(text: Path | str) -> str:
    """A path, or a text with paths, as a message shows it: what is not UTF-8 or controls a terminal is escaped."""
    escaped = (c if unicodedata.category(c) not in _UNSHOWN else ascii(c)[1:-1] for c in str(text))
    return "".join(escaped)


def check_name(path: Path) -> None:
    """Raises ImageError: a path that no text can hold; it is not UTF-8, or has a character that controls a terminal."""
    if shown(path) != str(path):
        raise ImageError(f"{shown(path)}: its name is not UTF-8, or has a control character; rename it")


class ImageFile(NamedTuple):
    """Where a clean image and its partner are; `half` is the clean one where `path` holds both side by side."""

    path: Path
    degraded: Path | None = None
    half: str = ""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of it."""
        return (self.path,) if self.degraded is None else (self.path, self.degraded)


def read_file(file: ImageFile, channels: int, grayscale: str = "pillow") -> tuple[Image, Image | None]:
    """The clean image, and its partner or None. Raises ImageError: as `read_image`, or the two differ in size."""
    image = read_image(file.path, channels, grayscale)
    if file.half:
        if image.shape[1] % 2:
            size = f"{image.shape[1]}×{image.shape[0]} pixels"
            raise ImageError(f"{file.path}: {size}, but a side-by-side pair has an even width")
        left, right = np.split(image, 2, axis=1)
        return (left, right) if file.half == "left" else (right, left)
    if file.degraded is None:
        return image, None
    degraded = read_image(file.degraded, channels, grayscale)
    if degraded.shape != image.shape:
        sizes = [f"{i.shape[1]}×{i.shape[0]}" for i in (degraded, image)]
        raise ImageError(f"{file.degraded}: {sizes[0]} pixels, but the clean {file.path} has {sizes[1]}")
    return image, degraded


def check_file(file: ImageFile, decode: bool) -> None:
    """Raises ImageError: it can't be opened, or where that is asked, not be decoded."""
    for path in file.paths:
        with opened_image(path, LARGEST_PIXELS):
            pass
    if decode:
        read_file(file, 1)


def read_image(path: Path, channels: int, grayscale: str = "pillow") -> Image:
    """One image as uint8 (height, width, channels); of one channel by Pillow's L, or MATLAB's (`bt601`, `luma`).

    Raises ImageError: not a readable 8-bit image, or larger than 100 megapixels.
    """
    gray = channels == 1 and grayscale == "pillow"
    with opened_image(path, LARGEST_PIXELS) as image:
        if image.mode.startswith(("I", "F")) or any(";16" in str(tile) for tile in image.tile):
            raise ImageError(f"{path}: more than 8 bits a channel")
        pixels = np.asarray(image.convert("L" if gray else "RGB"))
    if channels == 1 and not gray:
        pixels = bt601(pixels) if grayscale == "bt601" else np.rint(pixels @ LUMA + 16).astype(np.uint8)
    return pixels.reshape(*pixels.shape[:2], channels)


@contextlib.contextmanager
def opened_image(path: Path, most: int, mend: str = "") -> Iterator[PIL.ImageFile.ImageFile]:
    """An image file, opened but not decoded; whatever goes wrong inside is an `ImageError` of one line.

    Raises ImageError: no readable image, or more than `most` pixels, with what then mends it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata, and of sizes that are checked here
            # An open file, not a path: a path lets Pillow map turned TIFFs with the wrong size.
            with path.open("rb") as file, PIL.Image.open(file) as image:
                if image.width * image.height > most:
                    raise ImageError(f"{path}: {image.width}×{image.height} pixels, more than {most:,}{mend}")
                yield image
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except PIL.Image.DecompressionBombError:
        raise ImageError(f"{path}: more than {most:,} pixels{mend}") from None
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        detail = (str(error).splitlines() or ["no detail"])[0]
        raise ImageError(f"{path}: not a readable image ({type(error).__name__}: {detail})") from None


def bt601(pixels: np.ndarray) -> np.ndarray:
    """RGB of shape (height, width, 3) to gray (height, width), uint8, rounded as MATLAB's rgb2gray rounds."""
    red, green, blue = (weight * pixels[..., channel] for channel, weight in enumerate(BT601))
    return np.floor(red + green + blue + 0.5).astype(np.uint8)


def content_hash(path: Path) -> str:
    """SHA-256, in hex, of a file's bytes. Raises ImageError: it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ImageError(f"{path}: not a readable file ({error.strerror})") from None

"""Images in memory: the files that `clearer.images.datasets` names, decoded once a node, for `clearer.crops` to cut.

Decoded images of a split are one file in the cache, which every process maps into its memory:

    pixels, image after image, uint8 · their shapes as JSON · the length of that text (8 bytes, little-endian)

The file's name is the hash of the listed files (names, contents) and of how they are read, so it never goes
stale. It is written whole or not at all. Where the cache can't be written, images are decoded into memory.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from clearer.images.cache import alone, cache_folder, written_whole
from clearer.images.reading import Image, ImageError, ImageFile, content_hash, read_file

_VERSION = 2
Pair = tuple[Image, Image | None]
"""A clean image, and its degraded partner if there is one."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """The images of one split: uint8, (height, width, channels) each, with their file names.

    `degraded` has the partners of `clean`, or is None where noise is added. `contents` has the hashes of the files.
    """

    names: tuple[str, ...]
    clean: tuple[Image, ...]
    degraded: tuple[Image, ...] | None = None
    contents: tuple[str, ...] = ()

    def first(self, count: int) -> "ImageSet":
        """The first so many by name; 0: all."""
        few = slice(count or None)
        return ImageSet(self.names[few], self.clean[few], self.degraded and self.degraded[few], self.contents[few])


def load_images(
    files: Sequence[ImageFile], channels: int, grayscale: str = "pillow", smallest: int = 1, why: str = ""
) -> ImageSet:
    """The images of `files`, decoded; read-only, shared with the other processes of this node.

    Raises ImageError: a file that can't be read, has changed, or has a side below `smallest`, which `why` explains.
    """
    hashes = tuple(map(content_of, files))
    images = decoded(files, hashes, channels, grayscale)
    for file, (clean, _) in zip(files, images, strict=True):
        if min(clean.shape[:2]) < smallest:
            size = f"{clean.shape[1]}×{clean.shape[0]} pixels"
            raise ImageError(f"{file.path}: {size}, smaller than {why or smallest}; take it out of the folder")
    degraded = tuple(image for _, image in images if image is not None)
    names = tuple(file.path.name for file in files)
    return ImageSet(names, tuple(clean for clean, _ in images), degraded or None, hashes)


def content_of(file: ImageFile) -> str:
    """The SHA-256 of a file's bytes; of a pair of files `one+other`. Raises ImageError: a file can't be read."""
    return "+".join(map(content_hash, file.paths))


def decoded(files: Sequence[ImageFile], hashes: Sequence[str], channels: int, grayscale: str) -> list[Pair]:
    """The images of `files`, whose contents are `hashes`. Raises ImageError: names one that has changed since."""
    named = list(zip(files, hashes, strict=True))
    read = (_read(*one, channels, grayscale) for one in named)
    listed = [[*(path.name for path in file.paths), file.half, content] for file, content in named]
    about = json.dumps([_VERSION, channels, grayscale, *listed])
    try:
        path = cache_folder("decoded") / f"{hashlib.sha256(about.encode()).hexdigest()}.images"
        with alone("decoded", path.stem):
            if not path.exists():
                with written_whole(path) as temporary, temporary.open("wb") as out:
                    _write_images(out, read)
        return _mapped(path)
    except OSError:
        return [_read(*one, channels, grayscale) for one in named]


def _write_images(out: BinaryIO, images: Iterable[Pair]) -> None:
    shapes = []
    for clean, degraded in images:
        shapes.append([*clean.shape, degraded is not None])
        for image in (clean, degraded):
            if image is not None:
                out.write(np.ascontiguousarray(image).data)
    text = json.dumps(shapes).encode()
    out.write(text + len(text).to_bytes(8, "little"))


def _read(file: ImageFile, expected: str, channels: int, grayscale: str) -> Pair:
    images = read_file(file, channels, grayscale)
    if content_of(file) != expected:
        raise ImageError(f"{file.path}: changed while it was in use")
    return images


def _mapped(path: Path) -> list[Pair]:
    data = np.memmap(path, np.uint8, "r")
    text = data[-8 - int.from_bytes(data[-8:].tobytes(), "little") : -8]
    place = 0

    def image(shape: Sequence[int]) -> Image:
        nonlocal place
        place += math.prod(shape)
        return np.asarray(data[place - math.prod(shape) : place]).reshape(shape)

    return [(image(shape), image(shape) if paired else None) for *shape, paired in json.loads(text.tobytes())]


def check_unchanged(images: ImageSet, expected: Sequence[str]) -> None:
    """Raises ImageError: the first image whose contents are no longer those that were `expected`."""
    for name, now, before in zip(images.names, images.contents, expected, strict=False):
        if now != before:
            raise ImageError(f"{name}: changed during the study")
    if len(images.contents) != len(expected):
        raise ImageError(f"{images.names[-1]}: a split of {len(expected)} images has {len(images.contents)} now")


def fingerprint(images: ImageSet) -> str:
    """SHA-256, in hex, over the names, shapes and pixels."""
    found = hashlib.sha256()
    for pixels in (images.clean, images.degraded or ()):
        for name, image in zip(images.names, pixels, strict=bool(pixels)):
            found.update(f"{name} {image.shape} ".encode())
            found.update(np.ascontiguousarray(image).data)
    return found.hexdigest()

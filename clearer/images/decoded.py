"""Decoded images of a split, once per node: one file in the cache that every process maps into its memory.

    pixels, image after image, uint8 · their shapes as JSON · the length of that text (8 bytes, little-endian)

The file's name is the hash of the listed files (names, contents) and of how they are read, so it never goes
stale. It is written whole or not at all. Where the cache can't be written, images are decoded into memory.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from clearer.images.cache import alone, cache_folder, written_whole
from clearer.images.reading import Image, ImageError, ImageFile, content_hash, read_file

_VERSION = 2


def contents(files: Sequence[ImageFile]) -> tuple[str, ...]:
    """The SHA-256 of each file's bytes; of a pair of files `one+other`. Raises ImageError: a file can't be read."""
    return tuple("+".join(map(content_hash, file.paths)) for file in files)


def decoded(
    files: Sequence[ImageFile], hashes: Sequence[str], channels: int, grayscale: str
) -> list[tuple[Image, Image | None]]:
    """Clean and degraded images of `files`, whose `contents` are `hashes`: read-only, in the memory of the node.

    Raises ImageError: names a file that can't be used, or that is no longer what was hashed.
    """
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


def _write_images(out: BinaryIO, images: Iterable[tuple[Image, Image | None]]) -> None:
    shapes = []
    for clean, degraded in images:
        shapes.append([*clean.shape, degraded is not None])
        for image in (clean, degraded):
            if image is not None:
                out.write(np.ascontiguousarray(image).data)
    text = json.dumps(shapes).encode()
    out.write(text + len(text).to_bytes(8, "little"))


def _read(file: ImageFile, expected: str, channels: int, grayscale: str) -> tuple[Image, Image | None]:
    images = read_file(file, channels, grayscale)
    if contents([file])[0] != expected:
        raise ImageError(f"{file.path}: changed while it was in use")
    return images


def _mapped(path: Path) -> list[tuple[Image, Image | None]]:
    data = np.memmap(path, np.uint8, "r")
    text = data[-8 - int.from_bytes(data[-8:].tobytes(), "little") : -8]
    place = 0

    def image(shape: Sequence[int]) -> Image:
        nonlocal place
        place += math.prod(shape)
        return np.asarray(data[place - math.prod(shape) : place]).reshape(shape)

    return [(image(shape), image(shape) if paired else None) for *shape, paired in json.loads(text.tobytes())]

"""Decoded images of a split, once per node: one file in the cache that every process maps into its memory.

    length of the header (8 bytes, little-endian) · header (JSON: shapes) · pixels, image after image, uint8

The file's name is the hash of the listed files (names, contents) and of how they are read, so it never goes stale,
and it is written whole or not at all. Where the cache can't be written the images are decoded into memory.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from clearer.images.cache import alone, cache_folder, written_whole
from clearer.images.reading import Image, ImageError, ImageFile, content_hash, read_file

_VERSION = 1


def contents(files: Sequence[ImageFile]) -> tuple[str, ...]:
    """For each file the SHA-256 of its bytes; of a pair of files, both, joined by a plus.

    Raises:
        ImageError: names a file that can't be read.
    """
    return tuple("+".join(map(content_hash, file.paths)) for file in files)


def decoded(
    files: Sequence[ImageFile], hashes: Sequence[str], channels: int, grayscale: str
) -> list[tuple[Image, Image | None]]:
    """Clean and degraded images of `files`, whose `contents` are `hashes`: read-only, in the memory of the node.

    Raises:
        ImageError: names a file that can't be used, or that is no longer what was hashed.
    """
    about = json.dumps(
        [
            _VERSION,
            channels,
            grayscale,
            *([*(p.name for p in f.paths), f.half, h] for f, h in zip(files, hashes, strict=True)),
        ]
    )
    try:
        path = cache_folder("decoded") / f"{hashlib.sha256(about.encode()).hexdigest()}.images"
        with alone("decoded", path.stem):
            if not path.exists():
                with written_whole(path) as temporary, temporary.open("wb") as out:
                    _write_images(out, files, hashes, channels, grayscale)
        return _mapped(path)
    except OSError:
        return [_read(*named, channels, grayscale) for named in zip(files, hashes, strict=True)]


def _write_images(
    out: BinaryIO, files: Sequence[ImageFile], hashes: Sequence[str], channels: int, grayscale: str
) -> None:
    # The shapes come first in the file but are known last: room for the longest header is left.
    room = 64 + 80 * len(files)
    out.seek(8 + room)
    shapes = []
    for named in zip(files, hashes, strict=True):
        clean, degraded = _read(*named, channels, grayscale)
        shapes.append([*clean.shape, degraded is not None])
        for image in (clean, degraded):
            if image is not None:
                out.write(np.ascontiguousarray(image).data)
    header = json.dumps(shapes).encode()
    out.seek(0)
    out.write(room.to_bytes(8, "little") + header.ljust(room))


def _read(file: ImageFile, expected: str, channels: int, grayscale: str) -> tuple[Image, Image | None]:
    images = read_file(file, channels, grayscale)
    if contents([file])[0] != expected:
        raise ImageError(f"{file.path}: changed while it was in use")
    return images


def _mapped(path: Path) -> list[tuple[Image, Image | None]]:
    data = np.memmap(path, np.uint8, "r")
    place = 8 + int.from_bytes(data[:8].tobytes(), "little")
    images: list[tuple[Image, Image | None]] = []
    for *shape, paired in json.loads(data[8:place].tobytes()):
        pair: list[Image | None] = [None, None]
        for part in range(1 + paired):
            pair[part] = np.asarray(data[place : place + math.prod(shape)]).reshape(shape)
            place += math.prod(shape)
        assert pair[0] is not None
        images.append((pair[0], pair[1]))
    return images

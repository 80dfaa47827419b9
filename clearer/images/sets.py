"""Images in memory: the files that `clearer.images.datasets` names, decoded once a node, for `clearer.crops` to cut.

`fingerprint` is a hash of what was read; results are stored under it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clearer.images.datasets import split_files
from clearer.images.decoded import contents, decoded
from clearer.images.reading import Image, ImageError, ImageFile


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
    hashes = contents(files)
    images = decoded(files, hashes, channels, grayscale)
    for file, (clean, _) in zip(files, images, strict=True):
        if min(clean.shape[:2]) < smallest:
            size = f"{clean.shape[1]}×{clean.shape[0]} pixels"
            raise ImageError(f"{file.path}: {size}, smaller than {why or smallest}; take it out of the folder")
    degraded = tuple(image for _, image in images if image is not None)
    names = tuple(file.path.name for file in files)
    return ImageSet(names, tuple(clean for clean, _ in images), degraded or None, hashes)


def load_split(
    dataset: str, split: str, channels: int, data: Path | None, smallest: int = 1, limit: int = 0
) -> ImageSet:
    """The first `limit` clean images, or all, of a split. Raises ImageError: as `split_files` and `load_images`."""
    return load_images(split_files(dataset, split, data)[: limit or None], channels, smallest=smallest)


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

"""Images in memory: the files of a split decoded, and random crops of them.

1. `clearer.datasets` names the files of a split, without opening them.
2. `load_images` decodes them, gray or RGB, once per node (`clearer.decoded`), and names the file that can't be used.
3. `fingerprint` is a hash of what was read; results are stored under it.
4. `Crops.batch` cuts the batch of one iteration, a function of the stream's name and the iteration alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clearer.datasets import split_files
from clearer.decoded import contents, decoded
from clearer.protocols import degrade
from clearer.reading import Image, ImageError, ImageFile
from clearer.streams import stream


@dataclass(frozen=True)
class ImageSet:
    """The images of one split: uint8, (height, width, channels) each, with their file names.

    `degraded` has the partners of `clean`, or is None where noise is added. `contents` has the hashes of the files.
    """

    names: tuple[str, ...]
    clean: tuple[Image, ...]
    degraded: tuple[Image, ...] | None = None
    contents: tuple[str, ...] = ()


def load_images(files: Sequence[ImageFile], channels: int, grayscale: str = "pillow", smallest: int = 1) -> ImageSet:
    """The images of `files`, decoded; read-only, shared with the other processes of this node.

    Raises:
        ImageError: names the file that can't be read, changed meanwhile, or has a side below `smallest` pixels.
    """
    hashes = contents(files)
    images = decoded(files, hashes, channels, grayscale)
    for file, (clean, _) in zip(files, images, strict=True):
        if min(clean.shape[:2]) < smallest:
            raise ImageError(
                f"{file.path}: {clean.shape[1]}×{clean.shape[0]} pixels, smaller than the patch of {smallest}"
            )
    degraded = tuple(image for _, image in images if image is not None)
    names = tuple(file.path.name for file in files)
    return ImageSet(names, tuple(clean for clean, _ in images), degraded or None, hashes)


def load_split(
    dataset: str, split: str, channels: int, data: Path | None, smallest: int = 1, limit: int = 0
) -> ImageSet:
    """The clean images of one split of a dataset; the first `limit` by name, or all.

    Raises:
        ImageError: as `split_files` and `load_images`.
    """
    files = split_files(dataset, split, data)
    return load_images(files[: limit or None], channels, smallest=smallest)


def check_unchanged(images: ImageSet, expected: Sequence[str]) -> None:
    """Holds the `contents` of a set against those of the same set read before.

    Raises:
        ImageError: names the first image that is another one now.
    """
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


@dataclass(frozen=True)
class Crops:
    """Random crops of a set of images: degraded and clean batches, flipped and turned at random.

    The images, positions, turns and noise of iteration i of role r are drawn from `stream(seed, r, i)`.
    Partners are cropped, flipped and turned as their clean images are; `sigma` and `protocol` are for sets without.
    """

    images: ImageSet
    batch_size: int
    patch_size: int
    sigma: float
    protocol: str
    seed: int
    role: str

    def batch(self, iteration: int) -> tuple[Tensor, Tensor]:
        """Degraded and clean, each float32 (batch, channels, patch, patch), 1.0 is white."""
        generator = stream(self.seed, self.role, iteration)
        crops = [self._crop(generator, self.patch_size) for _ in range(self.batch_size)]
        clean = np.stack([crop for crop, _ in crops])
        if self.images.degraded is None:
            degraded = degrade(clean, self.sigma, self.protocol, generator)
        else:
            degraded = np.stack([crop for _, crop in crops]).astype(np.float32) / 255
        return as_tensor(degraded), as_tensor(clean.astype(np.float32) / 255)

    def _crop(self, generator: np.random.Generator, size: int) -> tuple[Image, Image]:
        """The same window of a clean image and its partner; of the clean image twice where there is none."""
        chosen = int(generator.integers(len(self.images.clean)))
        pair = self.images.clean[chosen], (self.images.degraded or self.images.clean)[chosen]
        y, x = (int(generator.integers(side - size + 1)) for side in pair[0].shape[:2])
        turns, flipped = int(generator.integers(4)), int(generator.integers(2))
        clean, degraded = (np.rot90(image[y : y + size, x : x + size], turns) for image in pair)
        return (clean[:, ::-1], degraded[:, ::-1]) if flipped else (clean, degraded)


def as_tensor(images: np.ndarray) -> Tensor:
    """(…, height, width, channels) to (…, channels, height, width), contiguous."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, -3)))

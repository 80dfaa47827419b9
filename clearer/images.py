"""Images in memory: which files a dataset's splits hold, read as 8-bit arrays, and crops of them.

1. `split_files` names the files of one split, without opening them.
2. `load_split` decodes them, gray or RGB, and names the file that can't be used.
3. `fingerprint` is a hash of what was read; results are stored under it.
4. `Crops.batch` cuts the batch of one iteration, a function of the stream's name and the iteration alone.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from skimage import data_dir  # type: ignore[attr-defined]
from torch import Tensor

from clearer.configuration import SPLITS
from clearer.protocols import Image, degrade
from clearer.streams import stream

# Photographs inside scikit-image's wheel, split by image; no two show the same scene.
EMBEDDED = {
    "train": (
        "astronaut.png",
        "brick.png",
        "coffee.png",
        "grass.png",
        "hubble_deep_field.jpg",
        "moon.png",
        "motorcycle_left.png",
    ),
    "validation": ("clock_motion.png", "gravel.png", "ihc.png", "rocket.jpg"),
    "test": ("chelsea.png", "camera.png", "coins.png"),
}
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
LARGEST_PIXELS = 100_000_000
_FOLDERS = {"train": "train", "validation": "val", "test": "test"}


class ImageError(ValueError):
    """A folder or an image that can't be used; the message is one line that names it."""


@dataclass(frozen=True)
class ImageSet:
    """The clean images of one split: uint8, (height, width, channels) each, with their file names."""

    names: tuple[str, ...]
    clean: tuple[Image, ...]


def split_files(dataset: str, split: str, data: Path | None) -> list[Path]:
    """The image files of one split, by name.

    Raises:
        ImageError: the folder is missing or holds no image, or `data` is not given and needed.
    """
    if split not in SPLITS:
        raise ImageError(f"split {split!r}: one of {', '.join(SPLITS)}")
    if dataset == "embedded":
        folder = Path(data_dir)
        return [folder / name for name in EMBEDDED[split]]
    if data is None:
        raise ImageError(f"dataset={dataset} needs --data DIR, the folder that holds {dataset}/")
    folder = Path(data) / dataset / _FOLDERS[split]
    if not folder.is_dir():
        raise ImageError(f"{folder}: no such folder; --data DIR must hold {dataset}/{_FOLDERS[split]}")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise ImageError(f"{folder}: holds no image ({', '.join(sorted(SUFFIXES))})")
    return files


def read_image(path: Path, channels: int) -> Image:
    """One image as uint8 (height, width, channels); gray by Pillow's L (ITU-R 601 weights), alpha dropped.

    Raises:
        ImageError: not a readable 8-bit image, or larger than 100 megapixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(path) as image:
                if image.width * image.height > LARGEST_PIXELS:
                    raise ImageError(f"{path}: {image.width}×{image.height} pixels, more than {LARGEST_PIXELS:,}")
                if image.mode.startswith(("I", "F")) or any(";16" in str(tile) for tile in image.tile):
                    raise ImageError(f"{path}: more than 8 bits a channel")
                pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise ImageError(
            f"{path}: not a readable image ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no detail'})"
        ) from None
    return pixels.reshape(*pixels.shape[:2], channels)


def load_split(
    dataset: str, split: str, channels: int, data: Path | None, smallest: int = 1, limit: int = 0
) -> ImageSet:
    """The images of one split, decoded; the first `limit` by name, or all.

    Raises:
        ImageError: names the file that can't be read or has a side below `smallest` pixels.
    """
    files = split_files(dataset, split, data)
    files = files[:limit] if limit else files
    images = tuple(read_image(path, channels) for path in files)
    for path, image in zip(files, images, strict=True):
        if min(image.shape[:2]) < smallest:
            raise ImageError(f"{path}: {image.shape[1]}×{image.shape[0]} pixels, smaller than the patch of {smallest}")
    return ImageSet(tuple(path.name for path in files), images)


def fingerprint(images: ImageSet) -> str:
    """SHA-256, in hex, over the names, shapes and pixels."""
    found = hashlib.sha256()
    for name, image in zip(images.names, images.clean, strict=True):
        found.update(f"{name} {image.shape} ".encode())
        found.update(np.ascontiguousarray(image).data)
    return found.hexdigest()


@dataclass(frozen=True)
class Crops:
    """Random crops of a set of images: degraded and clean batches, flipped and turned at random.

    The images, positions, turns and noise of iteration i of role r are drawn from `stream(seed, r, i)`.
    """

    images: Sequence[Image]
    batch_size: int
    patch_size: int
    sigma: float
    protocol: str
    seed: int
    role: str

    def batch(self, iteration: int) -> tuple[Tensor, Tensor]:
        """Degraded and clean, each float32 (batch, channels, patch, patch), 1.0 is white."""
        generator = stream(self.seed, self.role, iteration)
        size = self.patch_size
        clean = np.stack([self._crop(generator, size) for _ in range(self.batch_size)])
        degraded = degrade(clean, self.sigma, self.protocol, generator)
        return as_tensor(degraded), as_tensor(clean.astype(np.float32) / 255)

    def _crop(self, generator: np.random.Generator, size: int) -> Image:
        image = self.images[int(generator.integers(len(self.images)))]
        y, x = (int(generator.integers(side - size + 1)) for side in image.shape[:2])
        crop = np.rot90(image[y : y + size, x : x + size], int(generator.integers(4)))
        return crop[:, ::-1] if generator.integers(2) else crop


def as_tensor(images: np.ndarray) -> Tensor:
    """(…, height, width, channels) to (…, channels, height, width), contiguous."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, -3)))

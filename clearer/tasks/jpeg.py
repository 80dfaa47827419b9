"""Removing JPEG artefacts: an image is written as a baseline JPEG of a `quality`, and read again.

Quality is libjpeg's, by Pillow: its quantisation tables are those of Annex K scaled, and colour is subsampled 4:2:0.
Deblocking is compared at 10, 20, 30 and 40 (Dong et al., ICCV 2015; Zhang et al., IEEE TIP 2017). The reference is
re-application of JPEG (Nosratinia, J. VLSI Signal Processing 27, 2001): the mean over 64 shifts of the image, each
written at that quality and shifted back, so that no block border stays where it was.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image

from clearer.fields import ALL, Check, setting
from clearer.images.reading import Image
from clearer.tasks.task import Method, Task

_QUALITY: Check = (lambda v: 1 <= v <= 95, "must be in 1 … 95: above, libjpeg hardly quantises")
_BLOCK = 8


@dataclass(frozen=True, kw_only=True)
class CompressionFields:
    """What a configuration says of compression."""

    quality: int = setting(
        20, ALL, "libjpeg's; 10, 20, 30, 40: Dong et al. 2015", _QUALITY, "images pixels named", 20, "quality {}"
    )


class Jpeg(Task):
    name = "jpeg"
    fields = ("quality",)
    departures = {  # noqa: RUF012
        # At 0.015 small networks gain nothing.
        "quick": {"train_learning_rate": 0.005}, "proxy": {"train_learning_rate": 0.005},
    }  # fmt: skip

    def degrade(self, c: Any, clean: Image, generator: np.random.Generator) -> Image:
        return compressed(clean, c.quality)

    def methods(self) -> Mapping[str, Method]:
        return {"re-applied JPEG": Method(reapplied, package=("PIL", "pillow"))}


def compressed(image: Image, quality: int) -> Image:
    """A uint8 image (height, width, 1 or 3) as it is read from a JPEG file."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(buffer, "jpeg", quality=quality)
    return np.asarray(PIL.Image.open(buffer)).reshape(image.shape)


def reapplied(degraded: np.ndarray, c: Any) -> np.ndarray:
    """Nosratinia 2001; of (height, width, channels), 1.0 is white."""
    height, width, _ = degraded.shape
    padded = np.pad(np.rint(255 * degraded).astype(np.uint8), ((_BLOCK, 0), (_BLOCK, 0), (0, 0)), "symmetric")
    shifts = [(y, x) for y in range(_BLOCK) for x in range(_BLOCK)]
    total = sum(compressed(padded[y:, x:], c.quality)[-height:, -width:].astype(np.float64) for y, x in shifts)
    return np.asarray(total) / (255 * len(shifts))

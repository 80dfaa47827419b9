"""Super-resolution: an image is made smaller by `scale`, and as large as it was again, both bicubic.

As in SRCNN's and VDSR's protocol (Dong et al., IEEE TPAMI 2016; Kim et al., CVPR 2016): a network sees Y, BT.601 in
studio range, and `scale` pixels at each side are not scored. Bicubic is Keys' of a = −1/2, wider where it makes
smaller, as MATLAB's imresize; Pillow's, rounded to 8 bits once, at the end. Sides that `scale` does not divide are
reflected up to the next multiple, and cut again. The reference is iterated back-projection (Irani and Peleg 1991).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image

from clearer.fields import ALL, setting
from clearer.images.reading import Image
from clearer.tasks.task import Method, Task


@dataclass(frozen=True, kw_only=True)
class ScaleFields:
    """What a configuration says of resolution."""

    scale: int = setting(
        2, ALL, "of super-resolution; as SRCNN's and VDSR's", (2, 3, 4), "images pixels named", 2, "×{} bicubic"
    )


class SuperResolve(Task):
    name = "super_resolve"
    fields = ("scale",)
    departures = {"": {"grayscale": "luma"}}  # noqa: RUF012

    def degrade(self, c: Any, clean: Image, generator: np.random.Generator) -> np.ndarray:
        return rescaled(clean, c.scale)

    def methods(self) -> Mapping[str, Method]:
        return {"back-projection": Method(back_projection, {"iterations": (1, 2, 4)}, ("PIL", "pillow"))}

    def border(self, c: Any) -> int:
        return c.scale


def rescaled(image: np.ndarray, scale: int) -> np.ndarray:
    """(height, width, channels) made smaller by `scale` and larger again: float32, in the image's unit, unclipped."""
    height, width, channels = image.shape
    padded = np.pad(image, ((0, -height % scale), (0, -width % scale), (0, 0)), "symmetric").astype(np.float32)

    def resized(channel: np.ndarray) -> np.ndarray:
        whole = PIL.Image.fromarray(channel)
        small = whole.resize((whole.width // scale, whole.height // scale), PIL.Image.Resampling.BICUBIC)
        return np.asarray(small.resize(whole.size, PIL.Image.Resampling.BICUBIC))

    return np.stack([resized(padded[..., n]) for n in range(channels)], axis=2)[:height, :width]


def back_projection(degraded: np.ndarray, c: Any, iterations: int) -> np.ndarray:
    """Adds, again and again, what the degraded image has and the restored one, degraded, has not."""
    restored = degraded
    for _ in range(iterations):
        restored = restored + degraded - rescaled(restored, c.scale)
    return restored

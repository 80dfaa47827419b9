"""PSNR and SSIM, on images of float values where 1.0 is white, scored against the clean 8-bit image.

The restored image is clipped to 0 … 1 and not rounded. Images are (height, width, channels).

| name | over |
| --- | --- |
| `psnr_db`, `ssim` | the whole image, all its channels: gray or RGB |
| `psnr_y_db`, `ssim_y` | the luma of an RGB image, as most of the literature on rain reports |
| `psnr_patch_db` | 64 × 64 tiles, each scored alone: the paper's `CLEARER-P` |
| `ssim_zero_padded` | the whole image, its surroundings taken as black: the released code's SSIM |
"""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from skimage import metrics

from clearer.images.reading import LUMA

PATCH = 64
WINDOW = 11
"""The side of SSIM's window, in pixels: no scored image is smaller."""
Score = Callable[[np.ndarray, np.ndarray], float]
"""Of the restored and the clean image."""

_MARGIN = WINDOW // 2
_SMALLEST_ERROR = 1e-10  # 100 dB stand for a perfect patch


def psnr_db(restored: np.ndarray, clean: np.ndarray) -> float:
    """Peak signal-to-noise ratio over the whole image, in dB; both (height, width, channels), 1.0 is white."""
    error = float(np.mean((restored.astype(np.float64) - clean.astype(np.float64)) ** 2))
    return -10 * float(np.log10(max(error, _SMALLEST_ERROR)))


def mean_psnr_db(images: Iterable[Sequence[np.ndarray]]) -> float:
    """The mean PSNR of clean, degraded and restored images, as `Scores.of` takes them."""
    return float(np.mean([psnr_db(restored, clean) for clean, _, restored in images]))


def psnr_patch_db(restored: np.ndarray, clean: np.ndarray, patch: int = PATCH) -> float:
    """The mean over whole patch × patch tiles of each tile's own PSNR, in dB; NaN where no tile fits.

    The paper's `CLEARER-P` kind: a mean of logarithms. By Jensen's inequality it is never below `psnr_db` over the
    tiled area, which is the whole image where both sides are multiples of `patch`. It is equal only where every tile
    has the same error. (A tile better than 100 dB counts as 100 dB; only such tiles can break the inequality.)
    """
    return patch_mean(psnr_db, restored, clean, patch)


def patch_mean(score: Score, restored: np.ndarray, clean: np.ndarray, patch: int = PATCH) -> float:
    """The mean over whole patch × patch tiles, from the upper left, of a score of each alone; NaN where none fits."""
    corners = itertools.product(*(range(0, side - patch + 1, patch) for side in clean.shape[:2]))
    areas = [np.s_[y : y + patch, x : x + patch] for y, x in corners]
    return float(np.mean([score(restored[area], clean[area]) for area in areas])) if areas else float("nan")


def ssim(restored: np.ndarray, clean: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004): Gaussian window of σ = 1.5, 11 pixels; K1 = 0.01, K2 = 0.03."""
    return _inside(_similarity(restored, clean))


def ssim_zero_padded(restored: np.ndarray, clean: np.ndarray) -> float:
    """The released code's structural similarity: as `ssim`, but over all pixels of any image, with zeros around it.

    Out there both images are alike: an error at the border costs less than inside, the more so in a small image.
    """
    return float(_similarity(restored, clean).mean())


def _similarity(restored: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """The structural similarity around every pixel of an image that has zeros around it, of the image's shape."""
    around = ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0))
    images = (np.pad(image.astype(np.float64), around) for image in (restored, clean))
    window: dict[str, Any] = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, found = metrics.structural_similarity(*images, data_range=1.0, channel_axis=2, full=True, **window)
    return found[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


def _inside(similarity: np.ndarray) -> float:
    """The mean over the pixels whose window lies in the image: there zeros around it change nothing."""
    if min(similarity.shape[:2]) < WINDOW:
        raise ValueError(f"an image of shape {similarity.shape} is smaller than SSIM's window of {WINDOW} pixels")
    return float(similarity[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN].mean())


def luma(image: np.ndarray) -> np.ndarray:
    """Y of RGB, ITU-R BT.601 in studio range, (height, width, 1): 16/255 … 235/255. Raises ValueError: no RGB image."""
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image of shape {image.shape} has no luma: (height, width, 3) is RGB")
    return (image.astype(np.float64) @ LUMA + 16 / 255)[..., None]


def over_luma(score: Score) -> Score:
    """A score over the luma of RGB images; its peak is 1.0 (255), though white has 235."""
    return lambda restored, clean: score(luma(restored), luma(clean))


psnr_y_db, ssim_y = over_luma(psnr_db), over_luma(ssim)
IMAGE_SCORES = {"psnr_db": psnr_db, "psnr_patch_db": psnr_patch_db}
COLOUR_SCORES = {"psnr_y_db": psnr_y_db, "ssim_y": ssim_y}


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of one method over a test set, image by image (luma's: of RGB), and the first image restored."""

    psnr_db: list[float]
    ssim: list[float]
    psnr_patch_db: list[float]
    ssim_zero_padded: list[float]
    psnr_y_db: list[float] = field(default_factory=list)
    ssim_y: list[float] = field(default_factory=list)
    degraded_psnr_db: list[float]
    example: tuple[np.ndarray, ...]
    """Clean, degraded, restored: (height, width, channels), 1.0 is white."""
    pixels_sha256: str
    """The hash of every clean and degraded pixel scored, in order: equal where two methods saw the same."""

    @classmethod
    def of(cls, images: Iterable[Sequence[np.ndarray]]) -> Self:
        """The scores of clean, degraded and restored images, at least one; the restored ones are clipped already."""
        found: dict[str, list[float]] = defaultdict(list)
        example: tuple[np.ndarray, ...] = ()
        pixels = hashlib.sha256()
        for clean, degraded, restored in images:
            for name, scored in (IMAGE_SCORES | (COLOUR_SCORES if clean.shape[2] == 3 else {})).items():
                found[name].append(scored(restored, clean))
            similarity = _similarity(restored, clean)  # once for both
            found["ssim"].append(_inside(similarity))
            found["ssim_zero_padded"].append(float(similarity.mean()))
            found["degraded_psnr_db"].append(psnr_db(degraded, clean))
            for image in (clean, degraded):
                pixels.update(f"{image.shape} {image.dtype} ".encode())
                pixels.update(np.ascontiguousarray(image).data)
            example = example or (clean, degraded, restored)
        return cls(**found, example=example, pixels_sha256=pixels.hexdigest())

    def means(self) -> dict[str, float]:
        """The mean of every score that was taken, over the images that have it; NaN where none has."""
        lists = {f.name: getattr(self, f.name) for f in fields(self)}
        taken = {name: np.array(values) for name, values in lists.items() if isinstance(values, list) and values}
        there = {name: values[~np.isnan(values)] for name, values in taken.items()}
        return {name: float(values.mean()) if len(values) else float("nan") for name, values in there.items()}

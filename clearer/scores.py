"""PSNR and SSIM, on images of float values where 1.0 is white, scored against the clean 8-bit image.

The restored image is clipped to 0 … 1 and not rounded.
"""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

PATCH = 64
_SMALLEST_ERROR = 1e-10  # 100 dB stand for a perfect patch


def psnr_db(restored: np.ndarray, clean: np.ndarray) -> float:
    """Peak signal-to-noise ratio over the whole image, in dB; both (height, width, channels), 1.0 is white."""
    error = float(np.mean((restored.astype(np.float64) - clean.astype(np.float64)) ** 2))
    return -10 * float(np.log10(max(error, _SMALLEST_ERROR)))


def psnr_patch_db(restored: np.ndarray, clean: np.ndarray, patch: int = PATCH) -> float:
    """The mean over whole patch × patch tiles of each tile's own PSNR, in dB; NaN where no tile fits.

    The paper's `CLEARER-P` kind: a mean of logarithms, never below the whole image's PSNR over the same
    tiles, and not comparable with it.
    """
    rows, columns = clean.shape[0] // patch, clean.shape[1] // patch
    tiles = [
        psnr_db(restored[y : y + patch, x : x + patch], clean[y : y + patch, x : x + patch])
        for y in range(0, rows * patch, patch)
        for x in range(0, columns * patch, patch)
    ]
    return float(np.mean(tiles)) if tiles else float("nan")


def ssim(restored: np.ndarray, clean: np.ndarray) -> float:
    """Structural similarity: Gaussian window of σ = 1.5 (11 pixels), K1 = 0.01, K2 = 0.03, population covariance.

    Wang et al. 2004 as scikit-image computes it; the mean over the area that the window covers, and over channels.
    """
    return float(
        structural_similarity(
            restored.astype(np.float64), clean.astype(np.float64), data_range=1.0, channel_axis=2,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )
    )  # fmt: skip

"""Denoising (section 4.2): Gaussian noise of σ on the 0–255 scale, drawn anew for every batch.

* `clip8`: clipped to 0 … 255 and truncated to 8 bits (the released code's).
* `float`: plain additive Gaussian noise (what most denoising papers describe).

The two give different PSNR at the same σ and do not compare. The references are denoisers of scikit-image. σ is given
to them, as to a network through its training. Under `clip8` the noise is weaker than σ in dark and bright areas, and
its mean is not zero; the grids reach low enough.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from skimage import restoration

from clearer.fields import ALL, POSITIVE, setting
from clearer.images.reading import Image
from clearer.tasks.task import Method, Task


@dataclass(frozen=True, kw_only=True)
class NoiseFields:
    """What a configuration says of noise."""

    sigma: float = setting(30.0, ALL, "noise, 0-255 scale; section 4.2", POSITIVE, "pixels member named", said="σ = {}")
    protocol: str = setting(
        "clip8", ALL, "of the noise; clip8: released code", ("clip8", "float"), "pixels member", said="protocol {}"
    )


class Denoise(Task):
    name = "denoise"
    fields = ("sigma", "protocol")
    is_noise = True
    input_name = "noisy input"

    def noisy(self, c: Any, clean: Any, noise: Any) -> Any:
        if isinstance(clean, np.ndarray):
            found = clean + c.sigma * noise
            return (np.floor(found.clip(0, 255)) if c.protocol == "clip8" else found) / 255
        import torch  # here, so that listing data does not wait for it

        # As above in fewer passes over memory; a GPU, too, makes a product of a quotient by a number.
        found = torch.add(clean, noise, alpha=c.sigma, out=noise)
        return (found.clip_(0, 255).floor_() if c.protocol == "clip8" else found).mul_(1 / 255)

    def noisy_test_image(self, c: Any, clean: Image) -> np.ndarray:
        content = hashlib.sha256(f"{clean.shape} {c.sigma!r} {c.protocol}".encode() + clean.tobytes()).digest()
        generator = np.random.default_rng(list(content))
        return self.noisy(c, clean, generator.standard_normal(clean.shape, dtype=np.float32))

    def methods(self) -> Mapping[str, Method]:
        return METHODS

    def words(self, c: Any) -> str:
        return f"σ={c.sigma:g}"


def total_variation(degraded: np.ndarray, c: Any, strength: float) -> np.ndarray:
    """Chambolle 2004, each channel alone; the weight of total variation is `strength` × σ."""
    return restoration.denoise_tv_chambolle(degraded, weight=strength * (c.sigma / 255), channel_axis=-1)


def nonlocal_means(degraded: np.ndarray, c: Any, strength: float, patch_size: int) -> np.ndarray:
    """Buades et al. 2005, fast form of Darbon et al. 2008; h is `strength` × σ, and 13 × 13 patches are searched."""
    sigma = c.sigma / 255
    options = {"patch_size": patch_size, "patch_distance": 6, "h": strength * sigma, "sigma": sigma, "fast_mode": True}
    restored = restoration.denoise_nl_means(degraded, **options, channel_axis=-1)
    return restored.reshape(degraded.shape)  # it drops a single channel


def wavelets(degraded: np.ndarray, c: Any, wavelet: str, strength: float, method: str) -> np.ndarray:
    """Wavelet coefficients shrunk for noise of `strength` × σ by a `method`; decimated, soft.

    BayesShrink is by Chang et al. 2000, VisuShrink by Donoho and Johnstone 1994.
    """
    options = {"mode": "soft", "method": method, "rescale_sigma": False, "channel_axis": -1}
    return restoration.denoise_wavelet(degraded, strength * (c.sigma / 255), wavelet, **options)


_bayes, _visu = (functools.partial(wavelets, method=f"{name}Shrink") for name in ("Bayes", "Visu"))
_PYWT = ("pywt", "PyWavelets")
METHODS: Mapping[str, Method] = {
    "total variation": Method(total_variation, {"strength": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)}),
    "non-local means": Method(nonlocal_means, {"strength": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7), "patch_size": (5, 7)}),
    "wavelets, BayesShrink": Method(_bayes, {"wavelet": ("db2", "sym4"), "strength": (0.8, 0.9, 1.0, 1.1)}, _PYWT),
    "wavelets, VisuShrink": Method(_visu, {"wavelet": ("db2", "sym4"), "strength": (0.2, 0.3, 0.4, 0.5)}, _PYWT),
}

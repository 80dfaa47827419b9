"""Deblurring with a known kernel: convolution, Gaussian noise of `blur_noise`, and rounding to 8 bits.

* `gaussian`: isotropic, of standard deviation `blur_std` in a window of `blur_size` (1.6 in 25, noise of 2: IRCNN,
  Zhang et al., CVPR 2017).
* `motion`: a line of `blur_size` pixels at `blur_angle` degrees, through the middle.

Beyond its border an image is taken as mirrored. Noise is drawn once an image. The references know the kernel: Wiener's
filter (Hunt 1973, with a Laplacian prior) and Richardson and Lucy's iteration, both of scikit-image.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from skimage import restoration

from clearer.fields import ALL, NOT_NEGATIVE, POSITIVE, Check, setting
from clearer.images.reading import Image
from clearer.tasks.task import Method, Task

_ODD: Check = (lambda v: v > 1 and v % 2 == 1, "must be odd and 3 or greater: a kernel has a middle")
_ANGLE: Check = (lambda v: 0 <= v < 180, "must be in [0, 180)")
_ABOUT = "images pixels named"


@dataclass(frozen=True, kw_only=True)
class BlurFields:
    """What a configuration says of blur."""

    blur: str = setting("gaussian", ALL, "the kernel", ("gaussian", "motion"), _ABOUT, "gaussian", "{} blur")
    blur_size: int = setting(25, ALL, "of the kernel's window, pixels; IRCNN", _ODD, _ABOUT, 25, "size {}")
    blur_std: float = setting(1.6, ALL, "of a Gaussian kernel, pixels; IRCNN", POSITIVE, _ABOUT, 1.6, "std {}")
    blur_angle: float = setting(45.0, ALL, "of a motion kernel, degrees", _ANGLE, _ABOUT, 45.0, "angle {}")
    blur_noise: float = setting(2.0, ALL, "σ, 0-255 scale; IRCNN", NOT_NEGATIVE, _ABOUT, 2.0, "noise σ = {}")


class Deblur(Task):
    name = "deblur"
    fields = ("blur", "blur_size", "blur_std", "blur_angle", "blur_noise")
    departures = {"": {"self_ensemble": 1}}  # noqa: RUF012

    def degrade(self, c: Any, clean: Image, generator: np.random.Generator) -> np.ndarray:
        return blurred(clean, kernel(c)) + c.blur_noise * generator.standard_normal(clean.shape)

    def methods(self) -> Mapping[str, Method]:
        return {
            "Wiener filter": Method(wiener, {"balance": (0.01, 0.03, 0.1, 0.3, 1.0)}),
            "Richardson-Lucy": Method(richardson_lucy, {"iterations": (4, 8, 16)}),
        }

    def reads(self, c: Any) -> list[str]:
        return [name for name in self.fields if name != ("blur_angle" if c.blur == "gaussian" else "blur_std")]

    def problem(self, c: Any) -> tuple[str, str] | None:
        if c.blur == "motion" and c.self_ensemble > 1:
            return "self_ensemble", "turns would turn the direction of blur=motion; set self_ensemble=1"
        return None


def kernel(c: Any) -> np.ndarray:
    """The kernel of a configuration, (size, size), whose sum is 1."""
    away = np.arange(c.blur_size) - c.blur_size // 2
    y, x = np.meshgrid(away, away, indexing="ij")
    if c.blur == "gaussian":
        found = np.exp(-(x**2 + y**2) / (2 * c.blur_std**2))
    else:
        cosine, sine = np.cos(np.deg2rad(c.blur_angle)), np.sin(np.deg2rad(c.blur_angle))
        along, across = cosine * x - sine * y, sine * x + cosine * y
        found = (1 - np.abs(across)).clip(0) * ((c.blur_size + 1) / 2 - np.abs(along)).clip(0, 1)
    return found / found.sum()


def blurred(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(height, width, channels) convolved with a kernel: float64, in the image's unit."""
    reach = len(weights) // 2
    padded = np.pad(image.astype(np.float64), ((reach, reach), (reach, reach), (0, 0)), "symmetric")
    return scipy.signal.fftconvolve(padded, weights[..., None], mode="valid", axes=(0, 1))


def _deconvolved(degraded: np.ndarray, c: Any, restore: Any) -> np.ndarray:
    """What `restore` makes of each channel and the kernel; the image is mirrored around, and cut again."""
    size = c.blur_size
    padded = np.pad(degraded.astype(np.float64), ((size, size), (size, size), (0, 0)), "symmetric")
    found = [restore(padded[..., n], kernel(c)) for n in range(degraded.shape[2])]
    return np.stack(found, axis=2)[size:-size, size:-size]


def wiener(degraded: np.ndarray, c: Any, balance: float) -> np.ndarray:
    """Wiener's filter; `balance` weighs smoothness."""
    return _deconvolved(degraded, c, lambda image, psf: restoration.wiener(image, psf, balance, clip=False))


def richardson_lucy(degraded: np.ndarray, c: Any, iterations: int) -> np.ndarray:
    """Richardson 1972 and Lucy 1974."""
    return _deconvolved(degraded, c, lambda image, psf: restoration.richardson_lucy(image, psf, iterations))

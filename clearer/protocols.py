"""How a degraded image is made and which area is scored. Every figure names its protocol.

* `clip8`: Gaussian noise of σ on the 0–255 scale, clipped to 0 … 255 and truncated to 8 bits (the released code's).
* `float`: plain additive Gaussian noise (what most denoising papers describe).

The two give different PSNR at the same σ and do not compare.
"""

import hashlib
from typing import Any

import numpy as np

WINDOW = 11
"""The side of SSIM's window, in pixels: no scored image is smaller."""
Image = np.ndarray
"""uint8, (height, width, channels)."""


def degrade(clean: np.ndarray, sigma: float, protocol: str, generator: np.random.Generator) -> np.ndarray:
    """The noisy version of uint8 images of any shape: float32, 1.0 is white; outside 0 … 1 only under `float`."""
    return noisy(clean, generator.standard_normal(clean.shape, dtype=np.float32), sigma, protocol)


def noisy(clean: Any, noise: Any, sigma: float, protocol: str) -> Any:
    """`degrade` by given normal `noise`; arrays, or float32 tensors, where the result lies in the memory of `noise`."""
    if isinstance(clean, np.ndarray):
        found = clean + float(sigma) * noise
        return (np.floor(found.clip(0, 255)) if protocol == "clip8" else found) / 255
    import torch  # here, so that listing data does not wait for it

    # As above in fewer passes over memory; a GPU, too, makes a product of a quotient by a number.
    found = torch.add(clean, noise, alpha=sigma, out=noise)
    return (found.clip_(0, 255).floor_() if protocol == "clip8" else found).mul_(1 / 255)


def noisy_test_image(clean: Image, sigma: float, protocol: str) -> np.ndarray:
    """The noisy test image: a function of the clean image's content, σ and the protocol alone."""
    content = hashlib.sha256(f"{clean.shape} {float(sigma)!r} {protocol}".encode() + clean.tobytes()).digest()
    return degrade(clean, sigma, protocol, np.random.default_rng(list(content)))


def scored_area(image: Image, border: str) -> Image:
    """The part of a test image that is restored and scored; a side below 64 pixels stays whole.

    * `centre64`: sides are cut to multiples of 64 around the centre, of odd ones lower right (released code).
    * `crop64`: they are cut to multiples of 64 at the lower right (this project's first area).
    * `whole`: nothing is cut.
    """
    if border == "whole":
        return image
    height, width = (side - side % 64 or side for side in image.shape[:2])
    top, left = ((image.shape[0] - height) // 2, (image.shape[1] - width) // 2) if border == "centre64" else (0, 0)
    return image[top : top + height, left : left + width]

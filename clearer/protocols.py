"""What is read of an image and which area of it is scored; how it is degraded, its task says (`clearer.tasks`)."""

import numpy as np

WINDOW = 11
"""The side of SSIM's window, in pixels: no scored image is smaller."""
Image = np.ndarray
"""uint8, (height, width, channels)."""


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

"""Bicubic rescaling against its definition, and the border that is not scored."""

import numpy as np
import pytest
from pictures import picture, save
from skimage.color import rgb2ycbcr

from clearer.images.reading import read_image
from clearer.tasks.super_resolve import rescaled


def keys(distance):
    """Keys 1981, a = −1/2."""
    x = np.abs(distance)
    inner, outer = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, inner, np.where(x < 2, outer, 0))


def resizing(old, new):
    """(new, old): the weights of old samples in new ones; the kernel is as wide as what is larger."""
    scale = old / new
    centres = (np.arange(new)[:, None] + 0.5) * scale - 0.5
    weights = keys((np.arange(old)[None] - centres) / max(scale, 1))
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_rescaling_is_keys_bicubic_with_the_support_of_what_is_larger(scale):
    image = picture(5, 48, 72)[..., :2].astype(np.float64)
    rows, columns = (resizing(side // scale, side) @ resizing(side, side // scale) for side in image.shape[:2])
    expected = np.einsum("yj,jkc,xk->yxc", rows, image, columns)
    np.testing.assert_allclose(rescaled(image, scale), expected, atol=1e-3)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_what_is_linear_stays_inside(scale):
    y, x = np.mgrid[:48, :60]
    ramp = (2.0 * y + x)[..., None]
    inside = np.s_[4 * scale : -4 * scale, 4 * scale : -4 * scale]
    np.testing.assert_allclose(rescaled(ramp, scale)[inside], ramp[inside], atol=1e-3)


def test_sides_that_the_scale_does_not_divide_stay_as_they_are():
    image = picture(6, 50, 61)
    found, whole = rescaled(image, 4), rescaled(image[:48, :60], 4)
    assert found.shape == image.shape
    np.testing.assert_allclose(found[:32, :40], whole[:32, :40], atol=1e-3)


def test_y_is_matlabs(tmp_path):
    pixels = picture(7, 30, 40)
    found = read_image(save(tmp_path / "a.png", pixels), 1, "luma")
    np.testing.assert_array_equal(found, np.rint(rgb2ycbcr(pixels)[..., :1]).astype(np.uint8))

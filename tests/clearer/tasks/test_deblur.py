"""Blur against its definition: kernels, convolution by scipy.ndimage, noise."""

import numpy as np
import pytest
from pictures import picture
from scipy import ndimage

from clearer.configuration import Configuration
from clearer.presets import preset_values
from clearer.tasks.deblur import blurred, kernel
from clearer.tasks.known import task_of


def configured(**values):
    return Configuration(**{**preset_values("quick", "deblur"), **values})


def test_a_gaussian_blur_is_scipys():
    image = picture(8, 40, 50).astype(np.float64)
    expected = ndimage.gaussian_filter(image, (1.6, 1.6, 0), mode="reflect", radius=(12, 12, 0))
    np.testing.assert_allclose(blurred(image, kernel(configured())), expected, atol=1e-9)


@pytest.mark.parametrize("angle", [0.0, 30.0, 45.0, 90.0, 135.0])
@pytest.mark.parametrize("size", [3, 9, 15])
def test_a_motion_kernel_is_a_line_through_the_middle(angle, size):
    found = kernel(configured(blur="motion", blur_size=size, blur_angle=angle))
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, found[::-1, ::-1], atol=1e-12)
    away = np.arange(size) - size // 2
    y, x = np.meshgrid(away, away, indexing="ij")
    sine, cosine = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    off, along = np.abs(sine * x + cosine * y), cosine * x - sine * y
    assert found[off >= 1].sum() == pytest.approx(0, abs=1e-9)
    assert np.sqrt((found * along**2).sum()) == pytest.approx(np.sqrt((size**2 - 1) / 12), rel=0.2)


def test_a_motion_along_a_row_is_the_mean_of_its_pixels():
    image = picture(9, 30, 40).astype(np.float64)
    found = blurred(image, kernel(configured(blur="motion", blur_size=5, blur_angle=0.0)))
    np.testing.assert_allclose(found, ndimage.uniform_filter1d(image, 5, axis=1, mode="reflect"), atol=1e-9)


def test_noise_has_the_asked_spread_after_the_blur():
    c, flat = configured(blur_noise=5.0), np.full((200, 200, 1), 128, np.uint8)
    noise = task_of(c).degraded(c, flat).astype(float) - 128
    assert noise.std() == pytest.approx((5.0**2 + 1 / 12) ** 0.5, rel=0.01)
    assert noise.mean() == pytest.approx(0, abs=0.1)

"""JPEG against its definition: the quantised transform of 8×8 blocks, by scipy."""

import numpy as np
import pytest
from pictures import picture
from scipy.fft import dctn, idctn

from clearer.tasks.jpeg import compressed

LUMINANCE = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
])  # fmt: skip
"""Annex K, table K.1."""


def table(quality):
    """As libjpeg scales it."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((LUMINANCE * scale + 50) // 100, 1, 255)


@pytest.mark.parametrize("quality", [10, 20, 30, 40, 75])
def test_a_gray_image_is_quantised_block_by_block(quality):
    clean = picture(3, 64, 48)[..., :1]
    blocks = clean[..., 0].astype(float).reshape(8, 8, 6, 8).swapaxes(1, 2) - 128
    steps = table(quality)
    quantised = np.rint(dctn(blocks, axes=(2, 3), norm="ortho") / steps) * steps
    expected = np.rint(idctn(quantised, axes=(2, 3), norm="ortho") + 128).clip(0, 255)
    expected = expected.swapaxes(1, 2).reshape(64, 48)
    difference = np.abs(compressed(clean, quality)[..., 0] - expected)
    # libjpeg transforms in whole numbers: a coefficient halfway between two multiples may go either way.
    assert (difference <= 1).mean() > 0.93
    assert difference.mean() < 0.25 * np.abs(expected - clean[..., 0]).mean()


@pytest.mark.parametrize("level", [0, 17, 100, 128, 251, 255])
@pytest.mark.parametrize("quality", [10, 20, 40])
def test_a_flat_image_becomes_the_next_multiple_of_an_eighth_of_the_first_step(level, quality):
    step = table(quality)[0, 0]
    expected = 128 + np.rint(8 * (level - 128) / step) * step / 8
    found = compressed(np.full((16, 24, 1), level, np.uint8), quality)
    assert np.abs(found - np.clip(expected, 0, 255)).max() <= 1


def test_colour_keeps_its_shape_and_sizes_need_no_multiple_of_8():
    clean = picture(4, 51, 37)
    assert compressed(clean, 20).shape == clean.shape
    assert np.abs(compressed(clean, 95).astype(int) - clean).mean() < 6

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from clearer.scores import Scores, luma, patch_mean, psnr_db, psnr_patch_db, psnr_y_db, ssim, ssim_y, ssim_zero_padded

SHAPES = [(32, 48, 1), (33, 17, 3)]


def pair(shape, noise=0.1, seed=0):
    generator = np.random.default_rng(seed)
    clean = generator.random(shape, dtype=np.float32)
    return (clean + noise * generator.standard_normal(shape)).clip(0, 1).astype(np.float32), clean


WANG = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def wang_ssim(restored, clean, padding=0):
    """Wang et al. 2004, equation 13: an 11 × 11 Gaussian window of σ = 1.5, channel by channel.

    Over the area that the window covers; with `padding=5` over all pixels, zeros around the image.
    """
    offsets = torch.arange(-5, 6, dtype=torch.float64)
    line = (-(offsets**2) / (2 * 1.5**2)).exp()
    window = torch.outer(line, line)[None, None] / line.sum() ** 2
    x, y = (torch.from_numpy(np.moveaxis(image.astype(np.float64), -1, 0))[:, None] for image in (restored, clean))
    mean_x, mean_y, xx, yy, xy = (F.conv2d(image, window, padding=padding) for image in (x, y, x * x, y * y, x * y))
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * (xy - mean_x * mean_y) + c2) / (xx - mean_x**2 + yy - mean_y**2 + c2)
    return (luminance * structure).mean().item()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("noise", [0.01, 0.2])
def test_scores_equal_their_definitions(shape, noise):
    restored, clean = pair(shape, noise)
    restored64, clean64 = restored.astype(np.float64), clean.astype(np.float64)
    assert psnr_db(restored, clean) == pytest.approx(
        peak_signal_noise_ratio(clean64, restored64, data_range=1.0), abs=1e-6
    )
    channels = [
        structural_similarity(clean64[..., c], restored64[..., c], data_range=1.0, **WANG) for c in range(shape[2])
    ]
    assert ssim(restored, clean) == pytest.approx(np.mean(channels), abs=1e-6)
    assert ssim(restored, clean) == pytest.approx(wang_ssim(restored, clean), abs=1e-6)
    assert ssim_zero_padded(restored, clean) == pytest.approx(wang_ssim(restored, clean, padding=5), abs=1e-6)


@pytest.mark.parametrize("noise", [0.01, 0.2])
def test_scores_of_the_luma_equal_those_of_scikit_image(noise):
    restored, clean = pair((40, 31, 3), noise)
    y_restored, y_clean = rgb2ycbcr(restored)[..., 0], rgb2ycbcr(clean)[..., 0]
    np.testing.assert_allclose(255 * luma(clean)[..., 0], y_clean, atol=1e-4)
    expected = peak_signal_noise_ratio(y_clean, y_restored, data_range=255)
    assert psnr_y_db(restored, clean) == pytest.approx(expected, abs=1e-5)
    expected = structural_similarity(y_clean, y_restored, data_range=255, **WANG)
    assert ssim_y(restored, clean) == pytest.approx(expected, abs=1e-5)


def test_luma_of_black_white_and_gray():
    assert 255 * luma(np.array([[[0.0] * 3, [1.0] * 3, [0.5] * 3]])).ravel() == pytest.approx([16, 235, 125.5])
    with pytest.raises(ValueError, match="no luma"):
        luma(np.zeros((4, 4, 1)))


def test_gray_errors_score_higher_on_the_luma_by_its_range():
    clean = np.full((16, 16, 3), 0.5)
    assert psnr_y_db(clean + 0.1, clean) - psnr_db(clean + 0.1, clean) == pytest.approx(20 * math.log10(255 / 219))


def test_zeros_around_the_image_raise_ssim_more_the_smaller_the_image():
    restored, clean = pair((128, 128, 1), 0.3)
    whole = ssim_zero_padded(restored, clean)
    assert ssim(restored, clean) < whole < patch_mean(ssim_zero_padded, restored, clean, 32)
    assert 0 < ssim_zero_padded(restored[:3, :3], clean[:3, :3]) <= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_a_perfect_image(shape):
    _, clean = pair(shape)
    assert ssim(clean, clean) == ssim_zero_padded(clean, clean) == pytest.approx(1)
    assert psnr_db(clean, clean) == psnr_patch_db(clean, clean, patch=8) == 100


def test_closed_forms():
    clean = np.full((16, 16, 1), 0.5)
    assert psnr_db(clean + 0.1, clean) == pytest.approx(20)
    halves = clean + np.where(np.arange(16) < 8, 0.1, 0.01)[None, :, None]
    assert psnr_patch_db(halves, clean, patch=8) == pytest.approx(30)
    assert psnr_db(halves, clean) == pytest.approx(-10 * math.log10((0.01 + 0.0001) / 2))


@given(st.integers(0, 1000), st.integers(4, 20), st.integers(4, 20), st.floats(0.01, 1))
def test_patch_psnr_is_never_below_the_whole_over_the_same_tiles(seed, height, width, noise):
    restored, clean = pair((height, width, 1), noise, seed)
    area = np.s_[: height - height % 4, : width - width % 4]
    assert psnr_patch_db(restored, clean, patch=4) >= psnr_db(restored[area], clean[area]) - 1e-9


def test_patch_psnr_can_be_below_the_whole_where_tiles_leave_a_rest():
    clean = np.zeros((64, 128, 1))
    restored = clean.copy()
    restored[:, :64] = 0.1
    assert psnr_patch_db(restored[:, :100], clean[:, :100]) < psnr_db(restored[:, :100], clean[:, :100])


def test_patch_psnr_equals_the_whole_where_all_tiles_err_alike():
    _, clean = pair((128, 192, 1))
    assert psnr_patch_db(clean + 0.1, clean) == pytest.approx(psnr_db(clean + 0.1, clean)) == pytest.approx(20)


def test_patch_psnr_of_one_tile_and_of_none():
    restored, clean = pair((64, 70, 1))
    assert psnr_patch_db(restored, clean) == pytest.approx(psnr_db(restored[:, :64], clean[:, :64]))
    assert math.isnan(psnr_patch_db(restored[:63], clean[:63]))


def test_a_mean_is_over_the_images_that_have_the_score():
    small, large = pair((48, 40, 1)), pair((64, 64, 1), seed=1)
    means = Scores.of((clean, clean, restored) for restored, clean in (small, large)).means()
    assert means["psnr_patch_db"] == psnr_db(*large), "no tile fits the other"
    assert means["psnr_db"] == np.mean([psnr_db(*small), psnr_db(*large)])
    alone = Scores.of([(small[1], small[1], small[0])]).means()
    assert math.isnan(alone["psnr_patch_db"])
    assert alone["psnr_db"] == psnr_db(*small)


def test_scores_leave_their_inputs_alone():
    restored, clean = pair((70, 70, 3))
    before = restored.copy(), clean.copy()
    for scored in (psnr_db, psnr_patch_db, ssim, ssim_zero_padded, psnr_y_db, ssim_y):
        scored(restored, clean)
    np.testing.assert_array_equal(restored, before[0])
    np.testing.assert_array_equal(clean, before[1])

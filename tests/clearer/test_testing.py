import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from clearer.architecture import Architecture
from clearer.images.sets import ImageSet
from clearer.networks import Network
from clearer.scores import psnr_db, psnr_patch_db, ssim
from clearer.testing import as_tensor, degraded_inputs, restore, score, scored_area

SYMMETRIES = list(itertools.product((False, True), repeat=3))


def moved(image, swap, *flips):
    image = image.transpose(-1, -2) if swap else image
    return image.flip([axis for axis, flip in zip((-1, -2), flips, strict=True) if flip])


def moved_back(image, swap, *flips):
    image = moved(image, False, *flips)
    return image.transpose(-1, -2) if swap else image


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Network(Architecture.parse("PF-F"), 2).eval()


@pytest.fixture(scope="module")
def images():
    generator = np.random.default_rng(0)
    return ImageSet(
        ("one.png", "two.png"),
        tuple(generator.integers(0, 256, (*size, 1), dtype=np.uint8) for size in ((70, 130), (64, 64))),
    )


class Constant(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, image):
        return torch.full_like(image, self.value)


@torch.inference_mode()
def test_self_ensemble_averages_the_eight_symmetries(network):
    image = torch.rand(2, 1, 9, 14)
    eight = torch.stack([moved_back(network(moved(image, *symmetry)), *symmetry) for symmetry in SYMMETRIES])
    torch.testing.assert_close(restore(network, image, 8), eight.mean(0))
    assert torch.equal(restore(network, image, 1), network(image))
    assert eight.std(0).min() > 0


@torch.inference_mode()
@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_self_ensemble_turns_with_its_input(network, symmetry):
    image = torch.rand(1, 1, 9, 14)
    torch.testing.assert_close(
        restore(network, moved(image, *symmetry), 8), moved(restore(network, image, 8), *symmetry)
    )


def test_restoring_leaves_the_input_alone(network):
    image = torch.rand(1, 1, 8, 8)
    before = image.clone()
    with torch.inference_mode():
        restore(network, image, 8)
    assert torch.equal(image, before)


@pytest.mark.parametrize("border", ["centre64", "crop64", "whole"])
@pytest.mark.parametrize("self_ensemble", [1, 8])
def test_the_identity_scores_as_the_degraded_image(tiny, images, border, self_ensemble):
    configuration = tiny.with_values(test_border=border, self_ensemble=self_ensemble)
    scores = score(configuration, nn.Identity(), images)
    assert scores.psnr_db == pytest.approx(scores.degraded_psnr_db, abs=1e-4)
    inputs = degraded_inputs(configuration, images)
    assert [i.shape for i in inputs] == (
        [(70, 130, 1), (64, 64, 1)] if border == "whole" else [(64, 128, 1), (64, 64, 1)]
    )
    for position, (clean8, degraded) in enumerate(zip(images.clean, inputs, strict=True)):
        clean = scored_area(clean8, border) / 255
        expected = [scored(degraded, clean) for scored in (psnr_db, ssim, psnr_patch_db)]
        assert [scores.psnr_db[position], scores.ssim[position], scores.psnr_patch_db[position]] == pytest.approx(
            expected, abs=1e-4
        )


@pytest.mark.parametrize("channels", [1, 3])
def test_the_luma_is_scored_in_colour_alone(tiny, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, channels), dtype=np.uint8)
    configuration = tiny.with_values(image_channels=channels)
    scores = score(configuration, nn.Identity(), ImageSet(("a", "b"), (pixels, pixels[::-1])))
    names = {"psnr_db", "ssim", "psnr_patch_db", "ssim_zero_padded", "degraded_psnr_db"}
    luma = {"psnr_y_db", "ssim_y"} if channels == 3 else set()
    assert set(scores.means()) == names | luma
    assert all(scores.means()[name] == np.mean(getattr(scores, name)) for name in names)
    assert all(len(getattr(scores, name)) == 2 for name in names | luma)


def test_restored_values_are_clipped(tiny, images):
    assert score(tiny, Constant(7.0), images).psnr_db == score(tiny, Constant(1.0), images).psnr_db
    assert score(tiny, Constant(-7.0), images).psnr_db == score(tiny, Constant(0.0), images).psnr_db


def test_every_network_sees_the_same_pixels(tiny, images, network):
    c = tiny.with_values(test_border="centre64")
    one, other = score(c, network, images), score(c, Constant(0.5), images)
    assert one.degraded_psnr_db == other.degraded_psnr_db
    assert one.psnr_db != other.psnr_db
    clean, degraded, restored = other.example
    np.testing.assert_array_equal(degraded, degraded_inputs(c, images)[0])
    np.testing.assert_array_equal(clean, images.clean[0][3:67, 1:129] / np.float32(255))
    assert (restored == 0.5).all()


def test_an_image_that_is_not_finite_is_named(tiny, images):
    with pytest.raises(ArithmeticError, match=r"one\.png is not finite"):
        score(tiny, Constant(math.nan), images)


def test_as_tensor_moves_channels_first():
    pixels = np.arange(24.0).reshape(2, 3, 4)
    assert as_tensor(pixels).shape == (4, 2, 3)
    np.testing.assert_array_equal(as_tensor(pixels)[1].numpy(), pixels[..., 1])


@pytest.mark.parametrize(("side", "kept"), [(1, 1), (63, 63), (64, 64), (127, 64), (128, 128), (321, 320)])
def test_the_scored_area_is_cut_to_multiples_of_64(side, kept):
    image = np.random.default_rng(0).integers(0, 256, (side, 70, 1), dtype=np.uint8)
    np.testing.assert_array_equal(scored_area(image, "crop64"), image[:kept, :64])
    top = (side - kept) // 2
    np.testing.assert_array_equal(scored_area(image, "centre64"), image[top : top + kept, 3:67])
    assert scored_area(image, "whole") is image

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from clearer.architecture import Architecture
from clearer.networks import Network
from clearer.testing import as_tensor, restore
from clearer.using.receptive_field import receptive_field
from clearer.using.tiling import WINDOW_BYTES, default_tile, restored_tiles, tiles

architectures = st.lists(st.text("PF", min_size=1, max_size=2), min_size=1, max_size=3).map(
    lambda cells: Architecture(tuple(cells))
)
sides = st.integers(1, 90)


def lively(architecture, image_channels=1, channels=1):
    """A network whose results have a standard deviation of 0.2."""
    torch.manual_seed(1)
    network = Network(architecture, channels, image_channels)
    image = torch.rand(4, image_channels, 16, 16)
    with torch.no_grad():
        network(image)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.bias.uniform_(0, 0.5)  # so that no branch is silent
        network.eval().head.weight.mul_(0.2 / network(image).std().clamp(1e-3))
    return network


def photograph(height, width, channels=1, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True)


def whole(network, pixels, self_ensemble):
    """The untiled result, by definition."""
    image = as_tensor(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max)
    with torch.inference_mode():
        if network.image_channels == len(image):
            found = restore(network, image[None], self_ensemble)[0]
        elif network.image_channels == 1:
            found = restore(network, image[:, None], self_ensemble)[:, 0]
        else:
            found = restore(network, image.repeat(3, 1, 1)[None], self_ensemble)[0].mean(0, keepdim=True)
    return np.moveaxis(found.numpy(), 0, -1)


def assembled(network, pixels, tile, self_ensemble=1):
    found = np.full(pixels.shape, np.nan, np.float32)
    for area, restored in restored_tiles(network, pixels, tile, self_ensemble):
        area.of(found)[...] = restored
    return found


@given(sides, sides, st.integers(1, 100))
def test_tiles_cover_every_pixel_once(height, width, tile):
    count = np.zeros((height, width), int)
    for area in tiles(height, width, tile):
        area.of(count)[...] += 1
        assert area.bottom - area.top <= tile
        assert area.right - area.left <= tile
    assert (count == 1).all()


@settings(max_examples=20)
@given(architectures, sides, sides, st.integers(12, 60), st.sampled_from([1, 8]), st.sampled_from([1, 3]))
def test_tiles_are_as_the_whole_image_gives_them(architecture, height, width, tile, self_ensemble, channels):
    network, pixels = lively(architecture), photograph(height, width, channels)
    found = assembled(network, pixels, tile, self_ensemble)
    np.testing.assert_allclose(found, whole(network, pixels, self_ensemble), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("text", "size"), [("PF", (61, 83)), ("F-PF", (131, 110)), ("P-F-P", (210, 187))])
def test_inner_tiles_too(text, size):
    """The image is larger than the reach on both sides of a tile: windows begin and end inside it."""
    network, pixels = lively(Architecture.parse(text)), photograph(*size, dtype=np.uint16)
    assert sum(receptive_field(network.architecture)) + 40 < min(size)
    found, expected = assembled(network, pixels, 31), whole(network, pixels, 1)
    assert expected.std() > 0.05
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("self_ensemble", [1, 8])
@pytest.mark.parametrize(("image_channels", "channels"), [(1, 1), (1, 3), (3, 1), (3, 3)])
def test_any_network_takes_any_image(image_channels, channels, self_ensemble):
    network = lively(Architecture.parse("F-P"), image_channels)
    pixels = photograph(37, 50, channels)
    found = assembled(network, pixels, 24, self_ensemble)
    np.testing.assert_allclose(found, whole(network, pixels, self_ensemble), rtol=0, atol=1e-5)


def test_less_overlap_shows(monkeypatch):
    network, pixels = lively(Architecture.parse("PPP")), photograph(64, 64)
    monkeypatch.setattr(
        "clearer.using.tiling.receptive_field", lambda architecture: receptive_field(architecture)._make((2, 2))
    )
    assert np.abs(assembled(network, pixels, 16) - whole(network, pixels, 1)).max() > 1e-3


def test_a_result_that_is_not_finite_is_an_error():
    network = lively(Architecture.parse("P"))
    nn.init.constant_(network.head.weight, float("nan"))
    with pytest.raises(ArithmeticError, match="not finite"):
        next(restored_tiles(network, photograph(8, 8), 8))


@pytest.mark.parametrize(("text", "channels"), [("F", 4), ("FPFP-FPFF-PFFP", 32), ("PPPP-PPPP-PPPP-PPPP", 64)])
def test_the_default_window_stays_small(text, channels):
    with torch.device("meta"):
        network = Network(Architecture.parse(text), channels)
    side = default_tile(network) + sum(receptive_field(network.architecture))
    assert default_tile(network) == 128 or side**2 * channels * 80 <= WINDOW_BYTES

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from clearer.configuration import Configuration
from clearer.tasks.denoise import Denoise

images = hnp.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3])))
sigmas = st.sampled_from([5.0, 30.0, 70.0])
names = st.sampled_from(["clip8", "float"])


def seeded(seed=0):
    return np.random.default_rng(seed)


def noisy(clean, noise, sigma, protocol):
    return Denoise().noisy(Configuration(sigma=sigma, protocol=protocol), clean, noise)


def degrade(clean, sigma, protocol, generator):
    return noisy(clean, generator.standard_normal(clean.shape, dtype=np.float32), sigma, protocol)


def noisy_test_image(clean, sigma, protocol):
    return Denoise().noisy_test_image(Configuration(sigma=sigma, protocol=protocol), clean)


@given(images, sigmas, names)
def test_test_noise_is_a_function_of_content_sigma_and_protocol(clean, sigma, protocol):
    before = clean.copy()
    degraded = noisy_test_image(clean, sigma, protocol)
    for same in (clean.copy(), np.asfortranarray(clean), np.ascontiguousarray(clean[::-1])[::-1]):
        np.testing.assert_array_equal(noisy_test_image(same, int(sigma), protocol), degraded)
    np.testing.assert_array_equal(clean, before)
    assert degraded.dtype == np.float32
    assert degraded.shape == clean.shape


def test_test_noise_differs_with_content_shape_sigma_and_protocol():
    def noise(clean, sigma=30.0, protocol="float"):
        return ((255 * noisy_test_image(clean, sigma, protocol) - clean) / sigma).round(3).tobytes()

    gray = np.full((16, 16, 1), 128, np.uint8)
    changed = gray.copy()
    changed[0, 0] += 1
    different = [
        noise(gray),
        noise(changed),
        noise(gray.reshape(8, 32, 1)),
        noise(gray, 31.0),
        noise(gray, protocol="clip8"),
    ]
    assert len(set(different)) == len(different)


@given(images, sigmas, st.integers(0, 5))
def test_clip8_is_8_bits_in_range(clean, sigma, seed):
    degraded = degrade(clean, sigma, "clip8", seeded(seed))
    levels = 255 * degraded.astype(np.float64)
    np.testing.assert_allclose(levels, levels.round(), atol=1e-4)
    assert degraded.min() >= 0
    assert degraded.max() <= 1


@given(images, sigmas, st.integers(0, 5))
def test_clip8_is_the_same_noise_clipped_and_truncated(clean, sigma, seed):
    clipped = degrade(clean, sigma, "clip8", seeded(seed))
    plain = degrade(clean, sigma, "float", seeded(seed)).clip(0, 1)
    lost = 255 * (plain - clipped)
    assert lost.min() > -1e-3
    assert lost.max() < 1 + 1e-3


@pytest.mark.parametrize("protocol", ["clip8", "float"])
def test_tensors_are_degraded_as_arrays_are(protocol):
    clean = seeded().integers(0, 256, (50, 40, 3)).astype(np.float32)
    noise = seeded(1).standard_normal(clean.shape, dtype=np.float32)
    expected = noisy(clean, noise, 30.0, protocol)
    found = noisy(torch.from_numpy(clean), torch.from_numpy(noise), 30.0, protocol).numpy()
    assert np.isclose(found, expected, atol=1e-6).mean() > 0.999, "an odd level at most is rounded to its neighbour"
    np.testing.assert_allclose(found, expected, atol=1.01 / 255)


@pytest.mark.parametrize("sigma", [10.0, 30.0, 50.0])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_float_noise_has_the_asked_spread_everywhere(sigma, level):
    clean = np.full((300, 300, 1), level, np.uint8)
    noise = 255 * degrade(clean, sigma, "float", seeded()).astype(np.float64) - level
    assert noise.std() == pytest.approx(sigma, rel=0.01)
    assert noise.mean() == pytest.approx(0, abs=0.01 * sigma)


def test_degrading_leaves_its_input_alone():
    for protocol in ("clip8", "float"):
        clean = seeded().integers(0, 256, (9, 7, 3), dtype=np.uint8)
        before = clean.copy()
        degrade(clean, 30, protocol, seeded())
        np.testing.assert_array_equal(clean, before)

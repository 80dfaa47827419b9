import itertools

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from clearer import crops
from clearer.crops import ORIENTATIONS, Crops, FlatPixels, MappedPixels
from clearer.images.sets import ImageSet

GRAY = np.arange(256, dtype=np.uint8).reshape(16, 16)  # every pixel is its own value
SET = ImageSet(("a",), (GRAY[..., None],))


@pytest.fixture(scope="module")
def batch(tiny):
    """A batch of crops of 8×8 pixels; of a pack, where `members` has what is its members' own."""

    def made(images=SET, role="crops", iteration=0, members=({},), **changed):
        c = tiny.with_values(**{"batch_size": 40, "patch_size": 8, "sigma": 30.0, "protocol": "clip8", **changed})
        return Crops(images, [c.with_values(**own) for own in members], role).batch(iteration)

    return made


def pixels(images):
    return (255 * images).round().to(torch.uint8).numpy()


def test_crops_are_windows_in_every_orientation_and_place(batch):
    windows = {
        np.rot90(np.fliplr(window) if flipped else window, turns).tobytes(): (y, x, turns, flipped)
        for y, x, turns, flipped in itertools.product(range(9), range(9), range(4), (False, True))
        for window in [GRAY[y : y + 8, x : x + 8]]
    }
    found = [windows[crop[0].tobytes()] for crop in pixels(batch(batch_size=5000)[1])]
    orientations, counts = np.unique([place[2:] for place in found], axis=0, return_counts=True)
    assert len(orientations) == ORIENTATIONS
    assert counts == pytest.approx(5000 / 8, rel=0.2)
    places, counts = np.unique([place[:2] for place in found], axis=0, return_counts=True)
    assert len(places) == 81
    assert counts.std() == pytest.approx((5000 / 81) ** 0.5, rel=0.3)


def test_images_are_drawn_equally_often_whatever_their_size(batch):
    sizes = (8, 8), (8, 50), (40, 9), (16, 16)
    images = tuple(np.full((*size, 1), 60 * place, np.uint8) for place, size in enumerate(sizes))
    levels, counts = np.unique(pixels(batch(ImageSet(tuple("abcd"), images), batch_size=4000)[1]), return_counts=True)
    assert levels.tolist() == [0, 60, 120, 180]
    assert counts / 64 == pytest.approx(1000, rel=0.15)


def test_a_batch_is_a_function_of_seed_role_and_iteration(batch):
    def found(**changed):
        return tuple(side.numpy().tobytes() for side in batch(**changed))

    assert found() == found()
    assert len({found(), found(seed=1), found(role="other"), found(iteration=1)}) == 4
    assert len({found(sigma=50.0)[0], found(protocol="float")[0], found()[0]}) == 3
    assert found(sigma=50.0)[1] == found(protocol="float")[1] == found()[1]


def test_a_member_of_a_pack_has_the_batch_that_it_has_alone(batch, photographs):
    rgb = ImageSet(
        tuple("abc"), tuple(np.concatenate([i, i // 2, 255 - i], axis=2) for i in photographs["train"].clean)
    )
    pairs = ImageSet(rgb.names, rgb.clean, tuple(255 - image for image in rgb.clean))
    members = [{"seed": 3}, {"seed": 1, "sigma": 50}, {"seed": 3, "protocol": "float"}, {"seed": 3, "lambda1": 1}]
    for images in (SET, rgb, pairs):
        channels = images.clean[0].shape[2]
        together = batch(images, members=members, iteration=7)
        for place, own in enumerate(members):
            for side, alone in zip(together, batch(images, iteration=7, **own), strict=True):
                assert side.shape == (40, 4 * channels, 8, 8)
                assert side.is_contiguous(memory_format=torch.channels_last)
                assert torch.equal(side[:, place * channels : (place + 1) * channels], alone)


def test_noise_is_normal_and_of_its_own_in_every_pixel_and_batch(batch):
    def noise(**changed):
        degraded, clean = batch(protocol="float", batch_size=500, **changed)
        return 255 * (degraded - clean) / 30

    one = noise()
    assert one.mean().item() == pytest.approx(0, abs=0.02)
    assert [one.pow(n).mean().item() for n in (2, 4)] == pytest.approx([1, 3], rel=0.05)
    others = one.roll(1, 0), one.roll(1, 2), one.roll(1, 3), noise(iteration=1), noise(seed=1), noise(role="other")
    for other in others:
        assert (one * other).mean().item() == pytest.approx(0, abs=0.03)


def test_degraded_crops_follow_the_protocol(batch):
    plain, clean = batch(protocol="float")
    levels = (255 * plain).clip(0, 255)
    lost = levels - 255 * batch()[0]
    assert lost.min() > -1e-3
    assert lost.max() < 1 + 1e-3
    assert torch.equal(batch()[0], torch.from_numpy(pixels(batch()[0])) * (1 / 255))
    assert torch.equal(batch()[1], clean)


def test_partners_are_cropped_and_turned_alike(batch):
    degraded, clean = batch(ImageSet(("a",), SET.clean, (255 - SET.clean[0],)))
    np.testing.assert_array_equal(pixels(degraded), 255 - pixels(clean))
    assert torch.equal(clean, batch()[1])
    assert degraded.dtype == clean.dtype == torch.float32


@pytest.mark.parametrize("channels", [1, 3])
def test_windows_gathered_on_a_device_are_those_copied_in_memory(channels):
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, (*size, channels), dtype=np.uint8) for size in ((8, 8), (9, 31), (20, 8))]
    images.append(np.asfortranarray(images[1]))
    windows = np.array(
        [
            (place, y, x, orientation)
            for place, image in enumerate(images)
            for y, x in itertools.product((0, image.shape[0] - 8), (0, image.shape[1] - 8))
            for orientation in range(ORIENTATIONS)
        ]
    )
    copied = MappedPixels(images).cut(windows, 8)
    assert copied.shape == (len(windows), 8, 8, channels)
    assert torch.equal(copied, FlatPixels(images, "cpu").cut(windows, 8))


def test_images_in_memory_are_not_copied():
    image = np.zeros((20, 20, 3), np.uint8)
    cut, window = MappedPixels([image]).cut, np.array([[0, 4, 5, 0]])
    image[4, 5] = 1, 2, 3
    assert cut(window, 8)[0, 0, 0].tolist() == [1, 2, 3]


def test_a_batch_is_sent_to_a_gpu_without_waiting_for_it(monkeypatch):
    sent, pinned = [], []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor.clone()) or pinned[-1])
    monkeypatch.setattr(
        torch.Tensor, "to", lambda tensor, device, **how: sent.append((tensor, device.type, how)) or tensor
    )
    windows = np.array([[0, 1, 2, 3]])
    assert torch.equal(crops._sent(windows, torch.device("cuda")), torch.from_numpy(windows))
    assert sent == [(pinned[0], "cuda", {"non_blocking": True})], "a copy waits, unless it is of pinned memory"


def test_one_copy_to_a_device_a_batch_and_it_does_not_block():
    class Copies(TorchDispatchMode):
        found = ()

        def __torch_dispatch__(self, operation, types, arguments=(), more=None):
            more = more or {}
            if more.get("device", arguments[0].device if arguments else None) != arguments[0].device:
                self.found += ((operation._schema.name, more.get("non_blocking")),)
            return operation(*arguments, **more)

    pixels = FlatPixels([np.zeros((40, 40, 1), np.uint8)] * 2, "meta")  # of a device from which nothing can be read
    for _ in range(2):  # at first grids are made, which stay
        with Copies() as copies:
            pixels.cut(np.array([[0, 1, 2, 3], [1, 0, 0, 7]]), 8)
    assert copies.found == (("aten::_to_copy", True),)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_cuts_the_same_windows_and_draws_noise_of_the_same_kind(tiny):
    c = tiny.with_values(batch_size=500, patch_size=8, sigma=30.0, protocol="float")
    members = [c, c.with_values(seed=1), c.with_values(sigma=50)]
    expected, found = (Crops(SET, members, "crops", device).batch(3) for device in ("cpu", "cuda"))
    torch.testing.assert_close(found[1].cpu(), expected[1], rtol=1e-6, atol=0)
    spread = (255 * (found[0] - found[1])).std(dim=(0, 2, 3)).tolist()
    assert spread == pytest.approx([30, 30, 50], rel=0.02)
    assert all(
        torch.equal(one, other) for one, other in zip(found, Crops(SET, members, "crops", "cuda").batch(3), strict=True)
    )

"""Deraining end to end, on pictures with made rain: the split is drawn, pairs stay pairs, and the network learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pictures import picture, rain, save, side_by_side
from torch import nn

from clearer.presets import DERAIN
from clearer.scores import psnr_db
from clearer.search import Search
from clearer.splits import check_splits, learning_images, scored_images
from clearer.testing import degraded_inputs, score
from clearer.training import Training


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for seed in range(14):
        save(folder / "wet" / "train" / f"{seed:02}.png", side_by_side(picture(seed, 48, 40), seed))
    for seed in range(20, 23):
        save(folder / "wet" / "test" / f"{seed}.png", side_by_side(picture(seed, 70, 66), seed))
    for seed in range(30, 32):
        save(folder / "apart" / "clean" / f"{seed}.png", picture(seed, 70, 66))
        save(folder / "apart" / "degraded" / f"{seed}.png", rain(picture(seed, 70, 66)))
    return folder


@pytest.fixture(scope="module")
def configuration(tiny):
    return tiny.with_values(**{**DERAIN, "dataset": "wet", "patch_size": 16, "channels": 4, "train_iterations": 60})


def test_a_search_a_training_and_a_test(configuration, data, finish):
    assert check_splits(configuration, data) == []
    train, validation = (learning_images(configuration, split, data) for split in ("train", "validation"))
    assert (len(train.clean), len(validation.clean)) == (12, 2)
    found = finish(Search([configuration], train, validation))
    trained = finish(Training([configuration], found.supernet.architecture(), train, validation))
    curve = trained.members[0].curve
    assert curve[-1]["restoration_loss"] < curve[0]["restoration_loss"]
    assert next(trained.network.parameters()).shape[1] == 3
    scores = score(configuration, trained.network, scored_images(configuration, data))
    assert len(scores.psnr_db) == 3
    assert np.isfinite(scores.psnr_db).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_identity_scores_as_the_rain(configuration, data, channels):
    c = configuration.with_values(image_channels=channels)
    images = scored_images(c, data)
    scores = score(c, nn.Identity(), images)
    assert scores.psnr_db == pytest.approx(scores.degraded_psnr_db, abs=1e-4)
    for clean, degraded, psnr in zip(images.clean, images.degraded, scores.psnr_db, strict=True):
        area = slice(0, 64), slice(0, 64)
        assert psnr == pytest.approx(psnr_db(degraded[area] / 255, clean[area] / 255), abs=1e-4)


def test_sigma_and_protocol_do_not_touch_the_rain(configuration, data):
    images = scored_images(configuration, data)
    one, other = (
        degraded_inputs(configuration.with_values(sigma=sigma, protocol=protocol), images)
        for sigma, protocol in ((30, "clip8"), (70, "float"))
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_another_test_set_in_two_folders(configuration, data):
    images = scored_images(configuration.with_values(dataset="apart", test_set="apart", pairing="folders"), data)
    assert images.names == ("30.png", "31.png")
    np.testing.assert_array_equal(images.degraded[0], rain(picture(30, 70, 66)))


def test_crops_of_a_run_are_pairs(configuration, data):
    images = learning_images(configuration, "train", data)
    run = Training([configuration], Search([configuration], images, images).supernet.architecture(), images, images)
    degraded, clean = run._watched
    assert degraded.shape == clean.shape == (configuration.batch_size, 3, 16, 16)
    assert bool((degraded >= clean).all())  # rain only brightens
    assert not torch.equal(degraded, clean)

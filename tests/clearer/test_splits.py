"""The images of a configuration: which it learns from, which it is tested on; deraining from pairs to scores."""

import numpy as np
import pytest
import torch
from pictures import picture, rain, save, side_by_side
from torch import nn

from clearer.configuration import Configuration
from clearer.images.overlap import OverlapError
from clearer.images.reading import ImageError, bt601, read_image
from clearer.presets import preset_values
from clearer.scores import psnr_db
from clearer.search import Search
from clearer.splits import check_splits, configured_files, contents_lines, learning_images, scored_images
from clearer.testing import degraded_inputs, score
from clearer.training import Training

DERAIN = preset_values("paper", "derain")


@pytest.fixture
def data(tmp_path):
    """A data folder with a small bsds500 whose splits share nothing."""
    for place, inner in enumerate(("train", "val", "test")):
        for seed in range(3):
            save(tmp_path / "bsds500" / inner / f"{seed}.png", picture(10 * place + seed, 150, 180))
    return tmp_path


def test_splits_that_share_nothing_pass(data):
    assert check_splits(Configuration(), data) == []


def test_embedded_splits_share_nothing():
    assert check_splits(Configuration(dataset="embedded"), None) == []


def test_an_overlap_stops_and_is_named_in_one_line(data):
    save(data / "bsds500" / "val" / "again.jpg", picture(1, 150, 180), "JPEG")
    save(data / "bsds500" / "val" / "gray.png", bt601(picture(2, 150, 180)))
    with pytest.raises(OverlapError) as stopped:
        check_splits(Configuration(), data)
    message = str(stopped.value)
    assert "2 of bsds500 train overlap 2 of bsds500 validation" in message
    assert "1.png = again.jpg (recompressed)" in message
    assert "2.png = gray.png (gray copy)" in message
    assert "--set allow_overlap=true" in message
    assert "\n" not in message
    assert isinstance(stopped.value, ImageError)


def test_an_overlap_that_is_allowed_is_returned(data):
    save(data / "bsds500" / "test" / "again.png", picture(1, 150, 180))
    (found,) = check_splits(Configuration(allow_overlap=True), data)
    assert (found.set_a, found.file_a.name) == ("bsds500 train", "1.png")
    assert (found.set_b, found.file_b.name, found.kind) == ("bsds500 test", "again.png", "same file")


def test_another_test_set_is_compared_too(data):
    crop = picture(2, 150, 180)[10:138, 30:158]
    save(data / "set12" / "04.png", bt601(crop))
    with pytest.raises(OverlapError, match=r"1 of bsds500 train overlap 1 of set12 test: 2\.png = 04\.png \(crop\)"):
        check_splits(Configuration(test_set="set12"), data)


def test_bsd68_is_a_part_of_bsds500_validation(benchmarks):
    with pytest.raises(
        OverlapError, match=r"68 of bsds500 validation overlap 68 of bsd68 test: .*, and 65 more; --set"
    ):
        check_splits(Configuration(test_set="bsd68"), benchmarks)


def test_set12s_starfish_is_in_bsds500_train(benchmarks, tmp_path):
    starfish = read_image(benchmarks / "bsds500" / "train" / "12003.jpg", 1, "bt601")[7:263, 109:365]
    save(tmp_path / "04.png", starfish)
    with pytest.raises(
        OverlapError, match=r"1 of bsds500 train overlap 1 of .* test: 12003\.jpg = 04\.png \(crop\); --set"
    ):
        check_splits(Configuration(test_set=str(tmp_path)), benchmarks)


def test_the_test_split_is_the_named_test_set(data):
    fill = save(data / "mine" / "one.png", picture(99, 40, 40))
    assert [f.path for f in configured_files(Configuration(test_set="mine"), "test", data)] == [fill]
    assert len(configured_files(Configuration(), "test", data)) == 3


def test_learning_images_hold_a_patch(tiny):
    assert len(learning_images(tiny, "validation", None).clean) == 4
    with pytest.raises(ImageError, match=r"\.(png|jpg): .* smaller than the patch of 5000"):
        learning_images(tiny.with_values(patch_size=5000), "validation", None)


@pytest.mark.parametrize(("height", "width", "fits"), [(11, 11, True), (10, 40, False), (40, 10, False), (8, 8, False)])
def test_test_images_hold_the_window_of_ssim(tmp_path, height, width, fits):
    save(tmp_path / "a.png", picture(0, 40, 40))
    save(tmp_path / "small.png", picture(1, height, width))
    c = Configuration(test_set=str(tmp_path))
    if fits:
        assert len(score(c.with_values(self_ensemble=1), nn.Identity(), scored_images(c, None)).ssim) == 2
    else:
        with pytest.raises(ImageError, match=rf"small\.png: {width}×{height} pixels, smaller than SSIM's window of 11"):
            scored_images(c, None)
    assert len(scored_images(c.with_values(test_limit=1), None).names) == 1


def test_small_pairs_are_named_too(tmp_path):
    save(tmp_path / "pair.png", side_by_side(picture(1, 30, 10)))
    with pytest.raises(ImageError, match=r"pair\.png: 10×30 pixels"):
        scored_images(Configuration(**DERAIN, test_set=str(tmp_path)), None)


def test_what_configurations_use_of_a_folder_is_told_once(data):
    save(data / "mine" / "one.png", picture(99, 40, 40))
    whole, without = Configuration(), Configuration(test_set="mine")
    assert contents_lines([whole, without], data) == ["bsds500: train/ 3, val/ 3, test/ 3 images", "mine: 1 images"]
    assert contents_lines([without], data)[0] == "bsds500: train/ 3, val/ 3 images; not used: test/ (3 .png)"


def test_pairs_are_compared_by_their_clean_images(tmp_path):
    for place, inner in enumerate(("train", "val", "test")):
        save(tmp_path / "pairs" / inner / "1.png", side_by_side(picture(place, 100, 120), seed=place))
    configuration = Configuration(**{**DERAIN, "dataset": "pairs"})
    assert check_splits(configuration, tmp_path) == []
    save(tmp_path / "pairs" / "test" / "2.png", side_by_side(picture(0, 100, 120), seed=9))
    with pytest.raises(OverlapError, match=r"1 of pairs train overlap 1 of pairs test: 1\.png = 2\.png"):
        check_splits(configuration, tmp_path)


def test_an_unreadable_image_is_named(data):
    (data / "bsds500" / "val" / "0.png").write_bytes(b"text")
    with pytest.raises(ImageError, match=r"val/0\.png: not a readable image"):
        check_splits(Configuration(), data)


def test_doing_nothing_scores_what_is_known_of_rain800(benchmarks):
    c = Configuration(**DERAIN, test_border="whole")
    images = scored_images(c, benchmarks)
    found = [psnr_db(d, clean / 255) for d, clean in zip(degraded_inputs(c, images), images.clean, strict=True)]
    assert np.mean(found) == pytest.approx(21.155, abs=5e-4)


@pytest.fixture(scope="module")
def wet(tmp_path_factory):
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
def derain(tiny):
    small = {"dataset": "wet", "test_border": "centre64", "patch_size": 16, "channels": 4, "train_iterations": 60}
    return tiny.with_values(**{**DERAIN, **small})


def test_a_search_a_training_and_a_test(derain, wet, finish):
    assert check_splits(derain, wet) == []
    train, validation = (learning_images(derain, split, wet) for split in ("train", "validation"))
    assert (len(train.clean), len(validation.clean)) == (12, 2)
    found = finish(Search([derain], train, validation))
    trained = finish(Training([derain], found.supernet.architecture(), train, validation))
    curve = trained.members[0].curve
    assert curve[-1]["restoration_loss"] < curve[0]["restoration_loss"]
    assert next(trained.network.parameters()).shape[1] == 3
    scores = score(derain, trained.network, scored_images(derain, wet))
    assert len(scores.psnr_db) == 3
    assert np.isfinite(scores.psnr_db).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_identity_scores_as_the_rain(derain, wet, channels):
    c = derain.with_values(image_channels=channels)
    images = scored_images(c, wet)
    scores = score(c, nn.Identity(), images)
    assert scores.psnr_db == pytest.approx(scores.degraded_psnr_db, abs=1e-4)
    for clean, degraded, psnr in zip(images.clean, images.degraded, scores.psnr_db, strict=True):
        area = slice(3, 67), slice(1, 65)  # of 70×66 pixels
        assert psnr == pytest.approx(psnr_db(degraded[area] / 255, clean[area] / 255), abs=1e-4)


def test_sigma_and_protocol_do_not_touch_the_rain(derain, wet):
    images = scored_images(derain, wet)
    one, other = (
        degraded_inputs(derain.with_values(sigma=sigma, protocol=protocol), images)
        for sigma, protocol in ((30, "clip8"), (70, "float"))
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_another_test_set_in_two_folders(derain, wet):
    images = scored_images(derain.with_values(dataset="apart", test_set="apart", pairing="folders"), wet)
    assert images.names == ("30.png", "31.png")
    np.testing.assert_array_equal(images.degraded[0], rain(picture(30, 70, 66)))


def test_crops_of_a_run_are_pairs(derain, wet):
    images = learning_images(derain, "train", wet)
    run = Training([derain], Search([derain], images, images).supernet.architecture(), images, images)
    degraded, clean = run._watched
    assert degraded.shape == clean.shape == (derain.batch_size, 3, 16, 16)
    assert bool((degraded >= clean).all())  # rain only brightens
    assert not torch.equal(degraded, clean)

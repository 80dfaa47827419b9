import csv
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer import references
from clearer.configuration import Configuration
from clearer.images.datasets import split_files
from clearer.images.reading import read_image
from clearer.images.sets import ImageSet, load_images
from clearer.references import main, outputs, tuned
from clearer.scores import Scores, psnr_db, psnr_patch_db, psnr_y_db
from clearer.tasks import denoise
from clearer.tasks.denoise import METHODS, Denoise
from clearer.tasks.task import Method

SMALL = {"total variation": Method(denoise.total_variation, {"strength": (0.1, 0.7)})}


def middle(method):
    choices = method.choices()
    return choices[len(choices) // 2]


@pytest.fixture(scope="module")
def photograph():
    """A part of one photograph, gray and in colours."""
    found = {channels: load_images(split_files("embedded", "test", None)[:1], channels) for channels in (1, 3)}
    return {n: ImageSet(images.names, (images.clean[0][64:192, 128:256],)) for n, images in found.items()}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", METHODS)
def test_every_method_denoises(name, channels, photograph):
    configuration = Configuration(sigma=30.0, protocol="float", image_channels=channels)
    method, images = METHODS[name], photograph[channels]
    clean, degraded, restored = next(outputs(method, configuration, images, middle(method)))
    assert restored.shape == degraded.shape == clean.shape == (128, 128, channels)
    assert restored.dtype == clean.dtype == np.float32
    assert 0 <= restored.min() <= restored.max() <= 1
    assert psnr_db(restored, clean) > psnr_db(degraded, clean) + 3
    scores = Scores.of(outputs(method, configuration, images, middle(method)))
    assert scores.psnr_db == [psnr_db(restored, clean)]
    assert scores.degraded_psnr_db == [psnr_db(degraded, clean)]
    assert len(scores.psnr_y_db) == (channels == 3)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=8)
@given(st.integers(0, 1000), st.sampled_from([30, 50, 70]), st.sampled_from(["clip8", "float"]), st.floats(1, 40))
def test_the_patch_mean_of_every_output_is_never_below_its_whole_image(name, seed, sigma, protocol, roughness):
    generator = np.random.default_rng(seed)
    rough = np.repeat(generator.uniform(0, roughness, 2), 64)[None, :, None]  # tiles that differ in difficulty
    photograph = (128 + rough * generator.standard_normal((128, 128, 1))).clip(0, 255).astype(np.uint8)
    configuration = Configuration(sigma=sigma, protocol=protocol)
    for clean, _, restored in outputs(
        METHODS[name], configuration, ImageSet(("a",), (photograph,)), middle(METHODS[name])
    ):
        assert psnr_patch_db(restored, clean) >= psnr_db(restored, clean) - 1e-9


@pytest.mark.parametrize("name", METHODS)
def test_methods_leave_their_input_alone(name, photograph):
    degraded = Denoise().noisy_test_image(Configuration(sigma=30.0), photograph[1].clean[0])
    before = degraded.copy()
    METHODS[name].restore(degraded, Configuration(sigma=30.0), **middle(METHODS[name]))
    np.testing.assert_array_equal(degraded, before)


def test_parameters_are_the_best_on_the_validation_images():
    configuration = Configuration(sigma=30.0)
    method = METHODS["total variation"]
    images = load_images(split_files("embedded", "validation", None)[:1], 1)
    images = ImageSet(images.names, (images.clean[0][:128, :128],))
    scored = [Scores.of(outputs(method, configuration, images, choice)) for choice in method.choices()]
    means = [scores.means()["psnr_db"] for scores in scored]
    assert tuned(method, configuration, images) == method.choices()[int(np.argmax(means))]


def test_nothing_is_chosen_on_test_images(monkeypatch, photograph):
    monkeypatch.setattr(denoise, "METHODS", SMALL)
    configuration = Configuration(sigma=30.0)
    flat = ImageSet(("flat",), (np.full((64, 64, 1), 128, np.uint8),))
    noise = ImageSet(("noise",), (np.random.default_rng(0).integers(0, 256, (64, 64, 1), dtype=np.uint8),))
    chosen = [list(references.scored(configuration, flat, test))[1][0]["chosen"] for test in (flat, noise)]
    assert chosen == ["strength=0.7"] * 2
    assert list(references.scored(configuration, noise, flat))[1][0]["chosen"] == "strength=0.1"


def test_a_method_has_every_combination_of_its_values():
    method = Method(denoise.nonlocal_means, {"strength": (1, 2), "patch_size": (5,)})
    assert method.choices() == [{"strength": 1, "patch_size": 5}, {"strength": 2, "patch_size": 5}]


def test_the_command_prints_and_writes_its_rows(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(denoise, "METHODS", SMALL)
    arguments = "--dataset embedded --sigma 50 --protocol float --limit 1 --validation-limit 1 --out"
    assert main([*arguments.split(), str(tmp_path / "rows.csv")]) == 0
    printed = capsys.readouterr().out
    for said in ("embedded test, 1 images, σ = 50, protocol float, centre64", "noisy input", "strength=0.7", "thread"):
        assert said in printed
    with open(tmp_path / "rows.csv", newline="") as file:
        noisy, smoothed = csv.DictReader(file)
    assert [row["method"] for row in (noisy, smoothed)] == ["noisy input", "total variation"]
    assert smoothed["chosen"] == "strength=0.7"
    assert float(noisy["psnr_db"]) == pytest.approx(20 * math.log10(255 / 50), abs=0.05)
    assert f"{float(smoothed['psnr_patch_db']):.2f}" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--protocol", "x"], "protocol=x"), (["--data", "/none"], "/none"), (["--dataset", "bsds500"], "--data")],
)
def test_bad_usage_is_one_line(arguments, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said in error
    assert error.count("\n") == 1


def test_a_missing_package_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pywt", None)
    monkeypatch.setattr(denoise, "METHODS", {**SMALL, "wavelets, x": METHODS["wavelets, BayesShrink"]})
    assert main(["--dataset", "embedded", "--limit", "1", "--validation-limit", "1"]) == 0
    assert "wavelets, x: needs PyWavelets" in capsys.readouterr().out


NOISY_DB = {
    "bsds500/test": {15: 24.75, 25: 20.45, 30: 18.95, 50: 14.91, 70: 12.50},
    "bsd68": {15: 24.79, 25: 20.48, 30: 18.97, 50: 14.92, 70: 12.50},
}
"""Measured by another program with another draw: `clip8`, mean over all images, PSNR in dB by σ."""


@pytest.mark.parametrize("folder", NOISY_DB)
def test_noisy_inputs_score_what_others_measured(folder, benchmarks):
    files = sorted(p for p in (benchmarks / folder).iterdir() if p.suffix in (".jpg", ".png"))
    assert len(files) == {"bsds500/test": 200, "bsd68": 68}[folder]
    images = [read_image(path, 1) for path in files]
    for sigma, clipped_db in NOISY_DB[folder].items():
        for protocol, expected in (("clip8", clipped_db), ("float", 20 * math.log10(255 / sigma))):
            c = Configuration(sigma=sigma, protocol=protocol)
            inputs = [Denoise().noisy_test_image(c, image) for image in images]
            found = [psnr_db(*pair) for pair in zip(inputs, [i / np.float32(255) for i in images], strict=True)]
            assert np.mean(found) == pytest.approx(expected, abs=0.03), (sigma, protocol)


def test_rain_scores_what_others_measured(benchmarks):
    files = sorted((benchmarks / "rain800" / "test").glob("*.jpg"))
    pairs = [np.split(read_image(path, 3) / np.float32(255), 2, axis=1) for path in files]
    assert len(pairs) == 100
    assert np.mean([psnr_db(rain, clean) for clean, rain in pairs]) == pytest.approx(21.155, abs=0.001)
    assert np.mean([psnr_y_db(rain, clean) for clean, rain in pairs]) == pytest.approx(22.590, abs=0.001)


@pytest.mark.parametrize(
    ("name", "parameters", "whole_db", "gain_db"),
    [
        ("total variation", {"strength": 0.15 * 255 / 30}, 26.28, 1.02),  # smooths too much
        ("non-local means", {"strength": 0.6, "patch_size": 5}, 26.85, 0.69),
    ],
)
def test_patch_means_of_photographs_are_higher_by_what_the_page_says(name, parameters, whole_db, gain_db, benchmarks):
    images = load_images(split_files("bsds500", "test", benchmarks)[:24], 1)
    found = list(
        outputs(METHODS[name], Configuration(sigma=30.0, protocol="clip8", test_border="crop64"), images, parameters)
    )
    whole = np.array([psnr_db(restored, clean) for clean, _, restored in found])
    patch = np.array([psnr_patch_db(restored, clean) for clean, _, restored in found])
    assert (patch >= whole).all()
    assert whole.mean() == pytest.approx(whole_db, abs=0.01)
    assert (patch - whole).mean() == pytest.approx(gain_db, abs=0.01)

"""References: what a method without training scores, and the two architectures at the ends of a space.

    python -m clearer.references --dataset bsds500 --data DIR --sigma 30 --protocol clip8 [--limit N] [--out FILE.csv]

1. `METHODS` are classical denoisers of scikit-image, each with a small grid of parameters in units of the noise.
2. `tuned` picks the parameters with the best mean PSNR on validation images. Nothing is chosen on test images.
3. `evaluate` scores them as `clearer.testing.score` does a network: same degraded pixels, same area, same scores.

σ is given to every denoiser, as it is to a network through its training. Under `clip8` the noise is weaker than σ
in dark and bright areas and its mean is not zero; the grids reach low enough for that.
"""

from __future__ import annotations

import csv
import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from skimage import restoration

from clearer.command import OneLineParser
from clearer.configuration import Configuration
from clearer.fields import ConfigurationError
from clearer.images.reading import ImageError
from clearer.images.sets import ImageSet, load_split
from clearer.protocols import scored_area
from clearer.scores import psnr_db
from clearer.testing import TestScores, degraded_inputs
from clearer.timing import device_name

Denoiser = Callable[..., np.ndarray]
"""Of a degraded image, (height, width, channels), the σ of its noise where 1.0 is white, and parameters by name."""


@dataclass(frozen=True)
class Method:
    """A denoiser and the values that each of its parameters may take."""

    denoise: Denoiser
    grid: Mapping[str, Sequence[Any]]

    def choices(self) -> list[dict[str, Any]]:
        """Every combination of the parameters' values."""
        return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]


def total_variation(degraded: np.ndarray, sigma: float, strength: float) -> np.ndarray:
    """Chambolle 2004, each channel alone; the weight of total variation is `strength` × σ."""
    return restoration.denoise_tv_chambolle(degraded, weight=strength * sigma, channel_axis=-1)


def nonlocal_means(degraded: np.ndarray, sigma: float, strength: float, patch_size: int) -> np.ndarray:
    """Buades et al. 2005 in the fast form of Darbon et al. 2008; patches differ by h = `strength` × σ, 13 × 13 of them are searched."""
    options = {"patch_size": patch_size, "patch_distance": 6, "h": strength * sigma, "sigma": sigma, "fast_mode": True}
    restored = restoration.denoise_nl_means(degraded, **options, channel_axis=-1)
    return restored.reshape(degraded.shape)  # it drops a single channel


def bayes_wavelets(degraded: np.ndarray, sigma: float, wavelet: str, strength: float) -> np.ndarray:
    """Wavelet coefficients shrunk by BayesShrink (Chang et al. 2000) for noise of `strength` × σ; decimated, soft."""
    return _wavelets(degraded, strength * sigma, wavelet, "BayesShrink")


def visu_wavelets(degraded: np.ndarray, sigma: float, wavelet: str, strength: float) -> np.ndarray:
    """Wavelet coefficients shrunk by VisuShrink (Donoho and Johnstone 1994) for noise of `strength` × σ; decimated, soft."""
    return _wavelets(degraded, strength * sigma, wavelet, "VisuShrink")


def _wavelets(degraded: np.ndarray, sigma: float, wavelet: str, method: str) -> np.ndarray:
    return restoration.denoise_wavelet(
        degraded, sigma, wavelet, mode="soft", method=method, rescale_sigma=False, channel_axis=-1
    )  # fmt: skip


METHODS: Mapping[str, Method] = {
    "total variation": Method(total_variation, {"strength": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)}),
    "non-local means": Method(nonlocal_means, {"strength": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7), "patch_size": (5, 7)}),
    "wavelets, BayesShrink": Method(bayes_wavelets, {"wavelet": ("db2", "sym4"), "strength": (0.8, 0.9, 1.0, 1.1)}),
    "wavelets, VisuShrink": Method(visu_wavelets, {"wavelet": ("db2", "sym4"), "strength": (0.2, 0.3, 0.4, 0.5)}),
}


def available() -> dict[str, Method]:
    """The methods that can run here: those by wavelets need the package PyWavelets."""
    wavelets = importlib.util.find_spec("pywt") is not None
    return {name: method for name, method in METHODS.items() if wavelets or not name.startswith("wavelets")}


def outputs(
    method: Method, configuration: Configuration, images: ImageSet, parameters: Mapping[str, Any]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Clean, degraded and restored scored area of every image: float32, 1.0 is white, the restored one clipped to 0 … 1."""
    c = configuration
    for clean, degraded in zip(images.clean, degraded_inputs(c, images), strict=True):
        restored = method.denoise(degraded, c.sigma / 255, **parameters).clip(0, 1).astype(np.float32)
        yield scored_area(clean, c.test_border).astype(np.float32) / 255, degraded, restored


def tuned(method: Method, configuration: Configuration, validation: ImageSet) -> dict[str, Any]:
    """The parameters of the method's grid with the best mean PSNR over the validation images; the first of equals."""

    def mean_psnr_db(parameters: Mapping[str, Any]) -> float:
        found = outputs(method, configuration, validation, parameters)
        return float(np.mean([psnr_db(restored, clean) for clean, _, restored in found]))

    return max(method.choices(), key=mean_psnr_db)


def evaluate(
    method: Method, configuration: Configuration, images: ImageSet, parameters: Mapping[str, Any]
) -> TestScores:
    """The scores of a method over `images` under the configuration's σ, protocol and border."""
    scores = TestScores()
    for clean, degraded, restored in outputs(method, configuration, images, parameters):
        scores.add(clean, degraded, restored)
    return scores


def noisy_input(configuration: Configuration, images: ImageSet) -> TestScores:
    """The scores of the degraded images themselves, not clipped: what doing nothing scores."""
    scores = TestScores()
    for clean8, degraded in zip(images.clean, degraded_inputs(configuration, images), strict=True):
        scores.add(scored_area(clean8, configuration.test_border).astype(np.float32) / 255, degraded, degraded)
    return scores


def rows(configuration: Configuration, validation: ImageSet, test: ImageSet) -> Iterator[dict[str, Any]]:
    """One row a method, the degraded input first: its mean scores, and the parameters that validation images chose.

    The denoisers have no meaning for deraining: there the degraded input is the only row.
    """
    return (row for row, _ in scored(configuration, validation, test))


def scored(
    configuration: Configuration, validation: ImageSet, test: ImageSet
) -> Iterator[tuple[dict[str, Any], TestScores]]:
    """As `rows`, each with the scores of every image and the first image restored."""
    c = configuration
    about = {
        "task": c.task, "dataset": c.dataset, "sigma": c.sigma, "protocol": c.protocol, "test_border": c.test_border,
        "test_images": len(test.clean), "validation_images": len(validation.clean), "device": device_name("cpu"),
    }  # fmt: skip
    name = "noisy input" if c.task == "denoise" else "degraded input"
    scores = noisy_input(c, test)
    yield {"method": name, **scores.means(), "chosen": "", **about}, scores
    for name, method in available().items() if c.task == "denoise" else ():
        chosen = tuned(method, c, validation)
        text = " ".join(f"{parameter}={value}" for parameter, value in chosen.items())
        scores = evaluate(method, c, test, chosen)
        yield {"method": name, **scores.means(), "chosen": text, **about}, scores


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """The rows as text: what they were measured on, then a line a method."""
    first = found[0]
    lines = [
        f"{first['dataset']} test, {first['test_images']} images, σ = {first['sigma']:g}, protocol {first['protocol']}, "
        f"{first['test_border']}; parameters chosen on {first['validation_images']} validation images; {first['device']}",
        f"{'method':<24}{'PSNR dB':>9}{'SSIM':>9}{'patch PSNR dB':>15}   parameters",
    ]
    lines += [f"{r['method']:<24}{r['psnr_db']:>9.2f}{r['ssim']:>9.4f}{r['psnr_patch_db']:>15.2f}   {r['chosen']}" for r in found]  # fmt: skip
    missing = [name for name in METHODS if name not in available()]
    return "\n".join([*lines, *(f"{name}: needs PyWavelets (pip install PyWavelets)" for name in missing)])


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; the exit status."""
    parser = OneLineParser(
        prog="python -m clearer.references", description="What denoisers without training score on a test set."
    )
    parser.add_argument("--dataset", default="bsds500", help="as --set dataset= of a study (default bsds500)")
    parser.add_argument("--data", type=Path, help="the folder that holds the datasets")
    parser.add_argument("--sigma", type=float, default=30.0, help="noise on the 0-255 scale (default 30)")
    parser.add_argument("--protocol", default="clip8", help="clip8 or float (default clip8)")
    parser.add_argument("--image-channels", type=int, default=1, help="1 gray, 3 RGB (default 1)")
    parser.add_argument("--limit", type=int, default=0, help="the first so many test images by name; 0: all")
    parser.add_argument(
        "--validation-limit", type=int, default=10, help="as --limit, to choose parameters (default 10)"
    )
    parser.add_argument("--out", type=Path, help="write the rows to a CSV file")
    o = parser.parse_args(arguments)
    try:
        c = Configuration(
            dataset=o.dataset, sigma=o.sigma, protocol=o.protocol, image_channels=o.image_channels, test_limit=o.limit
        )
        validation, test = (
            load_split(c.dataset, split, c.image_channels, o.data, limit=limit)
            for split, limit in (("validation", o.validation_limit), ("test", c.test_limit))
        )
    except (ConfigurationError, ImageError) as error:
        parser.error(str(error))
    found = list(rows(c, validation, test))
    print(table(found))
    if o.out is not None:
        with open(o.out, "w", newline="") as file:
            writer = csv.DictWriter(file, list(found[0]))
            writer.writeheader()
            writer.writerows(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())

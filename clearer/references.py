"""References: what denoisers of scikit-image, which need no training, score under a configuration's protocol.

    python -m clearer.references --dataset bsds500 --data DIR --sigma 30 --protocol clip8 [--limit N] [--out FILE.csv]

A denoiser's parameters are those of a small grid, in units of the noise, with the best mean PSNR on validation images.
It is scored as `clearer.testing.score` does a network. σ is given to it, as to a network through its training. Under
`clip8` the noise is weaker than σ in dark and bright areas, and its mean is not zero; the grids reach low enough.
"""

import csv
import functools
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
from clearer.machine import device_name
from clearer.scores import Scores, psnr_db
from clearer.splits import scored_images
from clearer.testing import degraded_inputs, scored_pixels

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
    """Buades et al. 2005, fast form of Darbon et al. 2008; h is `strength` × σ, and 13 × 13 patches are searched."""
    options = {"patch_size": patch_size, "patch_distance": 6, "h": strength * sigma, "sigma": sigma, "fast_mode": True}
    restored = restoration.denoise_nl_means(degraded, **options, channel_axis=-1)
    return restored.reshape(degraded.shape)  # it drops a single channel


def wavelets(degraded: np.ndarray, sigma: float, wavelet: str, strength: float, method: str) -> np.ndarray:
    """Wavelet coefficients shrunk for noise of `strength` × σ by a `method`; decimated, soft.

    BayesShrink is by Chang et al. 2000, VisuShrink by Donoho and Johnstone 1994.
    """
    options = {"mode": "soft", "method": method, "rescale_sigma": False, "channel_axis": -1}
    return restoration.denoise_wavelet(degraded, strength * sigma, wavelet, **options)


_bayes, _visu = (functools.partial(wavelets, method=f"{name}Shrink") for name in ("Bayes", "Visu"))
METHODS: Mapping[str, Method] = {
    "total variation": Method(total_variation, {"strength": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)}),
    "non-local means": Method(nonlocal_means, {"strength": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7), "patch_size": (5, 7)}),
    "wavelets, BayesShrink": Method(_bayes, {"wavelet": ("db2", "sym4"), "strength": (0.8, 0.9, 1.0, 1.1)}),
    "wavelets, VisuShrink": Method(_visu, {"wavelet": ("db2", "sym4"), "strength": (0.2, 0.3, 0.4, 0.5)}),
}


def available() -> dict[str, Method]:
    """The methods that can run here: those by wavelets need the package PyWavelets."""
    is_there = importlib.util.find_spec("pywt") is not None
    return {name: method for name, method in METHODS.items() if is_there or not name.startswith("wavelets")}


def outputs(
    method: Method, c: Configuration, images: ImageSet, parameters: Mapping[str, Any]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Clean, degraded and restored scored area of every image: float32, 1.0 is white; restored is in 0 … 1."""
    for clean, degraded in zip(images.clean, degraded_inputs(c, images), strict=True):
        restored = method.denoise(degraded, c.sigma / 255, **parameters).clip(0, 1).astype(np.float32)
        yield scored_pixels(c, clean), degraded, restored


def tuned(method: Method, c: Configuration, validation: ImageSet) -> dict[str, Any]:
    """The parameters of the method's grid with the best mean PSNR over the validation images; the first of equals."""

    def mean_psnr_db(parameters: Mapping[str, Any]) -> float:
        found = outputs(method, c, validation, parameters)
        return float(np.mean([psnr_db(restored, clean) for clean, _, restored in found]))

    return max(method.choices(), key=mean_psnr_db)


def evaluate(method: Method, c: Configuration, images: ImageSet, parameters: Mapping[str, Any]) -> Scores:
    """The scores of a method over `images` under the configuration's σ, protocol and border."""
    scores = Scores()
    for clean, degraded, restored in outputs(method, c, images, parameters):
        scores.add(clean, degraded, restored)
    return scores


def scored(c: Configuration, validation: ImageSet, test: ImageSet) -> Iterator[tuple[dict[str, Any], Scores]]:
    """A row (mean scores, chosen parameters) and the scores of each method: of the input alone for deraining."""
    about = {name: getattr(c, name) for name in ("task", "dataset", "sigma", "protocol", "test_border")}
    about |= {"test_images": len(test.clean), "validation_images": len(validation.clean), "device": device_name("cpu")}
    name = "noisy input" if c.task == "denoise" else "degraded input"
    scores = Scores()
    for clean, degraded in zip(test.clean, degraded_inputs(c, test), strict=True):
        scores.add(scored_pixels(c, clean), degraded, degraded)  # not clipped: what doing nothing scores
    yield {"method": name, **scores.means(), "chosen": "", **about}, scores
    for name, method in available().items() if c.task == "denoise" else ():
        chosen = tuned(method, c, validation)
        text = " ".join(f"{parameter}={value}" for parameter, value in chosen.items())
        scores = evaluate(method, c, test, chosen)
        yield {"method": name, **scores.means(), "chosen": text, **about}, scores


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """The rows as text: what they were measured on, then a line a method."""
    about = "{dataset} test, {test_images} images, σ = {sigma:g}, protocol {protocol}, {test_border}; parameters "
    about += "chosen on {validation_images} validation images; {device}"
    lines = [about.format(**found[0])]
    lines.append(f"{'method':<24}{'PSNR dB':>9}{'SSIM':>9}{'patch PSNR dB':>15}   parameters")
    line = "{method:<24}{psnr_db:>9.2f}{ssim:>9.4f}{psnr_patch_db:>15.2f}   {chosen}"
    lines += [line.format(**row) for row in found]
    missing = [name for name in METHODS if name not in available()]
    return "\n".join([*lines, *(f"{name}: needs PyWavelets (pip install PyWavelets)" for name in missing)])


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; the exit status."""
    about = "What denoisers without training score on a test set."
    parser = OneLineParser(prog="python -m clearer.references", description=about)
    add = parser.add_argument
    add("--dataset", default="bsds500", help="as --set dataset= of a study (default bsds500)")
    add("--data", type=Path, help="the folder that holds the datasets")
    add("--sigma", type=float, default=30.0, help="noise on the 0-255 scale (default 30)")
    add("--protocol", default="clip8", help="clip8 or float (default clip8)")
    add("--image-channels", type=int, default=1, help="1 gray, 3 RGB (default 1)")
    add("--limit", type=int, default=0, help="the first so many test images by name; 0: all")
    add("--validation-limit", type=int, default=10, help="as --limit, to choose parameters (default 10)")
    add("--out", type=Path, help="write the rows to a CSV file")
    o = parser.parse_args(arguments)
    named = {name: getattr(o, name) for name in ("dataset", "sigma", "protocol", "image_channels")}
    try:
        c = Configuration(**named, test_limit=o.limit)
        validation = load_split(c.dataset, "validation", c.image_channels, o.data, limit=o.validation_limit)
        test = scored_images(c, o.data)
    except (ConfigurationError, ImageError) as error:
        parser.error(str(error))
    found = [row for row, _ in scored(c, validation, test)]
    print(table(found))
    if o.out is not None:
        with o.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(found[0]))
            writer.writeheader()
            writer.writerows(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())

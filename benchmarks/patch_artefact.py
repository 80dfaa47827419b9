"""How much a patch mean raises the scores of one and the same output, on classical methods and small networks.

    python -m benchmarks.patch_artefact --data DIR --out docs/clearer_p.csv

Question: is the published gain of CLEARER-P over CLEARER (+1.14, +1.09, +1.03 dB at σ = 30, 50, 70)
more than the effect of averaging 64 × 64 patches' own PSNRs? One row for each method, σ and test
image. The networks are small and short, given and not searched: `NETWORKS` and its overrides say
how. About ten minutes on one core.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.search_step import SMALL
from clearer.architecture import Architecture
from clearer.command import OneLineParser
from clearer.configuration import Configuration
from clearer.images.datasets import split_files
from clearer.images.sets import ImageSet, load_images
from clearer.machine import device_name
from clearer.references import available, outputs, tuned
from clearer.scores import PATCH, patch_mean, psnr_db, psnr_patch_db, ssim_zero_padded
from clearer.splits import learning_images
from clearer.tasks.known import task_of
from clearer.testing import as_tensor, degraded_inputs, on_device, restore, scored_pixels
from clearer.training import Training

ARCHITECTURE = "FPFP-FPFF-PFFP"  # found at λ1 = 0.01, by the supplementary's Table 1
NETWORKS = {**SMALL, "kind": "given", "architecture": ARCHITECTURE, "train_iterations": 600, "threads": 1}
NETWORKS |= {"test_border": "crop64"}  # the area of the measured rows in docs/clearer_p.csv
COLUMNS = (
    "method kind seed chosen dataset sigma protocol image psnr_db psnr_patch_db "
    "ssim_zero_padded ssim_zero_padded_patch psnr_tiled_db psnr_tiled_patch_db device"
).split()


def scores(restored: np.ndarray, clean: np.ndarray) -> dict[str, float]:
    """One output scored both ways, by PSNR and by the released code's SSIM."""
    return {
        "psnr_db": psnr_db(restored, clean),
        "psnr_patch_db": psnr_patch_db(restored, clean),
        "ssim_zero_padded": ssim_zero_padded(restored, clean),
        "ssim_zero_padded_patch": patch_mean(ssim_zero_padded, restored, clean),
    }


def classical_rows(c: Configuration, validation: ImageSet, test: ImageSet) -> Iterator[dict[str, Any]]:
    """The rows of every classical method, with parameters chosen on validation images."""
    for name, method in available(task_of(c)).items():
        chosen = tuned(method, c, validation)
        about = {"method": name, "kind": "classical", "chosen": " ".join(f"{k}={v}" for k, v in chosen.items())}
        for image, (clean, _, restored) in zip(test.names, outputs(method, c, test, chosen), strict=True):
            yield {**about, "image": image, **scores(restored, clean)}


def trained(c: Configuration, data: Path | None) -> nn.Module:
    """The network of the configuration's architecture after its training."""
    sets = [learning_images(c, split, data) for split in (c.weights_split, c.alpha_split)]
    run = Training([c], Architecture.parse(c.architecture), sets[0], sets[1])
    for _ in run.advance():
        print(f"\rσ = {c.sigma:g}, seed {c.seed}: {run.iteration} of {run.iterations}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return run.network.eval()


@torch.inference_mode()
def network_rows(c: Configuration, network: nn.Module, test: ImageSet) -> Iterator[dict[str, Any]]:
    """The rows of a network, which restores whole images; `psnr_tiled_*` are of images restored tile by tile."""
    about = {"method": f"network {c.architecture}", "kind": "network", "seed": c.seed}
    for image, clean8, degraded in zip(test.names, test.clean, degraded_inputs(c, test), strict=True):
        clean = scored_pixels(c, clean8)
        whole = restore(network, on_device(degraded, "cpu"), c.self_ensemble)[0].clamp(0, 1).numpy()
        tiled = untiled(restore(network, as_tensor(tiles(degraded)), c.self_ensemble).clamp(0, 1).numpy(), clean.shape)
        by_tile = {"psnr_tiled_db": psnr_db(tiled, clean), "psnr_tiled_patch_db": psnr_patch_db(tiled, clean)}
        yield {**about, "image": image, **scores(np.moveaxis(whole, 0, -1), clean), **by_tile}


def tiles(image: np.ndarray) -> np.ndarray:
    """(tiles, 64, 64, channels), row by row, of an image whose sides are multiples of 64."""
    height, width, channels = image.shape
    blocks = image.reshape(height // PATCH, PATCH, width // PATCH, PATCH, channels)
    return blocks.swapaxes(1, 2).reshape(-1, PATCH, PATCH, channels)


def untiled(batch: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The image of `shape` that `tiles` cut; `batch` is (tiles, channels, 64, 64)."""
    height, width, channels = shape
    blocks = np.moveaxis(batch, 1, -1).reshape(height // PATCH, width // PATCH, PATCH, PATCH, channels)
    return blocks.swapaxes(1, 2).reshape(shape)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; the exit status."""
    parser = OneLineParser(prog="python -m benchmarks.patch_artefact", description="Patch means against whole images.")
    parser.add_argument("--data", type=Path, help="the folder that holds the datasets")
    parser.add_argument("--dataset", default="bsds500", help="as --set dataset= of a study (default bsds500)")
    parser.add_argument("--limit", type=int, default=24, help="the first so many test images by name (default 24)")
    parser.add_argument(
        "--validation-limit", type=int, default=10, help="as --limit, to choose parameters (default 10)"
    )
    parser.add_argument("--sigmas", type=float, nargs="+", default=[30, 50, 70], help="noise (default 30 50 70)")
    parser.add_argument("--seeds", type=int, default=2, help="networks for each sigma (default 2)")
    parser.add_argument("--iterations", type=int, default=NETWORKS["train_iterations"], help="of each (default 600)")
    parser.add_argument("--out", type=Path, required=True, help="the CSV file to write")
    o = parser.parse_args(arguments)
    settings = {**NETWORKS, "dataset": o.dataset, "test_limit": o.limit, "train_iterations": o.iterations}
    limits = {"validation": o.validation_limit, "test": o.limit}
    files = (split_files(o.dataset, split, o.data)[: limit or None] for split, limit in limits.items())
    validation, test = (load_images(found, 1) for found in files)
    torch.set_num_threads(NETWORKS["threads"])
    with open(o.out, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for sigma in o.sigmas:
            c = Configuration(**{**settings, "sigma": sigma})
            about = {"dataset": c.dataset, "sigma": c.sigma, "protocol": c.protocol, "device": device_name("cpu", 1)}
            writer.writerows({**row, **about} for row in classical_rows(c, validation, test))
            for seed in range(o.seeds):
                seeded = c.with_values(seed=seed)
                writer.writerows({**row, **about} for row in network_rows(seeded, trained(seeded, o.data), test))
    return 0


if __name__ == "__main__":
    sys.exit(main())

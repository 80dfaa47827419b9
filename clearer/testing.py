"""The test of a derived network: restore the degraded test images, and score them against the clean ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from torch import Tensor, nn

from clearer.configuration import Configuration
from clearer.images.sets import ImageSet, as_tensor
from clearer.modules import folded
from clearer.protocols import scored_area, test_input
from clearer.scores import psnr_db, psnr_patch_db, psnr_y_db, ssim, ssim_y, ssim_zero_padded


@dataclass(frozen=True)
class TestScores:
    """Scores of one method over a test set, image by image in the set's order, and the first image restored.

    The luma's scores are of RGB images; over gray images their lists stay empty.
    """

    __test__ = False  # not a test case

    psnr_db: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    psnr_patch_db: list[float] = field(default_factory=list)
    ssim_zero_padded: list[float] = field(default_factory=list)
    psnr_y_db: list[float] = field(default_factory=list)
    ssim_y: list[float] = field(default_factory=list)
    degraded_psnr_db: list[float] = field(default_factory=list)
    example: tuple[np.ndarray, ...] = ()
    """Clean, degraded, restored: (height, width, channels), 1.0 is white."""
    pixels: hashlib._Hash = field(default_factory=hashlib.sha256, repr=False, compare=False)

    @property
    def pixels_sha256(self) -> str:
        """The hash of every clean and degraded pixel that was scored, in order: equal where two methods saw the same."""
        return self.pixels.hexdigest()

    def add(self, clean: np.ndarray, degraded: np.ndarray, restored: np.ndarray) -> None:
        """Scores one more image; `restored` is clipped already."""
        colour = {"psnr_y_db": psnr_y_db, "ssim_y": ssim_y} if clean.shape[2] == 3 else {}
        scores = {
            "psnr_db": psnr_db,
            "ssim": ssim,
            "psnr_patch_db": psnr_patch_db,
            "ssim_zero_padded": ssim_zero_padded,
        }
        for name, scored in {**scores, **colour}.items():
            getattr(self, name).append(scored(restored, clean))
        self.degraded_psnr_db.append(psnr_db(degraded, clean))
        for image in (clean, degraded):
            self.pixels.update(f"{image.shape} {image.dtype} ".encode())
            self.pixels.update(np.ascontiguousarray(image).data)
        if not self.example:
            object.__setattr__(self, "example", (clean, degraded, restored))

    def means(self) -> dict[str, float]:
        """The mean over images of every score that was taken."""
        lists = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: float(np.mean(values)) for name, values in lists.items() if isinstance(values, list) and values}


def restore(network: nn.Module, degraded: Tensor, self_ensemble: int = 1) -> Tensor:
    """The restored batch, (batch, channels, height, width), not clipped.

    `self_ensemble=8` averages the results of all flips and right-angle turns of the input, each turned back. On a GPU those
    of one shape are a batch; on a CPU a batch of large images is slower than one after another.
    """
    if self_ensemble == 1:
        return network(degraded)
    total = torch.zeros_like(degraded)
    for quarter in (0, 1):
        turns = [(turned, flip) for turned in (quarter, quarter + 2) for flip in (False, True)]
        images = [torch.rot90(degraded.flip(-1) if flip else degraded, turned, (-2, -1)) for turned, flip in turns]
        batches = [torch.cat(images)] if degraded.is_cuda else images
        restored = [network(batch.contiguous(memory_format=torch.channels_last)) for batch in batches]
        for (turned, flip), image in zip(turns, torch.cat(restored).split(len(degraded)), strict=True):
            back = torch.rot90(image, -turned, (-2, -1))
            total += back.flip(-1) if flip else back
    return total / 8


def degraded_inputs(configuration: Configuration, images: ImageSet) -> list[np.ndarray]:
    """The degraded scored areas, (height, width, channels) each, 1.0 is white: the same pixels for every network."""
    c = configuration
    if images.degraded is not None:
        return [scored_area(image, c.test_border).astype(np.float32) / 255 for image in images.degraded]
    return [test_input(scored_area(image, c.test_border), c.sigma, c.protocol) for image in images.clean]


def on_device(degraded: np.ndarray, device: torch.device | str) -> Tensor:
    """A batch of one degraded image, ready for a network on `device`."""
    return as_tensor(degraded)[None].to(device, memory_format=torch.channels_last)


def score(
    configuration: Configuration, network: nn.Module, images: ImageSet, device: torch.device | str = "cpu"
) -> TestScores:
    """The scores of `network` over `images` under the configuration's protocol, in fp32, batch norm folded.

    Raises:
        ArithmeticError: a restored image is not finite (named).
    """
    network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    scores = TestScores()
    inputs = degraded_inputs(configuration, images)
    with torch.inference_mode(), folded(network):
        for name, clean8, degraded in zip(images.names, images.clean, inputs, strict=True):
            clean = scored_area(clean8, configuration.test_border).astype(np.float32) / 255
            raw = restore(network, on_device(degraded, device), configuration.self_ensemble)[0]
            if not bool(torch.isfinite(raw).all()):
                raise ArithmeticError(f"test: the restored {name} is not finite")
            scores.add(clean, degraded, np.moveaxis(raw.clamp(0, 1).cpu().numpy(), 0, -1))
    return scores

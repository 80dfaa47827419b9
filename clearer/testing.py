"""The test of a derived network: restore the degraded test images, and score them against the clean ones."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from clearer.configuration import Configuration
from clearer.images.reading import Image
from clearer.images.sets import ImageSet
from clearer.modules import folded, fp32
from clearer.scores import Scores
from clearer.tasks.known import task_of


def restore(network: nn.Module, degraded: Tensor, self_ensemble: int = 1) -> Tensor:
    """The restored batch, (batch, channels, height, width), not clipped; of `self_ensemble=8` the mean of all turns.

    On a GPU turns of one shape are a batch; on a CPU a batch of large images is slower than one after another.
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


def scored_area(image: Image, border: str) -> Image:
    """The part of a test image that is restored and scored; a side below 64 pixels stays whole.

    * `centre64`: sides are cut to multiples of 64 around the centre, of odd ones lower right (released code).
    * `crop64`: they are cut to multiples of 64 at the lower right (this project's first area).
    * `whole`: nothing is cut.
    """
    if border == "whole":
        return image
    height, width = (side - side % 64 or side for side in image.shape[:2])
    top, left = ((image.shape[0] - height) // 2, (image.shape[1] - width) // 2) if border == "centre64" else (0, 0)
    return image[top : top + height, left : left + width]


def degraded_inputs(c: Configuration, images: ImageSet) -> list[np.ndarray]:
    """The degraded scored areas, (height, width, channels) each, 1.0 is white: those that every network sees."""
    if images.degraded is not None:
        return [scored_pixels(c, image) for image in images.degraded]
    return [task_of(c).noisy_test_image(c, scored_area(image, c.test_border)) for image in images.clean]


def scored_pixels(c: Configuration, image: np.ndarray) -> np.ndarray:
    """The scored area of an 8-bit image, float32, 1.0 is white."""
    return scored_area(image, c.test_border).astype(np.float32) / 255


def inside(c: Configuration, *images: np.ndarray) -> list[np.ndarray]:
    """Images of the scored area without the border that the task does not score."""
    cut = task_of(c).border(c)
    return [image[cut:-cut, cut:-cut] if cut else image for image in images]


def on_device(degraded: np.ndarray, device: torch.device | str) -> Tensor:
    """A batch of one degraded image, ready for a network on `device`."""
    return as_tensor(degraded)[None].to(device, memory_format=torch.channels_last)


def score(c: Configuration, network: nn.Module, images: ImageSet, device: torch.device | str = "cpu") -> Scores:
    """The scores of a network, in fp32, batch norm folded. Raises ArithmeticError: a restored image is not finite."""
    return Scores.of(restorations(c, network, images, device))


def restorations(
    c: Configuration, network: nn.Module, images: ImageSet, device: torch.device | str = "cpu"
) -> Iterator[list[np.ndarray]]:
    """Clean, degraded and restored scored pixels of each image: float32, 1.0 is white. Raises as `score`."""
    network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    inputs = degraded_inputs(c, images)
    with torch.inference_mode(), fp32(), folded(network):
        for name, clean, degraded in zip(images.names, images.clean, inputs, strict=True):
            raw = restore(network, on_device(degraded, device), c.self_ensemble)[0]
            if not bool(torch.isfinite(raw).all()):
                raise ArithmeticError(f"test: the restored {name} is not finite")
            restored = np.moveaxis(raw.clamp(0, 1).cpu().numpy(), 0, -1)
            yield inside(c, scored_pixels(c, clean), degraded, restored)


def as_tensor(images: np.ndarray) -> Tensor:
    """(…, height, width, channels) to (…, channels, height, width), contiguous."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, -3)))

"""Batches of random crops, flipped and turned at random, for all members of a pack at once.

All that is random of iteration i of role r is drawn from `stream(seed, r, i)`: it depends on no other iteration and on
no other member. The CPU copies windows out of the decoded images, which the processes of a node share. On any other
device the images lie once, as one tensor, and all windows of a batch are gathered there.
"""

import functools
import weakref
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from clearer.configuration import Configuration
from clearer.images.reading import Image
from clearer.images.sets import ImageSet
from clearer.streams import stream
from clearer.tasks.known import task_of

ORIENTATIONS = 8
"""The four turns of a window and of its mirror image."""


class Crops:
    """Random crops of `images` for a pack's members; those of one seed share crops, and the draw of their noise."""

    def __init__(
        self, images: ImageSet, members: Sequence[Configuration], role: str, device: torch.device | str = "cpu"
    ):
        self._role, self._device = role, torch.device(device)
        self._batch_size, self._patch_size = members[0].batch_size, members[0].patch_size
        self._seeds = list(dict.fromkeys(c.seed for c in members))
        self._task = task_of(members[0])
        kinds = [tuple(self._task.values(c).values()) for c in members]
        self._kinds = list(dict(zip(kinds, members, strict=True)).values())
        made = [(seed, kind) for kind in dict.fromkeys(kinds) for seed in self._seeds]
        chosen = [made.index((c.seed, kind)) for c, kind in zip(members, kinds, strict=True)]
        self._chosen = None if chosen == list(range(len(made))) else torch.tensor(chosen, device=self._device)
        self._generator = torch.Generator(self._device)
        places = np.array([image.shape[:2] for image in images.clean]) - self._patch_size + 1
        self._choices = np.column_stack([places, np.full(len(places), ORIENTATIONS)])
        self._pixels = _pixels(images, self._device)

    def batch(self, iteration: int) -> tuple[Tensor, Tensor]:
        """Degraded and clean, each float32 (batch, K·channels, patch, patch), channels last; 1.0 is white."""
        streams = [stream(seed, self._role, iteration) for seed in self._seeds]
        windows = np.concatenate([self._windows(generator) for generator in streams])
        clean, *partners = (self._cut(pixels, windows) for pixels in self._pixels)
        if partners:
            degraded = [partners[0].mul_(1 / 255)] * len(self._kinds)
        else:
            noise = self._noise(clean.shape, streams)
            *others, last = self._kinds
            degraded = [self._task.noisy(kind, clean, noise.clone()) for kind in others]
            degraded.append(self._task.noisy(last, clean, noise))
        clean.mul_(1 / 255)
        return self._members_own(degraded), self._members_own([clean] * len(self._kinds))

    def _windows(self, generator: np.random.Generator) -> np.ndarray:
        """The image, upper side, left side and orientation of a seed's windows, (batch, 4), uniform."""
        uniform = generator.random((self._batch_size, 4))
        windows = np.empty(uniform.shape, np.int64)
        windows[:, 0] = uniform[:, 0] * len(self._choices)
        windows[:, 1:] = uniform[:, 1:] * self._choices[windows[:, 0]]
        return windows

    def _cut(self, pixels: "MappedPixels | FlatPixels", windows: np.ndarray) -> Tensor:
        """float32 (batch, patch, patch, seeds, channels), 255 is white."""
        return _seeds_inside(pixels.cut(windows, self._patch_size).unflatten(0, (len(self._seeds), -1))).float()

    def _noise(self, shape: Sequence[int], streams: Sequence[np.random.Generator]) -> Tensor:
        """Standard normal, of each seed its own; a GPU draws other numbers than a CPU."""
        batch, height, width, seeds, channels = shape
        noise = torch.empty(seeds, batch, height, width, channels, device=self._device)
        for own, generator in zip(noise, streams, strict=True):
            # numpy's own take over three times as long. Of the seed torch's CPU generator uses 32 bits.
            own.normal_(generator=self._generator.manual_seed(generator.bit_generator.random_raw()))
        return _seeds_inside(noise)

    def _members_own(self, kinds: Sequence[Tensor]) -> Tensor:
        """(batch, K·channels, patch, patch) of (batch, patch, patch, seeds, channels) for every kind of noise."""
        made = kinds[0] if len(kinds) == 1 else torch.cat(list(kinds), dim=3)
        own = made if self._chosen is None else made.index_select(3, self._chosen)
        return own.flatten(3).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _seeds_inside(images: Tensor) -> Tensor:
    """(seeds, batch, height, width, channels) to (batch, height, width, seeds, channels)."""
    return images.permute(1, 2, 3, 0, 4).contiguous()


class MappedPixels:
    """Images where they lie in the CPU's memory: nothing is copied but windows."""

    def __init__(self, images: Sequence[Image]):
        # One item a pixel, whatever its channels: numpy copies those faster than an axis of three.
        self._images = [np.ascontiguousarray(image).view(f"V{image.shape[2]}")[..., 0] for image in images]

    def cut(self, windows: np.ndarray, size: int) -> Tensor:
        """The windows of image, upper side, left side and orientation, (n, 4): uint8 (n, size, size, channels)."""
        # Copied one by one: an index has eight bytes a pixel, and gathering by it takes longer.
        found = np.empty((len(windows), size, size), self._images[0].dtype)
        for window, (image, y, x, orientation) in zip(found, windows.tolist(), strict=True):
            window[...] = oriented(self._images[image][y : y + size, x : x + size], orientation)
        return torch.from_numpy(found.view(np.uint8).reshape(*found.shape, -1))


class FlatPixels:
    """Images on a device, one after another: uint8 (pixels, channels)."""

    def __init__(self, images: Sequence[Image], device: torch.device | str):
        sizes = [image.shape[0] * image.shape[1] for image in images]
        self._pixels = torch.empty(sum(sizes), images[0].shape[2], dtype=torch.uint8, device=device)
        for place, image in zip(self._pixels.split(sizes), images, strict=True):  # sets may be a gigabyte
            place.copy_(torch.from_numpy(np.array(image, order="C").reshape(place.shape)))
        self._starts = torch.tensor([0, *np.cumsum(sizes[:-1])], device=device)
        self._widths = torch.tensor([image.shape[1] for image in images], device=device)

    def cut(self, windows: np.ndarray, size: int) -> Tensor:
        """As `MappedPixels.cut`, bit for bit."""
        image, y, x, orientation = _sent(windows, self._pixels.device).unbind(1)
        rows, columns = (grids[orientation] for grids in _grids(size, self._pixels.device))
        width = self._widths[image]
        first = self._starts[image] + y * width + x
        return self._pixels[first[:, None, None] + width[:, None, None] * rows + columns]


def _sent(values: np.ndarray, device: torch.device) -> Tensor:
    """Values on a device; a GPU is not waited for, so that the next batch is made while it computes."""
    tensor = torch.from_numpy(values)
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


_FLIPS = [np.s_[::rows, ::columns] for rows in (1, -1) for columns in (1, -1)]


def oriented(window: np.ndarray, orientation: int) -> np.ndarray:
    """One of the `ORIENTATIONS` of a window (size, size): a view."""
    return (window.T if orientation & 4 else window)[_FLIPS[orientation & 3]]


@functools.cache
def _grids(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The row and the column of every pixel of a window in its orientations, (orientations, size, size) each."""
    places = np.arange(size * size).reshape(size, size)
    grids = torch.from_numpy(np.stack([oriented(places, orientation) for orientation in range(ORIENTATIONS)]))
    return (grids // size).to(device), (grids % size).to(device)


Pixels = Sequence[MappedPixels | FlatPixels]
_lying: weakref.WeakKeyDictionary[ImageSet, dict[torch.device, Pixels]] = weakref.WeakKeyDictionary()


def _pixels(images: ImageSet, device: torch.device) -> Pixels:
    """The clean images on a device, and their partners if there are any: once, however many `Crops` cut from them."""
    made = _lying.setdefault(images, {})
    if device not in made:
        sides = [images.clean] if images.degraded is None else [images.clean, images.degraded]
        made[device] = [MappedPixels(side) if device.type == "cpu" else FlatPixels(side, device) for side in sides]
    return made[device]

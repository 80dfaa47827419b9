"""A network over an image of any size in little memory: tile by tile, each tile as the whole image would give it.

A window around each of the `tiles` holds all that its pixels depend on (`clearer.using.receptive_field`). It begins at
a multiple of 2^S, so that strides fall on the pixels that they do in the whole image. It ends at one, or with the
image, so that padding does, too. Only windows become floats: the image stays as it was read.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from clearer.networks import Network
from clearer.testing import as_tensor
from clearer.using.receptive_field import receptive_field

WINDOW_BYTES = 768 * 2**20
"""What one window may take; with a 24-megapixel image and PyTorch itself this stays well below 2 GiB."""
_BYTES_PER_PIXEL = 80
"""For each of C channels, as measured on the CPU (53 to 88): in the stem, four float32 tensors of 4C, and more."""
_TURNS = [(turns, flip) for turns in range(4) for flip in (False, True)]


class Area(NamedTuple):
    """Rows `top` … `bottom` − 1 and columns `left` … `right` − 1 of an image."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """The view of (height, width, …) that this area covers."""
        return pixels[self.top : self.bottom, self.left : self.right]


def default_tile(network: Network) -> int:
    """The side of a tile, in pixels, whose window needs `WINDOW_BYTES` at most; 128 if it would be less."""
    side = math.isqrt(WINDOW_BYTES // (_BYTES_PER_PIXEL * network.channels))
    return max(side - sum(receptive_field(network.architecture)), 128)


def tiles(height: int, width: int, tile: int) -> list[Area]:
    """Areas of nearly equal size, at most `tile` pixels a side, that cover an image once."""

    def spans(side: int) -> list[tuple[int, int]]:
        count = -(-side // tile)
        return [(side * i // count, side * (i + 1) // count) for i in range(count)]

    return [Area(*rows, *columns) for rows in spans(height) for columns in spans(width)]


def restored_tiles(
    network: Network, pixels: np.ndarray, tile: int, self_ensemble: int = 1, device: torch.device | str = "cpu"
) -> Iterator[tuple[Area, np.ndarray]]:
    """Areas of an image and what a network restores there: float32 (rows, columns, channels), 1.0 is white, unclipped.

    `pixels` is uint8 or uint16, (height, width, 1 or 3). A gray network restores each channel by itself; a colour
    network sees gray three times, and its channels are averaged. The results equal those of the whole image at once
    (`clearer.testing.restore`) up to rounding. Raises ArithmeticError: a restored value is not finite.
    """
    network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    turns = _TURNS if self_ensemble == 8 else _TURNS[:1]
    for area in tiles(pixels.shape[0], pixels.shape[1], tile):
        total = sum(_turned_back(network, pixels, area, *turn) for turn in turns)
        restored = np.asarray(total, dtype=np.float32) / len(turns)
        if not np.isfinite(restored).all():
            raise ArithmeticError("the network's result is not finite")
        yield area, restored


def _turned_back(network: Network, pixels: np.ndarray, area: Area, turns: int, flip: bool) -> np.ndarray:
    """The area of the image, restored in the image flipped and turned by `turns` right angles, and turned back."""
    turned = np.rot90(pixels[:, ::-1] if flip else pixels, turns)
    height, width = pixels.shape[:2]
    top, bottom, left, right = area
    if flip:
        left, right = width - right, width - left
    for _ in range(turns):
        top, bottom, left, right = width - right, width - left, top, bottom
        height, width = width, height
    back = np.rot90(_restored(network, turned, Area(top, bottom, left, right)), -turns)
    return back[:, ::-1] if flip else back


def _restored(network: Network, pixels: np.ndarray, area: Area) -> np.ndarray:
    rows, first_row = _window(network, area.top, area.bottom, pixels.shape[0])
    columns, first_column = _window(network, area.left, area.right, pixels.shape[1])
    window = pixels[rows, columns].astype(np.float32) / np.iinfo(pixels.dtype).max
    with torch.inference_mode():
        restored = _by_channels(network, as_tensor(window)).cpu().numpy()
    inside = restored[:, first_row:, first_column:][:, : area.bottom - area.top, : area.right - area.left]
    return np.moveaxis(inside, 0, -1)


def _window(network: Network, first: int, end: int, side: int) -> tuple[slice, int]:
    """The pixels along one axis that those of first … end − 1 depend on, and where `first` lies among them."""
    reach, multiple = receptive_field(network.architecture), 1 << len(network.architecture.cells)
    start = max(first - reach.before, 0) // multiple * multiple
    return slice(start, min(-(-(end + reach.after) // multiple) * multiple, side)), first - start


def _by_channels(network: Network, image: Tensor) -> Tensor:
    """(channels, height, width) to the same, however many channels the network takes."""

    def restored(part: Tensor) -> Tensor:
        device = next(network.parameters()).device
        return network(part[None].to(device, memory_format=torch.channels_last))[0]

    if len(image) == network.image_channels:
        return restored(image)
    if network.image_channels == 1:
        return torch.cat([restored(channel[None]) for channel in image])
    return restored(image.expand(network.image_channels, -1, -1)).mean(0, keepdim=True)

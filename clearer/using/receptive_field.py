"""How far a restored pixel sees, which is what tiles must overlap by; rows and columns are alike.

A branch is the span of the image's pixels that each of its values depends on along one axis: an array (2, values) of
first and last pixels. Strides and upsampling make spans depend on the position, and repeat every 2^S pixels.
"""

import functools
from typing import NamedTuple

import numpy as np

from clearer.architecture import PARALLEL, Architecture


class Reach(NamedTuple):
    """How many pixels before and after its own place a restored pixel depends on, along each axis, at most."""

    before: int
    after: int


@functools.cache
def receptive_field(architecture: Architecture) -> Reach:
    """The reach of the restored pixels of the derived network: exact, if no weight is zero."""
    period = 1 << len(architecture.cells)

    def convolved(spans: np.ndarray, stride: int = 1) -> np.ndarray:
        """After a 3×3 convolution: a value sees from where the one before it does to where the next one does."""
        first, last = np.roll(spans[0], 1), np.roll(spans[1], -1)
        first[0] -= period
        last[-1] += period
        return np.stack([first, last])[:, ::stride]

    def fused(branches: list[np.ndarray], target: int) -> np.ndarray:
        sources = []
        for source, spans in enumerate(branches):
            for _ in range(source, target):
                spans = convolved(spans, stride=2)
            sources.append(np.repeat(spans, 1 << max(source - target, 0), axis=1))
        return np.stack([np.min([s[0] for s in sources], axis=0), np.max([s[1] for s in sources], axis=0)])

    pixels = np.arange(period)
    branches = [convolved(convolved(np.stack([pixels, pixels])))]  # the stem
    for cell, letters in enumerate(architecture.cells, start=1):
        lower = convolved(branches[-1], stride=2)
        branches = [*([convolved(branches[0])] if cell == 1 else branches), lower]
        for letter in letters:
            if letter == PARALLEL:
                branches = [convolved(convolved(spans)) for spans in branches]
            else:
                branches = [fused(branches, target) for target in range(len(branches))]
    first, last = fused(branches, 0)
    return Reach(int((pixels - first).max()), int((last - pixels).max()))

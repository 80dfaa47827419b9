"""How far a restored pixel sees, which is what tiles must overlap by.

A branch is followed along one axis as the span of the image's pixels that each of its values depends on.
Strides and upsampling make the spans depend on the position, and repeat every 2^S pixels of the image:
a branch is the list of its spans within one such period. Rows and columns are alike.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from clearer.architecture import PARALLEL, Architecture


class Reach(NamedTuple):
    """How many pixels before and after its own place a restored pixel depends on, along each axis, at most."""

    before: int
    after: int


class _Branch:
    """Spans (first pixel, last pixel) of the values of one branch in a period of `period` pixels of the image."""

    def __init__(self, spans: list[tuple[int, int]], period: int):
        self.spans, self.period = spans, period

    def at(self, position: int) -> tuple[int, int]:
        periods, index = divmod(position, len(self.spans))
        first, last = self.spans[index]
        return first + periods * self.period, last + periods * self.period

    def convolved(self, stride: int = 1) -> _Branch:
        """After a 3×3 convolution."""
        places = range(0, len(self.spans), stride)
        return _Branch([_hull([self.at(place + step) for step in (-1, 0, 1)]) for place in places], self.period)

    def upsampled(self, factor: int) -> _Branch:
        """After repeating every value `factor` times."""
        return _Branch([span for span in self.spans for _ in range(factor)], self.period)


@functools.cache
def receptive_field(architecture: Architecture) -> Reach:
    """The reach of the restored pixels of the derived network: exact, if no weight is zero."""
    period = 1 << len(architecture.cells)
    branches = [_Branch([(pixel, pixel) for pixel in range(period)], period).convolved().convolved()]  # the stem
    for cell, letters in enumerate(architecture.cells, start=1):
        lower = branches[-1].convolved(stride=2)
        branches = [*([branches[0].convolved()] if cell == 1 else branches), lower]
        for letter in letters:
            if letter == PARALLEL:
                branches = [branch.convolved().convolved() for branch in branches]
            else:
                branches = [_fused(branches, target) for target in range(len(branches))]
    spans = _fused(branches, 0).spans
    return Reach(
        max(pixel - first for pixel, (first, _) in enumerate(spans)),
        max(last - pixel for pixel, (_, last) in enumerate(spans)),
    )


def _fused(branches: list[_Branch], target: int) -> _Branch:
    sources = [_resampled(branch, source, target).spans for source, branch in enumerate(branches)]
    return _Branch([_hull(list(spans)) for spans in zip(*sources, strict=True)], branches[0].period)


def _resampled(branch: _Branch, source: int, target: int) -> _Branch:
    for _ in range(source, target):
        branch = branch.convolved(stride=2)
    return branch.upsampled(1 << max(source - target, 0))


def _hull(spans: list[tuple[int, int]]) -> tuple[int, int]:
    return min(first for first, _ in spans), max(last for _, last in spans)

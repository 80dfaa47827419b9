"""Successive halving among trainings that compare: which of them go on, as a function of what the store holds.

At each rung, an iteration, all rivals that are left are trained so far; the best 1/η of them go on, by their PSNR on the fixed
validation crops of their curves. Nothing of the test split is read. What is stopped follows from the rivals alone: neither from
the order in which they ran nor from what interrupted them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from clearer.configuration import Configuration

Score = Callable[[str, int], float | None]
"""The validation PSNR of a training (by key) at a rung; None where it has not got there."""


def rungs(c: Configuration) -> tuple[int, ...]:
    """The iterations at which a configuration's training is compared with its rivals; none without halving.

    The first is the training's length / η² in whole reports, each other is η times the one before; all are below the length.
    """
    reduction = c.train_halving
    if not reduction:
        return ()
    found = [max(1, round(c.train_iterations / reduction**2 / c.report_iterations)) * c.report_iterations]
    while found[-1] < c.train_iterations:
        found.append(found[-1] * reduction)
    return tuple(found[:-1])


def stand(
    rivals: Sequence[str], levels: Sequence[int], reduction: int, score: Score, open_: set[str]
) -> Mapping[str, int]:
    """How far each rival (a training's key) may go now: to a rung, to its end (0), or no further than it was (−rung).

    `open_` are the rivals that can still be trained; one that can't and has no score at a rung is behind all others.
    """
    left = sorted(set(rivals))
    standing = dict.fromkeys(left, 0)
    for level in levels:
        scores = {key: score(key, level) for key in left}
        missing = [key for key in left if scores[key] is None and key in open_]
        if missing:
            return standing | dict.fromkeys(left, level)
        ranked = sorted(left, key=lambda key: (-(scores[key] or -math.inf), key))
        kept = math.ceil(len(left) / reduction)
        standing |= dict.fromkeys(ranked[kept:], -level)
        left = ranked[:kept]
    return standing

"""When a search has settled: the rule of early stopping, as a function of the curve alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def has_settled(curve: Sequence[Mapping[str, Any]], warmup_iterations: int, patience: int, tolerance: float) -> bool:
    """Whether a search may stop at the last record of `curve`; never with a patience of 0.

    It may when since a record that is at least `patience` iterations old, and not of the warm-up, the
    architecture has been the same and no column's α^f has spanned more than `tolerance`. `curve` holds the
    `iteration` and the `alpha` (α^f by column) of every reported iteration so far; nothing else is read, so the
    rule can be replayed on the curves of searches that ran to their end.

    Not of the paper, whose searches all run to their end.
    """
    if not patience or not curve:
        return False
    newest = curve[-1]["iteration"] - patience
    before = [n for n, record in enumerate(curve) if warmup_iterations <= record["iteration"] <= newest]
    if not before:
        return False
    alpha = np.array([record["alpha"] for record in curve[before[-1] :]])
    fusion = alpha > 0.5
    return bool((np.ptp(alpha, axis=0) <= tolerance).all() and (fusion == fusion[-1]).all())

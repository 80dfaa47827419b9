"""What the regulariser does to α alone: the logits' own optimiser, step by step, with the restoration loss silent.

It needs no network: without L_Res the loss of a column's two logits a^p, a^f is a formula, whose gradient is, with n columns,
d = a^f − a^p and α = α^f,

    ∂(λ1·L_Arch + λ2·L_Comp)/∂a^f = α(1−α)·(−λ1·d/(n·ln 10) + λ2·(C^f − C^p)/(2n)),    and minus that for a^p.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.predictions.space import module_counts

LN10 = np.log(10)
Numbers = np.ndarray | float
EPSILON = 1e-8
"""Adam's, as torch has it."""


def silent_alpha(
    start: np.ndarray, steps: int, *, lambda1: Numbers, lambda2: Numbers, contrast: Numbers, columns: Numbers,
    learning_rate: Numbers, weight_decay: Numbers, betas: tuple[Numbers, Numbers],
) -> np.ndarray:  # fmt: skip
    """α^f, (n,), after `steps` steps of Adam with L2 weight decay on λ1·L_Arch + λ2·L_Comp, from the logits `start`.

    `start` is (n, 2): parallel, fusion. All else is (n,) or a scalar: `contrast` is C^f − C^p of Eq. 5, `columns` how many columns
    the losses are means over. Rates are constant, as the search's are. The restoration loss is not only absent from
    the direction but from Adam's second moment too, so no search with noise moves faster by these terms.
    """
    logits = np.array(start, dtype=float)
    first, second = np.zeros_like(logits), np.zeros_like(logits)
    signs = np.array([-1.0, 1.0])
    beta1, beta2, decay, rate = (
        np.asarray(value, float)[..., np.newaxis] for value in (*betas, weight_decay, learning_rate)
    )
    pull, push = lambda1 / (columns * LN10), lambda2 * contrast / (2 * columns)
    for step in range(1, steps + 1):
        difference = logits[:, 1] - logits[:, 0]
        slope = 0.25 / np.cosh(difference / 2) ** 2 * (push - pull * difference)
        gradient = signs * slope[:, np.newaxis] + decay * logits
        first += (1 - beta1) * (gradient - first)
        second += (1 - beta2) * (gradient**2 - second)
        scale = np.sqrt(second / (1 - beta2**step)) + EPSILON
        logits -= rate / (1 - beta1**step) * first / scale
    return alpha_of(logits[:, 1] - logits[:, 0])


def furthest_alpha(
    side: np.ndarray, *, lambda1: Numbers, lambda2: Numbers, contrast: Numbers, columns: Numbers, weight_decay: Numbers,
) -> np.ndarray:  # fmt: skip
    """The α^f, (n,), furthest from ½ at which λ1·L_Arch + λ2·L_Comp and weight decay can hold a column, on `side` (+1 fusion, −1 parallel).

    ½ where they hold it nowhere on that side, NaN where the contrast is. Without λ2 it is the closed form, found to 1e-3.
    """
    distance = np.linspace(0, 20, 20001)
    side, lambda1, lambda2, contrast, columns, weight_decay = (
        np.asarray(value, float)[..., np.newaxis] for value in (side, lambda1, lambda2, contrast, columns, weight_decay)
    )
    outward = lambda1 * distance / (columns * LN10) - side * lambda2 * contrast / (2 * columns)
    held = 0.25 / np.cosh(distance / 2) ** 2 * outward > weight_decay * distance / 2
    last = np.where(held.any(axis=-1), held.shape[-1] - 1 - np.argmax(held[..., ::-1], axis=-1), 0)
    return np.where(np.isnan(outward[..., -1]), np.nan, alpha_of(side[..., 0] * distance[last]))


def contrasts(row: Mapping[str, Any]) -> np.ndarray:
    """C^f − C^p of every column of a searched trial's row, (columns,), scaled so that C^p + C^f is 1 on average; NaN where unknown."""
    columns = [int(part) for part in str(row["columns"]).split("-")]
    measured = [] if row.get("module_times_ms") is None else list(row["module_times_ms"])
    kind = row.get("complexity")
    if kind == "authors":
        return np.full(sum(columns), 2 * (0.3 - 0.7))
    if kind == "time" and len(measured) == 2 * len(columns):
        by_cell = np.array(measured, float).reshape(-1, 2)
    elif kind in ("parameters", "flops"):
        at = ("parameters", "flops").index(kind)
        by_cell = np.array([[module[at] for module in module_counts(cell, int(row["channels"]))] for cell in range(1, len(columns) + 1)], float)  # fmt: skip
    else:
        return np.full(sum(columns), np.nan)
    costs = np.repeat(by_cell, columns, axis=0)
    return (costs[:, 1] - costs[:, 0]) / costs.sum(axis=1).mean()


def alpha_of(difference: np.ndarray) -> np.ndarray:
    """α^f of logits that differ by a^f − a^p."""
    return 0.5 + 0.5 * np.tanh(np.asarray(difference) / 2)

"""What the regulariser does to α alone: the logits' own optimiser, step by step, with the restoration loss silent.

It needs no network: without L_Res the loss of a column's two logits a^p, a^f is a formula, whose gradient is, with n
columns, d = a^f − a^p and α = α^f,

    ∂(λ1·L_Arch + λ2·L_Comp)/∂a^f = α(1−α)·(−λ1·d/(n·ln 10) + λ2·(C^f − C^p)/(2n)),    and minus that for a^p.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from analysis.predictions.space import module_counts

LN10 = np.log(10)
Numbers = np.ndarray | float
EPSILON = 1e-8
"""Adam's, as torch has it."""


class Adam(NamedTuple):
    """The optimiser of the logits; its weight decay is L2."""

    learning_rate: Numbers
    weight_decay: Numbers
    beta1: Numbers
    beta2: Numbers


def silent_alpha(
    start: np.ndarray, steps: int, *, lambda1: Numbers, pressed: Numbers, columns: Numbers, optimiser: Adam
) -> np.ndarray:
    """α^f, (n,), after `steps` steps of Adam with L2 weight decay on λ1·L_Arch + λ2·L_Comp, from the logits `start`.

    `start` is (n, 2): parallel, fusion. All else is (n,) or a scalar: `pressed` is λ2·(C^f − C^p) of Eq. 5, `columns`
    how many columns the losses are means over. Rates are constant, as the search's are. The restoration loss is not
    only absent from the direction but from Adam's second moment too, so no noisy search moves faster by these terms.
    """
    logits = np.array(start, dtype=float)
    first, second = np.zeros_like(logits), np.zeros_like(logits)
    signs = np.array([-1.0, 1.0])
    rate, decay, beta1, beta2 = (np.asarray(value, float)[..., np.newaxis] for value in optimiser)
    pull, push = lambda1 / (columns * LN10), pressed / (2 * columns)
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
    side: np.ndarray, *, lambda1: Numbers, pressed: Numbers, columns: Numbers, weight_decay: Numbers
) -> np.ndarray:
    """The α^f, (n,), furthest from ½ at which λ1·L_Arch + λ2·L_Comp and weight decay can hold a column, on one `side`.

    `side` is +1 for fusion, −1 for parallel; all else is as in `silent_alpha`. ½ where they hold it nowhere on that
    side, NaN where `pressed` is. Without λ2 it is the closed form, found to 1e-3.
    """
    distance = np.linspace(0, 20, 20001)
    given = (side, lambda1, pressed, columns, weight_decay)
    side, lambda1, pressed, columns, weight_decay = (np.asarray(value, float)[..., np.newaxis] for value in given)
    outward = lambda1 * distance / (columns * LN10) - side * pressed / (2 * columns)
    held = 0.25 / np.cosh(distance / 2) ** 2 * outward > weight_decay * distance / 2
    last = np.where(held.any(axis=-1), held.shape[-1] - 1 - np.argmax(held[..., ::-1], axis=-1), 0)
    return np.where(np.isnan(outward[..., -1]), np.nan, alpha_of(side[..., 0] * distance[last]))


def contrasts(row: Mapping[Any, Any]) -> np.ndarray:
    """C^f − C^p of every column of a searched row, (columns,), with C^p + C^f = 1 on average; NaN if unknown."""
    columns = [int(part) for part in str(row["columns"]).split("-")]
    measured = [] if row.get("module_times_ms") is None else list(row["module_times_ms"])
    kind = row.get("complexity")
    if kind == "authors":
        return np.full(sum(columns), 2 * (0.3 - 0.7))
    if kind == "time" and len(measured) == 2 * len(columns):
        by_cell = np.array(measured, float).reshape(-1, 2)
    elif kind in ("parameters", "flops"):
        modules = (module_counts(cell, int(row["channels"])) for cell in range(1, len(columns) + 1))
        by_cell = np.array(list(modules), float)[:, :, ("parameters", "flops").index(kind)]
    else:
        return np.full(sum(columns), np.nan)
    costs = np.repeat(by_cell, columns, axis=0)
    return (costs[:, 1] - costs[:, 0]) / costs.sum(axis=1).mean()


def alpha_of(difference: np.ndarray) -> np.ndarray:
    """α^f of logits that differ by a^f − a^p."""
    return 0.5 + 0.5 * np.tanh(np.asarray(difference) / 2)

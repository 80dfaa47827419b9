"""Tests of paired differences, and Holm's correction: arrays in, p-values out; they know no study."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # loads scipy.stats, which takes long, when it is first asked

EXACT_UP_TO = 20_000
"""Arrangements that are all gone through; where there are more, `draws` of them are sampled."""


@dataclass(frozen=True)
class PermutationTest:
    """A two-sided test of a mean.

    `p` is None where there are too few values, `reason` says so. `method` is `exact` or `sampled`, and of how many:
    `exact, 64`.
    """

    p: float | None
    method: str | None = None
    reason: str | None = None


def sign_flip_test(
    differences: npt.ArrayLike, generator: np.random.Generator, draws: int = 9999, exact_up_to: int = EXACT_UP_TO
) -> PermutationTest:
    """Whether paired differences, shape (pairs,), are symmetric about 0: every sign is flipped or not.

    The p-value is twice the smaller tail's share (at most 1), as `scipy.stats.permutation_test` has it; a sampled one
    counts the observed arrangement too, so it is never 0 (Phipson & Smyth 2010). Values that are not finite are left
    out. With n pairs no exact p-value is below 2/2ⁿ: five pairs cannot reach 5 %.
    """
    values = _finite(differences)
    if len(values) < 2:
        return PermutationTest(None, reason=f"{len(values)} pairs: a test needs 2")
    exact = 2 ** len(values) <= max(exact_up_to, draws)
    scale = float(np.abs(values).max()) or 1.0

    def mean(signed: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
        return np.round(signed.mean(axis=axis) / scale, 12)  # equal arrangements sum in other orders

    resamples = {"n_resamples": np.inf if exact else draws, "random_state": generator}
    found = scipy.stats.permutation_test((values,), mean, permutation_type="samples", vectorized=True, **resamples)
    method = f"{'exact' if exact else 'sampled'}, {len(found.null_distribution)}"
    return PermutationTest(float(found.pvalue), method)


def holm(p_values: Sequence[float | None] | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Holm's (1979) step-down adjusted p-values, in the order given; a None or NaN is no comparison and stays NaN."""
    p = np.array([np.nan if value is None else value for value in p_values], dtype=float)
    order = np.argsort(p, kind="stable")[: np.isfinite(p).sum()]  # NaN sorts last
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return adjusted


def _finite(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=float).ravel()
    return array[np.isfinite(array)]

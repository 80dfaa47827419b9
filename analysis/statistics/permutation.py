"""Permutation tests, rank tests, and Holm's correction: arrays in, p-values out; they know no study."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # loads scipy.stats, which takes long, when it is first asked

EXACT_UP_TO = 20_000
"""Arrangements that are all gone through; where there are more, `draws` of them are sampled."""


@dataclass(frozen=True)
class PermutationTest:
    """A two-sided test of a mean, or of a difference of means.

    `p` and `statistic` (in the values' units) are None where there are too few values, `reason` says so. `method` is
    `exact` or `sampled`, `arrangements` how many were gone through.
    """

    statistic: float | None
    p: float | None
    method: str | None = None
    arrangements: int = 0
    reason: str | None = None


def sign_flip_test(
    differences: npt.ArrayLike, generator: np.random.Generator, draws: int = 9999, exact_up_to: int = EXACT_UP_TO
) -> PermutationTest:
    """Whether paired differences, shape (pairs,), are symmetric about 0: every sign is flipped or not.

    The p-value is twice the smaller tail's share (at most 1), as `scipy.stats.permutation_test` has it; a sampled one
    counts the observed arrangement too, so it is never 0 (Phipson & Smyth 2010). Values that are not finite are left out.
    With n pairs no exact p-value is below 2/2ⁿ: five pairs cannot reach 5 %.
    """
    values = _finite(differences)
    if len(values) < 2:
        return PermutationTest(_mean(values), None, reason=f"{len(values)} pairs: a test needs 2")
    if exact := 2 ** len(values) <= exact_up_to:
        signs = _all_signs(len(values))
    else:
        signs = generator.choice(np.array([-1.0, 1.0]), size=(draws, len(values)))
    return _judged(float(values.mean()), signs @ values / len(values), float(np.abs(values).max()), exact)


def label_permutation_test(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    generator: np.random.Generator,
    draws: int = 9999,
    exact_up_to: int = EXACT_UP_TO,
) -> PermutationTest:
    """Whether `a`, shape (n,), and `b`, shape (m,), are of one distribution: mean(a) - mean(b) over exchanged labels.

    p-values as of `sign_flip_test`.
    """
    first, second = _finite(a), _finite(b)
    count, total = len(first), len(first) + len(second)
    if min(count, total - count) < 1 or total < 3:
        reason = f"{count} and {total - count} values: a test needs at least 1 and 2"
        return PermutationTest(None, None, reason=reason)
    values = np.concatenate([first, second])
    centred = values - values.mean()
    if exact := math.comb(total, count) <= exact_up_to:
        sums = centred[_all_subsets(total, count)].sum(axis=1)
    else:
        sums = generator.permuted(np.broadcast_to(centred, (draws, total)), axis=1)[:, :count].sum(axis=1)
    null = sums / count + sums / (total - count)  # the other group's sum is the negative of this one's
    return _judged(float(first.mean() - second.mean()), null, float(np.abs(centred).max()), exact)


def signed_rank_p(differences: npt.ArrayLike) -> float | None:
    """The two-sided p-value of Wilcoxon's signed-rank test (scipy); None for fewer than two differences, 1 where all are 0."""
    values = _finite(differences)
    if len(values) < 2:
        return None
    return float(scipy.stats.wilcoxon(values).pvalue) if values.any() else 1.0


def rank_sum_p(a: npt.ArrayLike, b: npt.ArrayLike) -> float | None:
    """The two-sided p-value of the Mann-Whitney U test (scipy); None where a side is empty, 1 where all values are equal."""
    first, second = _finite(a), _finite(b)
    if not len(first) or not len(second) or len(first) + len(second) < 3:
        return None
    if np.ptp(np.concatenate([first, second])) == 0:
        return 1.0
    return float(scipy.stats.mannwhitneyu(first, second, alternative="two-sided").pvalue)


def holm(p_values: Sequence[float | None] | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Holm's (1979) step-down adjusted p-values, in the order given; a None or NaN is no comparison and stays NaN."""
    p = np.array([np.nan if value is None else value for value in p_values], dtype=float)
    order = np.argsort(p, kind="stable")[: np.isfinite(p).sum()]  # NaN sorts last
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return adjusted


def _judged(observed: float, null: npt.NDArray[np.float64], scale: float, exact: bool) -> PermutationTest:
    rounding = 1e-12 * scale  # equal arrangements sum in other orders
    above = int(np.sum(null >= observed - rounding))
    below = int(np.sum(null <= observed + rounding))
    more = 0 if exact else 1
    p = min(1.0, 2 * (min(above, below) + more) / (len(null) + more))
    return PermutationTest(observed, p, "exact" if exact else "sampled", len(null))


def _finite(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=float).ravel()
    return array[np.isfinite(array)]


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


@functools.lru_cache(maxsize=32)
def _all_signs(count: int) -> npt.NDArray[np.float64]:
    flipped = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    return np.where(flipped, -1.0, 1.0)


@functools.lru_cache(maxsize=32)
def _all_subsets(total: int, count: int) -> npt.NDArray[np.int64]:
    return np.array(list(itertools.combinations(range(total), count)), dtype=np.int64)

"""What a value of an axis gains over another: differences paired by seed and by image, with intervals and tests."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy  # loads scipy.stats, which takes long, when it is first asked

from analysis.rows.comparable import comparable_rows, narrowed, one_row_each
from analysis.rows.configurations import LEAST_SEEDS
from analysis.rows.units import counted, require

COMPARISONS = (
    "axis value_a value_b metric difference low high interval seeds effective_seeds permutation p_permutation "
    "p_permutation_holm reason"
).split()
EXACT_UP_TO = 20_000
"""Arrangements that are all gone through; where there are more, `draws` of them are sampled."""
STUDENT = "Student's t over seeds, paired"


@dataclass(frozen=True)
class Difference:
    """The mean of `metric` at `value_a` minus that at `value_b`, in the metric's units.

    `low` and `high` bound it at `level`, `interval` says by which method; they are None where `reason` says why.
    `by_seed` holds one paired difference a seed; of these `effective_seeds` are of two trainings, the others of one
    that both values share, hence 0. `images` counts the images that a pair was averaged over (the fewest; one without a
    finite figure is left out), None where the metric is not by image.
    """

    axis: str
    value_a: Any
    value_b: Any
    metric: str
    difference: float | None
    low: float | None
    high: float | None
    level: float
    interval: str | None
    seeds: int
    effective_seeds: int
    by_seed: tuple[float, ...] = ()
    images: int | None = None
    reason: str | None = None


def paired_difference(
    rows: pd.DataFrame,
    axis: str,
    value_a: Any,
    value_b: Any,
    metric: str = "psnr_db",
    *,
    within: Sequence[str] = (),
    level: float = 0.95,
) -> Difference:
    """What `axis` = `value_a` gains over `value_b`: the mean over seeds of differences between trials of one seed.

    Trials of one seed see the same crops in the same order, so what a seed adds to both cancels. PSNR is paired by
    image too where every row has `psnr_by_image`: a seed's difference is then the mean over its images' differences.
    Images of one test set are not further replicates: seeds alone are the unit of the interval, Student's t. A seed in
    which both values led to one training is no observation of its luck: the interval is of the other seeds, times their
    share, and needs three of them.

    Args:
        rows: of `analysis.load`. Seeds that lack one of the two values are left out.
        within: further axes: a pair has equal values of them, and a seed's difference is the mean over its pairs.

    Raises KeyError: a column that `rows` lacks. Raises ValueError: rows of the two values differ in tested pixels,
    protocol or training; a seed has several rows of a value; no row has a value.
    """
    require(rows, axis, metric, *within)
    chosen = rows[_where(rows, axis, value_a) | _where(rows, axis, value_b)]
    used = comparable_rows(chosen, metric, {axis, *within})
    sides = [(value, used[used[axis] == value]) for value in (value_a, value_b)]
    a, b = (one_row_each(side, f"{axis}={value}", [*within, "seed"]) for value, side in sides)
    differences, is_shared, images = _seed_differences(a, b, metric)
    low, high, reason = t_interval(differences, level, is_shared)
    mean, pairs = float(differences.mean()) if len(differences) else None, tuple(map(float, differences))
    about = None if low is None else STUDENT, len(pairs), int((~is_shared).sum()), pairs, images, reason
    return Difference(axis, value_a, value_b, metric, mean, low, high, level, *about)


def comparisons(
    rows: pd.DataFrame,
    axis: str,
    generator: np.random.Generator,
    metric: str = "psnr_db",
    *,
    pairs: Iterable[tuple[Any, Any]] | None = None,
    within: Sequence[str] = (),
    draws: int = 9999,
    level: float = 0.95,
) -> pd.DataFrame:
    """One row for each two values of `axis`: difference, interval, permutation test, Holm-adjusted p-values.

    Paired by seed: sign flips. `permutation` says exact or sampled, of how many. Holm's correction is over the
    comparisons of this table that have a p-value; one whose two values share all trainings has none.

    Args:
        pairs: the comparisons to make, (value_a, value_b); all pairs of values without it. Fewer planned comparisons
            leave more power: the correction counts those made.

    Raises KeyError and ValueError as `paired_difference` does.
    """
    require(rows, axis, metric, *within)
    rows = narrowed(rows, axis, metric, *within)
    table: list[dict[str, Any]] = []
    values = sorted(rows[axis].dropna().unique().tolist())
    for a, b in itertools.combinations(values, 2) if pairs is None else pairs:
        found = paired_difference(rows, axis, a, b, metric, within=within, level=level)
        p, method, why = sign_flip_test(found.by_seed if found.effective_seeds else (), generator, draws)
        row = {name: getattr(found, name) for name in COMPARISONS if hasattr(found, name)}
        table.append({**row, "permutation": method, "p_permutation": p, "reason": found.reason or why})
    numbers = dict.fromkeys(["difference", "low", "high", "p_permutation"], float)
    frame = pd.DataFrame(table, columns=COMPARISONS).astype(numbers)
    return frame.assign(p_permutation_holm=holm(frame["p_permutation"].to_numpy()))


def t_interval(
    values: np.ndarray, level: float, is_shared: np.ndarray | None = None
) -> tuple[float | None, float | None, str | None]:
    """Student's interval of the mean of `values`, shape (seeds,): low, high, and why there is none.

    Where sides share a training (`is_shared`, (seeds,)) a value is 0: the interval is the others', times their share.
    """
    own = values if is_shared is None else values[~is_shared]
    if len(own) < LEAST_SEEDS:
        told = f" ({', '.join(f'{one:+.4g}' for one in own)})" if len(own) == 2 else ""
        shared = f", beside {len(values) - len(own)} in which both are one training" if len(own) < len(values) else ""
        return None, None, f"{counted(len(own), 'paired seed')}{told}{shared}: an interval needs {LEAST_SEEDS}"
    share = len(own) / len(values)
    if own.min() == own.max():  # to the bit
        return share * float(own[0]), share * float(own[0]), None
    half = float(scipy.stats.t.ppf((1 + level) / 2, len(own) - 1) * own.std(ddof=1) / np.sqrt(len(own)))
    return share * (float(own.mean()) - half), share * (float(own.mean()) + half), None


def sign_flip_test(
    differences: npt.ArrayLike, generator: np.random.Generator, draws: int = 9999, exact_up_to: int = EXACT_UP_TO
) -> tuple[float | None, str | None, str | None]:
    """Whether paired differences, shape (pairs,), are symmetric about 0: every sign is flipped or not.

    Returns the p-value, the method (`exact, 64`, or sampled), and why there is none. The p-value is twice the smaller
    tail's share (at most 1), as `scipy.stats.permutation_test` has it; a sampled one counts the observed arrangement
    too, so it is never 0 (Phipson & Smyth 2010). Values that are not finite are left out. With n pairs no exact p-value
    is below 2/2ⁿ: five pairs cannot reach 5 %.
    """
    array = np.asarray(differences, dtype=float).ravel()
    values = array[np.isfinite(array)]
    if len(values) < 2:
        return None, None, f"{len(values)} pairs: a test needs 2"
    exact = 2 ** len(values) <= max(exact_up_to, draws)
    scale = float(np.abs(values).max()) or 1.0

    def mean(signed: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
        return np.round(signed.mean(axis=axis) / scale, 12)  # equal arrangements sum in other orders

    resamples = {"n_resamples": np.inf if exact else draws, "random_state": generator}
    found = scipy.stats.permutation_test((values,), mean, permutation_type="samples", vectorized=True, **resamples)
    method = f"{'exact' if exact else 'sampled'}, {len(found.null_distribution)}"
    return float(found.pvalue), method, None


def holm(p_values: Sequence[float | None] | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Holm's (1979) step-down adjusted p-values, in the order given; a None or NaN is no comparison and stays NaN."""
    p = np.array([np.nan if value is None else value for value in p_values], dtype=float)
    order = np.argsort(p, kind="stable")[: np.isfinite(p).sum()]  # NaN sorts last
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return adjusted


def _where(rows: pd.DataFrame, axis: str, value: Any) -> pd.Series:
    found = (rows[axis] == value).fillna(False).astype(bool)
    if not found.any():
        known = ", ".join(map(str, sorted(rows[axis].dropna().unique().tolist()))) or "no value"
        raise ValueError(f"no row has {axis}={value}; there is {known}")
    return found


def _seed_differences(a: pd.DataFrame, b: pd.DataFrame, metric: str) -> tuple[np.ndarray, np.ndarray, int | None]:
    """One difference a seed, whether all its pairs are of one training each, and the images (None: not by image)."""
    common = a.index.intersection(b.index).sort_values()
    known = [side.get("psnr_by_image", pd.Series([None])).notna().all() for side in (a, b)]
    a, b = a.loc[common], b.loc[common]
    differences, images = a[metric].to_numpy(float) - b[metric].to_numpy(float), None
    if len(common) and metric == "psnr_db" and all(known):
        figures = [_image_differences(*pair) for pair in zip(a["psnr_by_image"], b["psnr_by_image"], strict=True)]
        differences = np.array([each.mean() if len(each) else np.nan for each in figures])
        images = min(map(len, figures))
    keys = [side.get("train_key", pd.Series(np.nan, common)) for side in (a, b)]
    found = pd.DataFrame({"difference": differences, "shared": (keys[0] == keys[1]).to_numpy()})
    by_seed = found.groupby(common.get_level_values("seed").to_numpy()).agg({"difference": "mean", "shared": "all"})
    by_seed = by_seed.dropna()
    return by_seed["difference"].to_numpy(float), by_seed["shared"].to_numpy(bool), images


def _image_differences(first: Sequence[float], second: Sequence[float]) -> np.ndarray:
    if len(first) != len(second):
        raise ValueError(f"rows were tested on {len(first)} and on {len(second)} images and do not compare")
    both = np.array([first, second], dtype=float)
    finite = np.isfinite(both).all(axis=0)
    return both[0, finite] - both[1, finite]

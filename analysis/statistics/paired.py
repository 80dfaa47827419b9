"""What a value of an axis gains over another: differences paired by seed and by image, with intervals and tests."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats, which takes long, when it is first asked

from analysis.rows.comparable import comparable_rows, narrowed, one_row_each
from analysis.rows.names import require
from analysis.rows.units import counted
from analysis.statistics.permutation import holm, sign_flip_test, signed_rank_p

COMPARISONS = (
    "axis value_a value_b metric difference low high interval seeds permutation p_permutation p_permutation_holm "
    "rank_test p_rank p_rank_holm reason"
).split()
STUDENT = "Student's t over seeds, paired"


@dataclass(frozen=True)
class Difference:
    """The mean of `metric` at `value_a` minus that at `value_b`, in the metric's units.

    `low` and `high` bound it at `level`, `interval` says by which method; they are None where `reason` says why.
    `by_seed` holds one paired difference a seed, `images` counts the images that a pair was averaged over (the fewest;
    one without a finite figure is left out), None where the metric is not by image.
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
    Images of one test set are not further replicates: seeds alone are the unit of the interval, Student's t with
    seeds - 1 degrees of freedom. One seed gives a difference and no interval.

    Args:
        rows: of `analysis.load`. Seeds that lack one of the two values are left out.
        within: further axes: a pair has equal values of them, and a seed's difference is the mean over its pairs.

    Raises:
        KeyError: a column that `rows` lacks.
        ValueError: rows of the two values differ in tested pixels, protocol or training; a seed has several rows of a
        value; no row has a value.
    """
    require(rows, axis, metric, *within)
    chosen = rows[_where(rows, axis, value_a) | _where(rows, axis, value_b)]
    used = comparable_rows(chosen, metric, {axis, *within})
    sides = [(value, used[used[axis] == value]) for value in (value_a, value_b)]
    a, b = (one_row_each(side, f"{axis}={value}", [*within, "seed"]) for value, side in sides)
    differences, images = _seed_differences(a, b, metric)
    low, high, reason = t_interval(differences, level)
    mean = float(differences.mean()) if len(differences) else None
    kind, pairs = None if low is None else STUDENT, tuple(map(float, differences))
    return Difference(axis, value_a, value_b, metric, mean, low, high, level, kind, len(pairs), pairs, images, reason)


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
    """One row for each two values of `axis`: difference, interval, permutation and rank test, Holm-adjusted p-values.

    Paired by seed: sign flips and Wilcoxon's signed ranks. `permutation` says exact or sampled, of how many. Holm's
    correction is over the comparisons of this table that have a p-value.

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
        test, rank = sign_flip_test(found.by_seed, generator, draws), signed_rank_p(found.by_seed)
        row = {name: getattr(found, name) for name in COMPARISONS if hasattr(found, name)}
        row |= {"permutation": test.method, "p_permutation": test.p, "p_rank": rank}
        row |= {"rank_test": None if rank is None else "Wilcoxon signed-rank"}
        table.append({**row, "reason": found.reason or test.reason})
    frame = pd.DataFrame(table, columns=[name for name in COMPARISONS if not name.endswith("_holm")])
    numbers = ["difference", "low", "high", "p_permutation", "p_rank"]
    frame[numbers] = frame[numbers].astype(float)
    for name in ("p_permutation", "p_rank"):
        frame[f"{name}_holm"] = holm(frame[name].to_numpy())
    return frame[COMPARISONS]


def t_interval(values: np.ndarray, level: float) -> tuple[float | None, float | None, str | None]:
    """Student's interval of the mean of `values`, shape (seeds,): low, high, and why there is none."""
    if len(values) < 2:
        return None, None, f"{counted(len(values), 'paired seed')}: an interval needs 2"
    half = float(scipy.stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return float(values.mean()) - half, float(values.mean()) + half, None


def _where(rows: pd.DataFrame, axis: str, value: Any) -> pd.Series:
    found = (rows[axis] == value).fillna(False).astype(bool)
    if not found.any():
        known = ", ".join(map(str, sorted(rows[axis].dropna().unique().tolist()))) or "no value"
        raise ValueError(f"no row has {axis}={value}; there is {known}")
    return found


def _seed_differences(a: pd.DataFrame, b: pd.DataFrame, metric: str) -> tuple[np.ndarray, int | None]:
    """One difference a seed, in the order of seeds, and the number of images (None: not paired by image)."""
    common = a.index.intersection(b.index).sort_values()
    known = [side.get("psnr_by_image", pd.Series([None])).notna().all() for side in (a, b)]
    a, b = a.loc[common], b.loc[common]
    differences, images = a[metric].to_numpy(float) - b[metric].to_numpy(float), None
    if len(common) and metric == "psnr_db" and all(known):
        figures = [_image_differences(*pair) for pair in zip(a["psnr_by_image"], b["psnr_by_image"], strict=True)]
        differences = np.array([each.mean() if len(each) else np.nan for each in figures])
        images = min(map(len, figures))
    by_seed = pd.Series(differences, index=common.get_level_values("seed"), dtype=float).groupby(level=0)
    return by_seed.mean().dropna().to_numpy(), images


def _image_differences(first: Sequence[float], second: Sequence[float]) -> np.ndarray:
    if len(first) != len(second):
        raise ValueError(f"rows were tested on {len(first)} and on {len(second)} images and do not compare")
    both = np.array([first, second], dtype=float)
    finite = np.isfinite(both).all(axis=0)
    return both[0, finite] - both[1, finite]

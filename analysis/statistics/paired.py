"""What a value of an axis gains over another: differences paired by seed and by image, with intervals and tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats, which takes long, when it is first asked

from analysis.rows.comparable import by_seed, comparable_rows, narrowed
from analysis.statistics.permutation import holm, label_permutation_test, rank_sum_p, sign_flip_test, signed_rank_p

COMPARISONS = (
    "axis", "value_a", "value_b", "metric", "difference", "low", "high", "interval", "seeds", "permutation", "p_permutation",
    "p_permutation_holm", "rank_test", "p_rank", "p_rank_holm", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """The mean of `metric` at `value_a` minus that at `value_b`, in the metric's units.

    `low` and `high` bound it at `level`, `interval` says by which method; they are None where `reason` says why.
    `by_seed` holds one paired difference a seed (none where seeds are not paired), `images` counts the images that
    a pair was averaged over (the fewest; one without a finite figure is left out), None where the metric is not by image.
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
        ValueError: rows of the two values differ in tested pixels, protocol or training; several rows of one seed and
            value; a value that no row has.
    """
    chosen = rows[_where(rows, axis, value_a) | _where(rows, axis, value_b)]
    used = comparable_rows(chosen, metric, {axis, *within})
    differences, images = _seed_differences(used, axis, value_a, value_b, metric, list(within))
    low, high, reason = t_interval(differences, level)
    mean = float(differences.mean()) if len(differences) else None
    kind = None if low is None else "Student's t over seeds, paired"
    pairs = tuple(map(float, differences))
    return Difference(
        axis, value_a, value_b, metric, mean, low, high, level, kind, len(pairs), pairs, images, reason
    )  # fmt: skip


def unpaired_difference(
    rows: pd.DataFrame, axis: str, value_a: Any, value_b: Any, metric: str = "psnr_db", *, within: Sequence[str] = (), level: float = 0.95
) -> Difference:  # fmt: skip
    """As `paired_difference`, for values whose seeds have nothing to do with each other; Welch's interval.

    The unit is a seed's mean over `within`. `seeds` counts the smaller side.

    Raises:
        KeyError, ValueError: as `paired_difference`.
    """
    a, b = _samples(rows, axis, value_a, value_b, metric, within)
    mean = float(a.mean() - b.mean()) if len(a) and len(b) else None
    low = high = kind = None
    seeds = min(len(a), len(b))
    reason = None if seeds > 1 else f"{len(a)} and {len(b)} seeds: an interval needs 2 of each"
    if seeds > 1 and not np.ptp(a) and not np.ptp(b):
        reason = "no spread within either value"
    elif seeds > 1:
        found = scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval(level)
        low, high, kind = float(found.low), float(found.high), "Welch's t over seeds, unpaired"
    return Difference(axis, value_a, value_b, metric, mean, low, high, level, kind, seeds, reason=reason)


def comparisons(
    rows: pd.DataFrame,
    axis: str,
    generator: np.random.Generator,
    metric: str = "psnr_db",
    *,
    pairs: Iterable[tuple[Any, Any]] | None = None,
    within: Sequence[str] = (),
    paired: bool = True,
    draws: int = 9999,
    level: float = 0.95,
) -> pd.DataFrame:
    """One row for each two values of `axis`: difference, interval, permutation and rank test, Holm-adjusted p-values.

    Paired by seed: sign flips and Wilcoxon's signed ranks; else exchanged labels and Mann-Whitney's U. `permutation`
    says exact or sampled, of how many. Holm's correction is over the comparisons of this table that have a p-value.

    Args:
        pairs: the comparisons to make, (value_a, value_b); all pairs of values without it. Fewer planned comparisons
            leave more power: the correction counts those made.

    Raises:
        KeyError, ValueError: as `paired_difference`.
    """
    rows = narrowed(rows, axis, metric, *within)
    values = sorted(rows[axis].dropna().unique().tolist())
    made = list(itertools.combinations(values, 2) if pairs is None else pairs)
    table = []
    for a, b in made:
        if paired:
            found = paired_difference(rows, axis, a, b, metric, within=within, level=level)
            test, rank = sign_flip_test(found.by_seed, generator, draws), signed_rank_p(found.by_seed)
        else:
            found = unpaired_difference(rows, axis, a, b, metric, within=within, level=level)
            samples = _samples(rows, axis, a, b, metric, within)
            test, rank = label_permutation_test(*samples, generator, draws), rank_sum_p(*samples)
        table.append({
            **{name: getattr(found, name) for name in ("axis", "value_a", "value_b", "metric", "difference", "low", "high", "interval", "seeds")},
            "permutation": test.method and f"{test.method}, {test.arrangements}", "p_permutation": test.p,
            "rank_test": None if rank is None else "Wilcoxon signed-rank" if paired else "Mann-Whitney U", "p_rank": rank,
            "reason": found.reason or test.reason,
        })  # fmt: skip
    frame = pd.DataFrame(table, columns=[name for name in COMPARISONS if not name.endswith("_holm")])
    numbers = ["difference", "low", "high", "p_permutation", "p_rank"]
    frame[numbers] = frame[numbers].astype(float)
    for name in ("p_permutation", "p_rank"):
        frame[f"{name}_holm"] = holm(frame[name].to_numpy())
    return frame[list(COMPARISONS)]


def t_interval(values: np.ndarray, level: float) -> tuple[float | None, float | None, str | None]:
    """Student's interval of the mean of `values`, shape (seeds,): low, high, and why there is none."""
    if len(values) < 2:
        return None, None, f"{len(values)} paired seed{'' if len(values) == 1 else 's'}: an interval needs 2"
    half = float(scipy.stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return float(values.mean()) - half, float(values.mean()) + half, None


def _where(rows: pd.DataFrame, axis: str, value: Any) -> pd.Series:
    found = (rows[axis] == value).fillna(False).astype(bool)
    if not found.any():
        known = ", ".join(map(str, sorted(rows[axis].dropna().unique().tolist()))) or "no value"
        raise ValueError(f"no row has {axis}={value}; there is {known}")
    return found


def _seed_differences(
    used: pd.DataFrame, axis: str, value_a: Any, value_b: Any, metric: str, within: list[str]
) -> tuple[np.ndarray, int | None]:
    """One difference a seed, in the order of seeds, and the number of images (None: not paired by image)."""
    keys = [*within, "seed"]
    sides = [by_seed(used[used[axis] == value], f"{axis}={value}", keys) for value in (value_a, value_b)]
    common = sides[0].index.intersection(sides[1].index).sort_values()
    a, b = (side.loc[common] for side in sides)
    if len(common) and metric == "psnr_db" and "psnr_by_image" in used and used["psnr_by_image"].notna().all():
        figures = [_image_differences(*pair) for pair in zip(a["psnr_by_image"], b["psnr_by_image"], strict=True)]
        differences = np.array([each.mean() if len(each) else np.nan for each in figures])
        images = min(map(len, figures))
    else:
        differences, images = a[metric].to_numpy(float) - b[metric].to_numpy(float), None
    seeds = common.get_level_values("seed")
    return pd.Series(differences, index=seeds, dtype=float).groupby(level=0).mean().dropna().to_numpy(), images


def _image_differences(first: Sequence[float], second: Sequence[float]) -> np.ndarray:
    if len(first) != len(second):
        raise ValueError(f"rows were tested on {len(first)} and on {len(second)} images and do not compare")
    both = np.array([first, second], dtype=float)
    finite = np.isfinite(both).all(axis=0)
    return both[0, finite] - both[1, finite]


def _samples(
    rows: pd.DataFrame, axis: str, value_a: Any, value_b: Any, metric: str, within: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    chosen = rows[_where(rows, axis, value_a) | _where(rows, axis, value_b)]
    used = comparable_rows(chosen, metric, {axis, *within})
    sides = [by_seed(used[used[axis] == value], f"{axis}={value}", [*within, "seed"]) for value in (value_a, value_b)]
    a, b = (side.groupby(level="seed")[metric].mean().to_numpy(float) for side in sides)
    return a, b

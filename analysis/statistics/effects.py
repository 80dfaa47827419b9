"""How much of a metric each axis of a grid explains, alone and together with another."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats, which takes long, when it is first asked

from analysis.rows.comparable import comparable_rows
from analysis.rows.configurations import trainings
from analysis.rows.units import require

EFFECTS = "source freedom sum_squares eta_squared partial_eta_squared f p squares reason".split()
_ONE = "one value, or its trainings do not tell it from the other sources"


def effects(
    rows: pd.DataFrame,
    axes: Sequence[str],
    metric: str = "psnr_db",
    *,
    block: str | None = "seed",
    interactions: bool = True,
) -> pd.DataFrame:
    """Analysis of variance: a row an axis, a pair of axes (`lambda1 × lambda2`), the block, what is left, the total.

    Axes are categories. `sum_squares` is in squared units of `metric`, `eta_squared` its share of the total,
    `partial_eta_squared` its share of itself and what is left; `f` and `p` test it against what is left. In a balanced
    grid (every combination equally often) the shares add up to 1. In any other one, `squares` says `type II`: each
    source counts what it explains beyond all sources that do not contain it (Langsrud 2003), so shares need not add up
    to 1 and do not depend on the order of the axes; combinations that are missing cost degrees of freedom, and
    interactions are of those that are there.

    An observation is a training: rows that share one enter as one, with the mean of their rows of the design, so each
    of their combinations has an equal part in it. For normal luck of trainings F is exact, however they are shared.

    Args:
        axes: columns; rows where one is null are left out.
        block: what trials are paired by, taken out before anything is tested; None where they are not.

    Raises KeyError: a column that rows lack. Raises ValueError: no axis; rows differ in pixels, protocol or training.
    """
    if not axes:
        raise ValueError("name at least one axis")
    factors = [*axes, *([block] if block else [])]
    require(rows, *factors)
    used = comparable_rows(rows, metric, set(axes)).dropna(subset=factors)
    owners = trainings(used)
    figures = _by_owner(owners, used[metric].to_numpy(float))
    centred = figures - figures.mean() if len(figures) else figures
    total = float(centred @ centred)
    terms: list[tuple[str, ...]] = [(name,) for name in factors]
    terms += list(itertools.combinations(axes, 2)) if interactions else []
    indicators = {name: pd.get_dummies(used[name], dtype=float).to_numpy() for name in factors}
    designs = {term: _by_owner(owners, _crossed([indicators[name] for name in term])) for term in terms}
    left, rank = _fit(list(designs.values()), centred)
    left = 0.0 if left <= 1e-12 * total else left  # rounding of a fit that passes through every row
    freedom = len(figures) - rank
    counts = used.groupby(factors).size()
    is_complete = len(counts) == np.prod([used[name].nunique() for name in factors])
    is_balanced = len(figures) == len(used) and is_complete and counts.nunique() < 2
    kind = {"squares": "balanced" if is_balanced else "type II"}
    sources = {" × ".join(term): kind | _tested(term, designs, centred, left, freedom) for term in terms}
    sources["left over"] = {"freedom": max(freedom, 0), "sum_squares": left}
    sources["total"] = {"freedom": max(len(figures) - 1, 0), "sum_squares": total}
    frame = pd.DataFrame([{"source": name, **row} for name, row in sources.items()]).reindex(columns=EFFECTS)
    squares = frame["sum_squares"].astype(float)
    if total > 0:
        frame["eta_squared"] = squares / total
        explained = (frame.index < len(terms)) & (squares + left > 0)
        frame["partial_eta_squared"] = (squares / (squares + left)).where(explained)
    else:
        frame.loc[frame["source"] == "total", "reason"] = f"{len(figures)} trainings, all alike"
    numbers = ["sum_squares", "eta_squared", "partial_eta_squared", "f", "p"]
    return frame.astype(dict.fromkeys(numbers, float))


def _tested(
    term: tuple[str, ...], designs: dict[tuple[str, ...], np.ndarray], centred: np.ndarray, left: float, freedom: int
) -> dict[str, Any]:
    others = [design for other, design in designs.items() if not set(term) <= set(other)]
    without, rank_without = _fit(others, centred)
    with_it, rank_with = _fit([*others, designs[term]], centred)
    gained, squares = rank_with - rank_without, max(without - with_it, 0.0)
    found: dict[str, Any] = {"freedom": gained, "sum_squares": squares}
    if not (gained and left and freedom > 0):
        none = "no degrees of freedom are left among distinct trainings: add seeds, or leave interactions out"
        reason = none if freedom < 1 else "nothing is left over to test against"
        return {**found, "reason": reason if gained else _ONE}
    ratio = (squares / gained) / (left / freedom)
    return {**found, "f": ratio, "p": float(scipy.stats.f.sf(ratio, gained, freedom))}


def _by_owner(owners: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Means of `values`, shape (rows, …), over the rows of each training: (trainings, …)."""
    means = pd.DataFrame(values).groupby(owners).mean().to_numpy() if len(owners) else values
    return means.reshape(len(means), *values.shape[1:])


def _fit(designs: list[np.ndarray], centred: np.ndarray) -> tuple[float, int]:
    """The squares that a least-squares fit with an intercept leaves, and its rank."""
    design = np.hstack([np.ones((len(centred), 1)), *designs])
    solution, _, rank, _ = np.linalg.lstsq(design, centred, rcond=None)
    residual = centred - design @ solution
    return float(residual @ residual), int(rank)


def _crossed(factors: list[np.ndarray]) -> np.ndarray:
    return functools.reduce(
        lambda a, b: (a[:, :, None] * b[:, None, :]).reshape(len(a), a.shape[1] * b.shape[1]), factors
    )

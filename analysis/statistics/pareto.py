"""Pareto fronts: the trials that no other trial beats in every respect, what lies behind them, and how much they gain.

Every function takes a frame and the columns to minimise and to maximise, in any mix and number. A row dominates another
if it is nowhere worse and somewhere better; equal rows do not dominate each other.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import moocore
import numpy as np
import pandas as pd

from analysis.rows.units import numbers, require

TRADE: dict[str, Any] = {"minimise": ("parameters",), "maximise": ("psnr_db",)}
"""What the report trades against each other."""


def pareto_front(frame: pd.DataFrame, minimise: Sequence[str] = (), maximise: Sequence[str] = ()) -> pd.DataFrame:
    """The non-dominated rows of `frame`, in its order; rows that are equal in all columns stay together.

    A row without a finite figure in one of the columns is not compared and not on the front. Raises KeyError: a column
    that `frame` lacks. Raises ValueError: no column is named, one is named twice or does not hold numbers.
    """
    return frame[on_front(frame, minimise, maximise)]


def on_front(frame: pd.DataFrame, minimise: Sequence[str] = (), maximise: Sequence[str] = ()) -> np.ndarray:
    """Whether each row is on the front of `pareto_front`: (rows,)."""
    values, usable = objectives(frame, minimise, maximise)
    result = np.zeros(len(frame), dtype=bool)
    result[usable] = moocore.is_nondominated(values[usable], keep_weakly=True)
    return result


def pareto_ranks(frame: pd.DataFrame, minimise: Sequence[str] = (), maximise: Sequence[str] = ()) -> pd.Series:
    """The number of the front that each row is on, 1 for the non-dominated ones, on the index of `frame`.

    Nullable integers: front k + 1 is the front of the rows that are left without fronts 1 … k; equal rows share a rank.
    Null for a row without a finite figure in one of the columns. Source: Deb et al. 2002, "A fast and elitist
    multiobjective genetic algorithm: NSGA-II", III.A. Raises KeyError and ValueError as `pareto_front` does.
    """
    values, usable = objectives(frame, minimise, maximise)
    ranks = pd.Series(pd.NA, index=frame.index, dtype="Int64", name="pareto_rank")
    if usable.any():
        ranks[usable] = moocore.pareto_rank(values[usable]) + 1
    return ranks


def hypervolume(
    frame: pd.DataFrame, reference: Mapping[str, float], minimise: Sequence[str] = (), maximise: Sequence[str] = ()
) -> float:
    """The volume between the front and `reference`, in the product of the columns' units; 0 for an empty frame.

    `reference` holds a value for each of the columns. Only rows that are better than it in every column count. Volumes
    compare only where reference, columns and units are the same. Source: Zitzler and Thiele 1998, "Multiobjective
    optimization using evolutionary algorithms"; computed as in Fonseca, Paquete and López-Ibáñez 2006 by moocore.
    Raises KeyError: a column that `frame` lacks. Raises ValueError: as `pareto_front`, or `reference` does not hold
    exactly the columns, each with a finite value.
    """
    values, usable = objectives(frame, minimise, maximise)
    return volume(values[usable], reference_point(reference, minimise, maximise))


def hypervolume_contributions(
    frame: pd.DataFrame, reference: Mapping[str, float], minimise: Sequence[str] = (), maximise: Sequence[str] = ()
) -> pd.Series:
    """What the hypervolume would lose without each row, in the units of `hypervolume` (on the index of `frame`).

    Zero for a dominated row, for one not better than `reference` in every column, and for each of several equal rows:
    the others stay. What only the removed row dominates takes over its part. NaN for a row without a finite figure.
    Source: Emmerich, Beume and Naujoks 2005, "An EMO algorithm using the hypervolume measure as selection criterion".
    Raises KeyError and ValueError as `hypervolume` does.
    """
    values, usable = objectives(frame, minimise, maximise)
    point = reference_point(reference, minimise, maximise)
    if values.shape[1] == 1:  # moocore asks for two columns; one that is 0 against 1 changes no volume
        values, point = np.column_stack([values, np.zeros(len(values))]), np.append(point, 1.0)
    found = np.full(len(frame), np.nan)
    found[usable] = 0.0
    if usable.any():
        # Of the third front nothing is ever free.
        near = np.flatnonzero(usable)[moocore.pareto_rank(values[usable]) < 2]
        found[near] = moocore.hv_contributions(values[near], ref=point, ignore_dominated=False)
    return pd.Series(found, frame.index, name="hypervolume_contribution")


def knee(frame: pd.DataFrame, minimise: Sequence[str] = (), maximise: Sequence[str] = ()) -> pd.DataFrame:
    """The row of the front that gives most of everything at once: one row, or none where the front is empty.

    Each column is scaled to 0 … 1 over the front, and the knee has the smallest sum: it lies furthest from the line
    (the plane) through the scaled extremes, towards the ideal point. Of several, the first in the frame. A front that
    nowhere bulges towards the ideal point has an extreme for its knee. Units matter through their curvature alone: hand
    in logarithms where ratios matter. Source: Das 1999, "On characterizing the knee of the Pareto curve based on
    normal-boundary intersection". Raises KeyError and ValueError as `pareto_front` does.
    """
    front = pareto_front(frame, minimise, maximise)
    if not len(front):
        return front
    values, _ = objectives(front, minimise, maximise)
    span = np.ptp(values, axis=0)
    scaled = (values - values.min(axis=0)) / np.where(span > 0, span, 1.0)
    return front.iloc[[int(scaled.sum(axis=1).argmin())]]


def attainment(
    frame: pd.DataFrame,
    minimise: Sequence[str] = (),
    maximise: Sequence[str] = (),
    by: str = "seed",
    levels: Sequence[float] = (25, 50, 75),
) -> pd.DataFrame:
    """The front that each percentage of seeds attains, for two or three columns: one row a corner.

    Columns: `level`, and those named. The rows of one seed are one set. A point is attained by a set that has a row
    nowhere worse; the surface of a level (percent of sets, above 0, up to 100) is the front of the points that at least
    that many sets attain. 50 is the median front, 100 what every seed reached. Ordered by level, then by the first
    column. Rows without a finite figure or without a seed are left out, and a seed without rows does not count; sets
    compare where every seed ran the same configurations.

    Source: Grunert da Fonseca, Fonseca and Hall 2001, "Inferential performance assessment of stochastic optimisers and
    the attainment function"; computed as in Fonseca et al. 2011 by moocore. Raises KeyError: a column that `frame`
    lacks. Raises ValueError: as `pareto_front`; not two or three columns; a level outside 0 … 100.
    """
    columns = chosen(minimise, maximise)
    if len(columns) not in (2, 3):
        raise ValueError(f"attainment is of two or three columns, not of {len(columns)}: {', '.join(columns)}")
    if not len(levels) or not all(0 < level <= 100 for level in levels):
        raise ValueError(f"levels are percentages above 0, up to 100: {list(levels)}")
    values, usable = objectives(frame, minimise, maximise)
    kept = keyed(frame, usable, by)
    found = np.empty((0, len(columns) + 1))
    if kept.any():
        sets = pd.factorize(frame.loc[kept, by])[0]
        order = np.argsort(sets, kind="stable")  # moocore asks for the sets one after another
        found = moocore.eaf(values[kept][order], sets[order], percentiles=levels).copy()
    found[:, len(minimise) : len(columns)] *= -1
    table = pd.DataFrame(found[:, [-1, *range(len(columns))]], columns=["level", *columns])
    return table.sort_values(["level", *columns], ignore_index=True, kind="stable")


def objectives(frame: pd.DataFrame, minimise: Sequence[str], maximise: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The columns as values (rows, columns), of which less is better, and which rows are finite in all (rows,).

    A frame without rows and columns, as of a study without rows, has no usable row.
    """
    columns = chosen(minimise, maximise)
    if not len(frame) and not len(frame.columns):
        return np.empty((0, len(columns))), np.empty(0, dtype=bool)
    require(frame, *columns)
    values = np.column_stack([numbers(frame, name) for name in columns])
    values[:, len(minimise) :] *= -1
    return values, np.asarray(np.isfinite(values).all(axis=1))


def chosen(minimise: Sequence[str], maximise: Sequence[str]) -> list[str]:
    """The columns to minimise, then those to maximise: at least one, each once, and no text in the place of a list."""
    for name, given in (("minimise", minimise), ("maximise", maximise)):
        if isinstance(given, str):
            raise ValueError(f"{name} takes a list of columns, not a text: [{given!r}]")
    columns = [*minimise, *maximise]
    if not columns:
        raise ValueError("name at least one column to minimise or to maximise")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise ValueError(f"column {', '.join(twice)} is named twice in minimise and maximise")
    return columns


def keyed(frame: pd.DataFrame, usable: np.ndarray, by: str) -> np.ndarray:
    """Which of the `usable` rows have a value in the column `by`, which there is where there are rows: (rows,)."""
    if not len(usable):
        return usable
    require(frame, by)
    return usable & frame[by].notna().to_numpy()


def reference_point(reference: Mapping[str, float], minimise: Sequence[str], maximise: Sequence[str]) -> np.ndarray:
    """`reference` in the order and with the signs of `objectives`: (columns,)."""
    columns = chosen(minimise, maximise)
    if set(reference) != set(columns):
        raise ValueError(f"the reference point holds {', '.join(reference) or 'nothing'}, not {', '.join(columns)}")
    point = np.array([reference[name] for name in columns], dtype=float)
    if not np.isfinite(point).all():
        raise ValueError(f"the reference point is not finite: {dict(reference)}")
    point[len(minimise) :] *= -1
    return point


def volume(values: np.ndarray, point: np.ndarray) -> float:
    """The hypervolume of minimised, finite `values` (rows, columns) against `point` (columns,)."""
    return float(moocore.hypervolume(values, ref=point)) if len(values) else 0.0

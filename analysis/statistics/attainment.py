"""Attainment: the fronts that a share of the seeds reached."""

from collections.abc import Sequence

import moocore
import numpy as np
import pandas as pd

from analysis.statistics.pareto import chosen, keyed, objectives


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
    the attainment function"; computed as in Fonseca et al. 2011 by moocore.

    Raises:
        KeyError: a column that `frame` lacks.
        ValueError: as `pareto_front`; not two or three columns; a level outside 0 … 100.
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

"""Pareto fronts: the trials that no other trial beats in every respect."""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np
import pandas as pd


def pareto_front(frame: pd.DataFrame, minimise: Sequence[str] = (), maximise: Sequence[str] = ()) -> pd.DataFrame:
    """The non-dominated rows of `frame`, in its order; rows that are equal in all columns stay together.

    A row without a finite figure in one of the columns is not compared and not on the front.

    Raises:
        KeyError: a column that `frame` lacks.
        ValueError: no column is named.
    """
    return frame[on_front(frame, minimise, maximise)]


def on_front(frame: pd.DataFrame, minimise: Sequence[str] = (), maximise: Sequence[str] = ()) -> np.ndarray:
    """As `pareto_front`, a boolean for each row."""
    columns = [*minimise, *maximise]
    if not columns:
        raise ValueError("name at least one column to minimise or to maximise")
    values = frame[columns].to_numpy(dtype=float, copy=True, na_value=np.nan)
    values[:, len(minimise) :] *= -1
    usable = np.isfinite(values).all(axis=1)
    result = np.zeros(len(frame), dtype=bool)
    if usable.any():
        result[usable] = moocore.is_nondominated(values[usable], keep_weakly=True)
    return result

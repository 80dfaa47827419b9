"""Fronts against their definition, by brute force."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis

VALUES = st.one_of(st.integers(0, 4).map(float), st.floats(-10, 10, allow_subnormal=False), st.just(float("nan")))
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=25)


def dominated(row: np.ndarray, by: np.ndarray) -> bool:
    """Whether `by` is nowhere larger and somewhere smaller."""
    return bool((by <= row).all() and (by < row).any())


@given(ROWS)
def test_a_row_is_on_the_front_when_no_row_beats_it(rows: list[tuple[float, float, float]]) -> None:
    frame = pd.DataFrame(rows, columns=["parameters", "test_time_ms", "psnr_db"], dtype=float)
    front = analysis.pareto_front(frame, minimise=["parameters", "test_time_ms"], maximise=["psnr_db"])
    values = frame.to_numpy() * [1, 1, -1]
    finite = [i for i in range(len(rows)) if np.isfinite(values[i]).all()]
    expected = [i for i in finite if not any(dominated(values[i], values[j]) for j in finite)]
    assert list(front.index) == expected


def test_a_front_leaves_the_frame_alone_and_holds_nullable_counts() -> None:
    frame = pd.DataFrame({"parameters": pd.array([3, None, 1], "Int64"), "psnr_db": [30.0, 31.0, 29.0]})
    before = frame.copy()
    assert list(analysis.pareto_front(frame, minimise=["parameters"], maximise=["psnr_db"]).index) == [0, 2]
    pd.testing.assert_frame_equal(frame, before)


def test_mistakes_are_named() -> None:
    frame = pd.DataFrame({"psnr_db": [1.0]})
    with pytest.raises(KeyError, match="nonsense"):
        analysis.pareto_front(frame, minimise=["nonsense"])
    with pytest.raises(ValueError, match="at least one column"):
        analysis.pareto_front(frame)

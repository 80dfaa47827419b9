"""Attainment against its definition, by brute force."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis

VALUES = st.one_of(st.integers(0, 4).map(float), st.just(float("nan")))


@given(
    st.integers(2, 3).flatmap(
        lambda count: st.lists(st.tuples(st.sampled_from([0, 1, 2, 3, None]), *[VALUES] * count), max_size=16)
    ),
    st.integers(0, 2),
    st.lists(st.sampled_from([1.0, 25.0, 100 / 3, 50.0, 75.0, 100.0]), min_size=1, max_size=3),
)
def test_a_surface_is_the_front_of_what_enough_seeds_attain(
    rows: list[tuple[float, ...]], split: int, levels: list[float]
) -> None:
    count = len(rows[0]) - 1 if rows else 2
    names = ["a", "b", "c"][:count]
    frame = pd.DataFrame(rows, columns=["seed", *names])
    frame["seed"] = frame["seed"].astype("Int64")
    found = analysis.attainment(frame, names[:split], names[split:], levels=levels)
    signs = np.array([1] * len(names[:split]) + [-1] * len(names[split:]))
    whole = frame.dropna()
    sets = [group[names].to_numpy(float) * signs for _, group in whole.groupby("seed")]
    corners = list(itertools.product(*({*(whole[name] * sign)} for name, sign in zip(names, signs, strict=True))))
    expected = set()
    for level in sorted(set(levels)):
        needed = math.ceil(level * len(sets) / 100 - 1e-9)
        attained = [z for z in corners if sum((one <= z).all(axis=1).any() for one in sets) >= needed]
        for z in attained:
            if not any(y != z and all(np.array(y) <= z) for y in attained):
                expected.add((level, *(np.array(z) * signs)))
    assert {tuple(row) for row in found.to_numpy()} == expected
    assert list(found.columns) == ["level", *names]
    assert found.equals(found.sort_values(["level", *names], ignore_index=True))


def test_the_median_front_of_three_seeds() -> None:
    frame = pd.DataFrame({"seed": [0, 1, 2], "parameters": [1.0, 2.0, 3.0], "psnr_db": [28.0, 30.0, 29.0]})
    found = analysis.attainment(frame, ["parameters"], ["psnr_db"], levels=[100, 50])
    expected = {"level": [50.0, 50.0, 100.0], "parameters": [2.0, 3.0, 3.0], "psnr_db": [28.0, 29.0, 28.0]}
    pd.testing.assert_frame_equal(found, pd.DataFrame(expected))


def test_without_rows_there_is_no_surface() -> None:
    for frame in (pd.DataFrame(), pd.DataFrame({"seed": [0], "parameters": [np.nan], "psnr_db": [30.0]})):
        found = analysis.attainment(frame, ["parameters"], ["psnr_db"])
        assert len(found) == 0
        assert list(found.columns) == ["level", "parameters", "psnr_db"]


def test_mistakes_are_named() -> None:
    frame = pd.DataFrame({"seed": [0], "parameters": [1.0], "psnr_db": [30.0]})
    with pytest.raises(ValueError, match="two or three columns, not of 1"):
        analysis.attainment(frame, minimise=["parameters"])
    with pytest.raises(ValueError, match="above 0, up to 100"):
        analysis.attainment(frame, ["parameters"], ["psnr_db"], levels=[0.0, 50])
    with pytest.raises(KeyError, match="no column nonsense"):
        analysis.attainment(frame, ["parameters"], ["psnr_db"], by="nonsense")

"""Fronts, ranks, volumes and knees against their definitions, by brute force."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis

NAMES = ("a", "b", "c", "d")
VALUES = st.one_of(
    st.integers(0, 4).map(float),
    st.floats(-10, 10, allow_subnormal=False),
    st.sampled_from([float("nan"), float("inf")]),
)
REFERENCE = 3.5
"""Some values are beyond it, on either side."""


@st.composite
def problems(draw: st.DrawFn, rows: int = 14) -> tuple[pd.DataFrame, list[str], list[str]]:
    """A frame of one to four columns, those to minimise and those to maximise; ties, duplicates and gaps are common."""
    count = draw(st.integers(1, len(NAMES)))
    lines = draw(st.lists(st.tuples(*[VALUES] * count), max_size=rows))
    if lines:
        lines += draw(st.lists(st.sampled_from(lines), max_size=3))
    names, split = list(NAMES[:count]), draw(st.integers(0, count))
    index = draw(st.permutations(range(10, 10 + len(lines))))
    return pd.DataFrame(lines, columns=names, index=list(index), dtype=float), names[:split], names[split:]


def losses(frame: pd.DataFrame, minimise: list[str], maximise: list[str]) -> dict[int, tuple[float, ...]]:
    """Of every row with finite figures, what it is to be small in."""
    rows = {}
    for label, row in frame.iterrows():
        if np.isfinite(row.to_numpy()).all():
            rows[label] = (*(row[name] for name in minimise), *(-row[name] for name in maximise))
    return rows


def dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether `one` is nowhere larger and somewhere smaller."""
    pairs = list(zip(one, other, strict=True))
    return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)


def front(rows: dict[int, tuple[float, ...]]) -> list[int]:
    return [label for label, row in rows.items() if not any(dominates(other, row) for other in rows.values())]


def volume(rows: list[tuple[float, ...]], point: tuple[float, ...]) -> float:
    """The sum of all cells of the grid through all coordinates that some row dominates."""
    total = 0.0
    grids = [sorted({at, *(row[k] for row in rows if row[k] < at)}) for k, at in enumerate(point)]
    for cell in itertools.product(*(itertools.pairwise(grid) for grid in grids)):
        lows = [low for low, _ in cell]
        if any(all(x <= low for x, low in zip(row, lows, strict=True)) for row in rows):
            total += float(np.prod([high - low for low, high in cell]))
    return total


def reference(minimise: list[str], maximise: list[str]) -> tuple[dict[str, float], tuple[float, ...]]:
    """A reference point by column, and as losses."""
    return (
        dict.fromkeys(minimise, REFERENCE) | dict.fromkeys(maximise, -REFERENCE),
        (REFERENCE,) * (len(minimise) + len(maximise)),
    )


@given(problems())
def test_a_row_is_on_the_front_when_no_row_beats_it(problem: tuple[pd.DataFrame, list[str], list[str]]) -> None:
    frame, minimise, maximise = problem
    assert list(analysis.pareto_front(frame, minimise, maximise).index) == front(losses(*problem))


@given(problems())
def test_a_rank_counts_the_fronts_that_were_taken_away(problem: tuple[pd.DataFrame, list[str], list[str]]) -> None:
    ranks = analysis.pareto_ranks(*problem)
    left = losses(*problem)
    assert set(ranks.index[ranks.isna()]) == set(problem[0].index) - set(left)
    assert ranks.dtype == "Int64"
    number = 0
    while left:
        number += 1
        found = front(left)
        assert set(ranks[found]) == {number}
        left = {label: row for label, row in left.items() if label not in found}


@given(problems(rows=7))
def test_the_volumes_are_those_of_counted_cells(problem: tuple[pd.DataFrame, list[str], list[str]]) -> None:
    frame, minimise, maximise = problem
    stated, point = reference(minimise, maximise)
    rows = losses(*problem)
    whole = volume(list(rows.values()), point)
    near = {"rel": 1e-9, "abs": 1e-9 * max(whole, 1.0)}
    assert analysis.hypervolume(frame, stated, minimise, maximise) == pytest.approx(whole, **near)
    found = analysis.hypervolume_contributions(frame, stated, minimise, maximise)
    assert list(found.index) == list(frame.index)
    assert set(found.index[found.isna()]) == set(frame.index) - set(rows)
    for label in rows:
        without = volume([row for other, row in rows.items() if other != label], point)
        assert found[label] == pytest.approx(whole - without, **near)


@given(problems())
def test_the_knee_is_furthest_from_the_plane_through_the_extremes(
    problem: tuple[pd.DataFrame, list[str], list[str]],
) -> None:
    frame, minimise, maximise = problem
    rows = losses(*problem)
    on_it = {label: np.array(rows[label]) for label in front(rows)}
    found = analysis.knee(frame, minimise, maximise)
    assert list(found.columns) == list(frame.columns)
    if not on_it:
        assert len(found) == 0
        return
    low, high = np.min(list(on_it.values()), axis=0), np.max(list(on_it.values()), axis=0)
    wide = high > low
    sums = {label: ((row - low)[wide] / (high - low)[wide]).sum() for label, row in on_it.items()}
    assert sums[found.index[0]] <= min(sums.values()) + 1e-9


def test_closed_forms() -> None:
    frame = pd.DataFrame({"parameters": [1.0, 2.0, 4.0, 3.0], "psnr_db": [28.0, 30.0, 31.0, 29.0]}, index=list("wxyz"))
    chosen = {"minimise": ["parameters"], "maximise": ["psnr_db"]}
    stated = {"psnr_db": 27.0, "parameters": 5.0}
    assert analysis.pareto_ranks(frame, **chosen).to_dict() == {"w": 1, "x": 1, "y": 1, "z": 2}
    assert analysis.hypervolume(frame, stated, **chosen) == 1 * 1 + 2 * 3 + 1 * 4
    lost = analysis.hypervolume_contributions(frame, stated, **chosen).to_dict()
    assert lost == {"w": 1.0, "x": 2 * 2 - 1, "y": 1.0, "z": 0.0}  # z takes over one of x's four
    assert list(analysis.knee(frame, **chosen).index) == ["x"]


def test_one_row_is_front_and_knee_and_contributes_everything() -> None:
    frame = pd.DataFrame({"parameters": [3], "psnr_db": [30.0]})
    chosen = {"minimise": ["parameters"], "maximise": ["psnr_db"]}
    stated = {"parameters": 5.0, "psnr_db": 29.0}
    assert len(analysis.pareto_front(frame, **chosen)) == len(analysis.knee(frame, **chosen)) == 1
    assert analysis.pareto_ranks(frame, **chosen).tolist() == [1]
    assert analysis.hypervolume(frame, stated, **chosen) == 2.0
    assert analysis.hypervolume_contributions(frame, stated, **chosen).tolist() == [2.0]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame({"parameters": pd.array([], "Int64"), "psnr_db": np.empty(0)}),
        pd.DataFrame({"parameters": pd.array([3, None], "Int64"), "psnr_db": [np.nan, 30.0]}),
    ],
    ids=["no columns", "no rows", "no figures"],
)
def test_without_figures_there_is_no_front(frame: pd.DataFrame) -> None:
    chosen = {"minimise": ["parameters"], "maximise": ["psnr_db"]}
    stated = {"parameters": 5.0, "psnr_db": 29.0}
    assert len(analysis.pareto_front(frame, **chosen)) == len(analysis.knee(frame, **chosen)) == 0
    assert analysis.pareto_ranks(frame, **chosen).isna().all()
    assert analysis.hypervolume(frame, stated, **chosen) == 0.0
    assert analysis.hypervolume_contributions(frame, stated, **chosen).isna().all()


def test_a_front_leaves_the_frame_alone_and_holds_nullable_counts() -> None:
    frame = pd.DataFrame({"parameters": pd.array([3, None, 1], "Int64"), "psnr_db": [30.0, 31.0, 29.0]})
    before = frame.copy()
    assert list(analysis.pareto_front(frame, minimise=["parameters"], maximise=["psnr_db"]).index) == [0, 2]
    assert analysis.pareto_ranks(frame, ["parameters"], ["psnr_db"]).tolist() == [1, pd.NA, 1]
    pd.testing.assert_frame_equal(frame, before)


def test_mistakes_are_named() -> None:
    frame = pd.DataFrame({"psnr_db": [1.0], "architecture": ["FPF"]})
    with pytest.raises(KeyError, match="no column nonsense"):
        analysis.pareto_front(frame, minimise=["nonsense"])
    with pytest.raises(ValueError, match="at least one column"):
        analysis.pareto_front(frame)
    with pytest.raises(ValueError, match="psnr_db is named twice"):
        analysis.pareto_ranks(frame, ["psnr_db"], ["psnr_db"])
    with pytest.raises(ValueError, match="architecture does not hold numbers"):
        analysis.knee(frame, maximise=["architecture"])
    with pytest.raises(ValueError, match=r"maximise takes a list of columns, not a text: \['psnr_db'\]"):
        analysis.pareto_front(frame, maximise="psnr_db")
    for stated, said in (({"ssim": 1.0}, "holds ssim, not psnr_db"), ({}, "nothing"), ({"psnr_db": np.nan}, "finite")):
        with pytest.raises(ValueError, match=said):
            analysis.hypervolume(frame, stated, maximise=["psnr_db"])


FIGURES = st.one_of(st.integers(0, 4).map(float), st.just(float("nan")))


@given(
    st.integers(2, 3).flatmap(
        lambda count: st.lists(st.tuples(st.sampled_from([0, 1, 2, 3, None]), *[FIGURES] * count), max_size=16)
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


def test_mistakes_of_attainment_are_named() -> None:
    frame = pd.DataFrame({"seed": [0], "parameters": [1.0], "psnr_db": [30.0]})
    with pytest.raises(ValueError, match="two or three columns, not of 1"):
        analysis.attainment(frame, minimise=["parameters"])
    with pytest.raises(ValueError, match="above 0, up to 100"):
        analysis.attainment(frame, ["parameters"], ["psnr_db"], levels=[0.0, 50])
    with pytest.raises(KeyError, match="no column nonsense"):
        analysis.attainment(frame, ["parameters"], ["psnr_db"], by="nonsense")

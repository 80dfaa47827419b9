"""Differences between values of an axis, on rows whose answer is known."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis import comparisons, paired_difference
from analysis.statistics.paired import COMPARISONS

PIXELS = {"task": "denoise", "test_set": "embedded", "sigma": 30.0, "protocol": "clip8", "test_pixels_sha256": "p"}
FIGURES = st.lists(st.floats(20, 40).map(lambda value: round(value, 2)), min_size=1, max_size=6)


def row(lambda1: float, seed: int, psnr_db: float | None, **others: object) -> dict:
    own = {"trial_id": f"{lambda1} {seed} {others}", "lambda1": lambda1, "lambda2": 0.0, "seed": seed}
    return {**PIXELS, **own, "psnr_db": psnr_db, **others}


def study(*values: list[float | None]) -> pd.DataFrame:
    """λ1 = 0, 1, … with a list of PSNR by seed each."""
    pairs = [(lambda1, *pair) for lambda1, by_seed in enumerate(values) for pair in enumerate(by_seed)]
    return pd.DataFrame([row(float(lambda1), seed, psnr_db) for lambda1, seed, psnr_db in pairs]).astype(
        {"psnr_db": float}
    )


def fresh() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_difference_by_hand() -> None:
    found = paired_difference(study([30.0, 31.0, 35.0], [29.0, 29.0, 32.0]), "lambda1", 0.0, 1.0)
    assert found.by_seed == (1.0, 2.0, 3.0)
    assert (found.difference, found.seeds, found.images, found.reason) == (2.0, 3, None, None)
    half = 4.302652729911275 / np.sqrt(3)  # t of 2 degrees of freedom at 97.5 %; the standard deviation is 1
    assert [found.low, found.high] == pytest.approx([2 - half, 2 + half])
    assert found.interval == "Student's t over seeds, paired"


@given(FIGURES, FIGURES, st.randoms(use_true_random=False))
def test_differences_are_scipy_s_antisymmetric_and_free_of_order(a: list[float], b: list[float], random) -> None:
    rows = study(a, b)
    found, back = (paired_difference(rows, "lambda1", *sides) for sides in ((0, 1), (1, 0)))
    assert back.difference == -found.difference
    mixed = rows.iloc[random.sample(range(len(rows)), len(rows))]
    assert paired_difference(mixed, "lambda1", 0, 1) == found
    count = min(len(a), len(b))
    assert found.seeds == count
    if count > 2 and np.ptp(found.by_seed) > 1e-6:
        expected = stats.ttest_rel(a[:count], b[:count]).confidence_interval()
        assert [found.low, found.high] == pytest.approx([expected.low, expected.high])


def test_images_are_paired_and_seeds_stay_the_unit() -> None:
    rows = study([30.0, 31.0], [29.0, 29.0])
    rows["psnr_by_image"] = [[31.0, 29.0], [31.0, 31.5], [30.0, 29.0], [30.0, 30.0]]
    found = paired_difference(rows, "lambda1", 0, 1)
    assert found.by_seed == (0.5, 1.25)
    assert (found.images, found.seeds) == (2, 2)
    rows["psnr_by_image"] = [[31.0, np.inf], [31.0, 31.5], [30.0, 29.0], [np.nan, np.nan]]
    found = paired_difference(rows, "lambda1", 0, 1)
    assert (found.by_seed, found.seeds, found.images) == ((1.0,), 1, 0), "an image without a figure is left out"
    rows["psnr_by_image"] = [[31.0, 29.0], [31.0, 31.5], [30.0], [30.0]]
    with pytest.raises(ValueError, match="tested on 2 and on 1 images"):
        paired_difference(rows, "lambda1", 0, 1)


def test_other_axes_are_held_equal_and_averaged_within_a_seed() -> None:
    grid = itertools.product((0.0, 1.0), (0.0, 1.0), (0, 1))
    rows = pd.DataFrame([row(a, seed, 30 + a * (1 + b) + 5 * b + seed, lambda2=b) for a, b, seed in grid])
    with pytest.raises(ValueError, match=r"seed 0 has 2 rows with lambda1=1\.0 that differ in lambda2: .* `within`"):
        paired_difference(rows, "lambda1", 1.0, 0.0)
    assert paired_difference(rows, "lambda1", 1.0, 0.0, within=["lambda2"]).by_seed == (1.5, 1.5)
    again = pd.concat([rows, rows.assign(study="another")], ignore_index=True)
    assert paired_difference(again, "lambda1", 1.0, 0.0, within=["lambda2"]).seeds == 2, "a shared trial counts once"


@pytest.mark.parametrize(
    ("column", "value"), [("protocol", "float"), ("test_pixels_sha256", "q"), ("sigma", 50.0), ("train_iterations", 9)]
)
def test_rows_that_do_not_compare_are_refused(column: str, value: object) -> None:
    rows = study([30.0, 31.0], [29.0, 29.0]).assign(train_iterations=5)
    rows[column] = [rows[column].iloc[0]] * 2 + [value] * 2
    with pytest.raises(ValueError, match=f"^rows differ in {column} .* choose rows of one {column}$"):
        paired_difference(rows, "lambda1", 0, 1)
    if column == "train_iterations":
        assert paired_difference(rows, column, 5, 9).seeds == 2, "what is compared may differ"
    else:
        with pytest.raises(ValueError, match="rows differ in"):
            paired_difference(rows, column, rows[column].iloc[0], value)


def test_times_of_different_devices_are_refused() -> None:
    rows = study([30.0], [29.0]).assign(test_time_ms=[1.0, 2.0], device=["a", "b"])
    with pytest.raises(ValueError, match="rows differ in device"):
        paired_difference(rows, "lambda1", 0, 1, "test_time_ms")
    assert paired_difference(rows, "lambda1", 0, 1).difference == 1.0


def test_what_cannot_be_known_is_null_with_a_reason() -> None:
    one = paired_difference(study([30.0], [29.0]), "lambda1", 0, 1)
    assert (one.difference, one.low, one.high, one.interval) == (1.0, None, None, None)
    assert one.reason == "1 paired seed: an interval needs 3"
    none = paired_difference(study([None, 30.0], [29.0, None]), "lambda1", 0, 1)
    assert (none.difference, none.seeds, none.reason) == (None, 0, "0 paired seeds: an interval needs 3")
    nothing = paired_difference(study([None], [None]), "lambda1", 0, 1)
    assert nothing.difference is None
    with pytest.raises(ValueError, match=r"no row has lambda1=7; there is 0\.0, 1\.0"):
        paired_difference(study([30.0], [29.0]), "lambda1", 0, 7)
    with pytest.raises(KeyError, match="nonsense"):
        paired_difference(study([30.0], [29.0]), "lambda1", 0, 1, "nonsense")


def test_comparisons_carry_a_test_and_holm_s_correction_over_those_made() -> None:
    generator = np.random.default_rng(5)
    rows = study(*(list(generator.normal(30 + lambda1, 0.3, 6)) for lambda1 in range(3)), [30.0])
    table = comparisons(rows, "lambda1", fresh())
    assert list(table.columns) == COMPARISONS
    assert list(zip(table["value_a"], table["value_b"], strict=True)) == list(itertools.combinations(range(4), 2))
    first = table.iloc[0]
    assert (first["permutation"], first["p_permutation"]) == ("exact, 64", 2 / 64)
    assert first["p_permutation_holm"] == pytest.approx(3 * 2 / 64), "three comparisons have a p-value"
    assert table["p_permutation"].isna().tolist() == [False, False, True, False, True, True]
    assert table["reason"].dropna().unique().tolist() == ["1 paired seed: an interval needs 3"]
    planned = comparisons(rows, "lambda1", fresh(), pairs=[(0, 1)]).iloc[0]
    assert planned["p_permutation_holm"] == planned["p_permutation"]
    pd.testing.assert_frame_equal(comparisons(rows, "lambda1", fresh()), table)


def test_a_seed_whose_values_share_a_training_is_no_observation_of_its_luck() -> None:
    rows = study([30.0, 31.0, 35.0, 30.0], [29.0, 29.0, 32.0, 30.0])
    rows["train_key"] = [*"abcd", *"efgd"]
    found = paired_difference(rows, "lambda1", 0, 1)
    assert (found.difference, found.seeds, found.effective_seeds) == (1.5, 4, 3)
    own = paired_difference(study([30.0, 31.0, 35.0], [29.0, 29.0, 32.0]), "lambda1", 0, 1)
    assert [found.low, found.high] == pytest.approx([0.75 * own.low, 0.75 * own.high])
    rows["train_key"] = [*"abcd", *"efcd"]
    two = paired_difference(rows, "lambda1", 0, 1)
    assert (two.low, two.effective_seeds) == (None, 2)
    told = "2 paired seeds (+1, +2), beside 2 in which both are one training: an interval needs 3"
    assert two.reason == told, "two values are said, and no interval"
    rows["train_key"] = [*"abcd", *"abcd"]
    same = comparisons(rows.assign(psnr_db=[30.0, 31.0, 35.0, 30.0] * 2), "lambda1", fresh()).iloc[0]
    assert (same["difference"], same["effective_seeds"]) == (0, 0)
    assert pd.isna(same["p_permutation"])

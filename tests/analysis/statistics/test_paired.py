"""Differences between values of an axis, on rows whose answer is known."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis import comparisons, paired_difference
from analysis.statistics.paired import COMPARISONS, holm, sign_flip_test

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


SAMPLES = st.lists(st.floats(-5, 5).map(lambda value: round(value, 1)), min_size=2, max_size=7)


def fresh(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_p_values_by_hand() -> None:
    assert sign_flip_test([1.0, 2.0, 3.0], fresh()) == (2 / 8, "exact, 8", None)
    # ±1 ±2 ±3 sum to 6, 4, 2, 0, 0, -2, -4, -6: three of eight reach 1 - 2 + 3
    assert sign_flip_test([1.0, -2.0, 3.0], fresh())[0] == 2 * 3 / 8
    assert sign_flip_test([0.0, 0.0], fresh())[0] == 1.0


@given(SAMPLES, st.sampled_from([1.0, 1e-9, 1e9]))
def test_an_exact_p_value_is_twice_the_smaller_tail_s_share_of_all_signs(values: list[float], unit: float) -> None:
    tenths = [round(10 * value) for value in values]  # whole numbers have no rounding
    sums = [np.dot(signs, tenths) for signs in itertools.product((1, -1), repeat=len(tenths))]
    tails = np.mean(np.array(sums) >= sum(tenths)), np.mean(np.array(sums) <= sum(tenths))
    assert sign_flip_test(np.array(values) * unit, fresh())[0] == pytest.approx(min(1.0, 2 * min(tails)))


@given(SAMPLES, st.randoms(use_true_random=False))
def test_p_values_do_not_depend_on_order_or_sign(values: list[float], random) -> None:
    p = sign_flip_test(values, fresh())[0]
    shuffled = random.sample(values, len(values))
    assert sign_flip_test(shuffled, fresh())[0] == p == sign_flip_test([-value for value in values], fresh())[0]


def test_a_sampled_p_value_is_near_the_exact_one_never_zero_and_repeatable() -> None:
    values = fresh(3).normal(0.6, 1, 13)
    exact, method, _ = sign_flip_test(values, fresh())
    sampled = sign_flip_test(values, fresh(), draws=8000, exact_up_to=1)
    assert (method, sampled[1]) == ("exact, 8192", "sampled, 8000")
    assert sampled[0] == pytest.approx(exact, abs=4 * np.sqrt(exact / 8000))
    assert sign_flip_test(values, fresh(), draws=8000, exact_up_to=1) == sampled
    assert sign_flip_test(values + 100, fresh(), draws=99, exact_up_to=1)[0] == 2 / 100


def test_too_few_values_have_a_reason_and_no_p_value() -> None:
    assert sign_flip_test([1.0, np.nan], fresh()) == (None, None, "1 pairs: a test needs 2")


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, None]) == pytest.approx([0.03, 0.06, 0.06, np.nan], nan_ok=True)
    assert holm([]).size == 0


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=6))
def test_holm_rejects_what_stepping_down_rejects(p_values: list[float | None]) -> None:
    adjusted, made = holm(p_values), sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    for level in (0.01, 0.05, 0.3):
        kept = [p * (len(made) - step) > level for step, (p, _) in enumerate(made)]
        rejected = made[: kept.index(True)] if True in kept else made
        assert {i for i, p in enumerate(adjusted) if p <= level} == {i for _, i in rejected}


@pytest.mark.parametrize("is_exact", [True, False], ids=["exact", "sampled"])
def test_false_positives_under_the_null_are_five_in_a_hundred(is_exact: bool) -> None:
    """Of 2,000 studies a rate of 5 % has a standard deviation of 0.49 %. The exact level of 8 signs is 12/256."""
    generator = fresh(7)
    if is_exact:
        found = [sign_flip_test(generator.normal(size=8), generator)[0] for _ in range(2000)]
    else:
        found = [sign_flip_test(generator.laplace(size=18), generator, draws=199)[0] for _ in range(2000)]
    assert 0.036 < np.mean(np.array(found) <= 0.05) < 0.062

"""Tests of arrays: p-values by hand, scipy's where it has the same test, and the rate of false positives."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.statistics.permutation import holm, sign_flip_test

SAMPLES = st.lists(st.floats(-5, 5).map(lambda value: round(value, 1)), min_size=2, max_size=7)


def fresh(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_p_values_by_hand() -> None:
    found = sign_flip_test([1.0, 2.0, 3.0], fresh())
    assert (found.p, found.method) == (2 / 8, "exact, 8")
    # ±1 ±2 ±3 sum to 6, 4, 2, 0, 0, -2, -4, -6: three of eight reach 1 - 2 + 3
    assert sign_flip_test([1.0, -2.0, 3.0], fresh()).p == 2 * 3 / 8
    assert sign_flip_test([0.0, 0.0], fresh()).p == 1.0


@given(SAMPLES, st.sampled_from([1.0, 1e-9, 1e9]))
def test_an_exact_p_value_is_twice_the_smaller_tail_s_share_of_all_signs(values: list[float], unit: float) -> None:
    tenths = [round(10 * value) for value in values]  # whole numbers have no rounding
    sums = [np.dot(signs, tenths) for signs in itertools.product((1, -1), repeat=len(tenths))]
    tails = np.mean(np.array(sums) >= sum(tenths)), np.mean(np.array(sums) <= sum(tenths))
    assert sign_flip_test(np.array(values) * unit, fresh()).p == pytest.approx(min(1.0, 2 * min(tails)))


@given(SAMPLES, st.randoms(use_true_random=False))
def test_p_values_do_not_depend_on_order_or_sign(values: list[float], random) -> None:
    p = sign_flip_test(values, fresh()).p
    shuffled = random.sample(values, len(values))
    assert sign_flip_test(shuffled, fresh()).p == p == sign_flip_test([-value for value in values], fresh()).p


def test_a_sampled_p_value_is_near_the_exact_one_never_zero_and_repeatable() -> None:
    values = fresh(3).normal(0.6, 1, 13)
    exact = sign_flip_test(values, fresh())
    sampled = sign_flip_test(values, fresh(), draws=8000, exact_up_to=1)
    assert (exact.method, sampled.method) == ("exact, 8192", "sampled, 8000")
    assert sampled.p == pytest.approx(exact.p, abs=4 * np.sqrt(exact.p / 8000))
    assert sign_flip_test(values, fresh(), draws=8000, exact_up_to=1) == sampled
    assert sign_flip_test(values + 100, fresh(), draws=99, exact_up_to=1).p == 2 / 100


def test_too_few_values_have_a_reason_and_no_p_value() -> None:
    assert sign_flip_test([1.0, np.nan], fresh()).p is None
    assert sign_flip_test([1.0, np.nan], fresh()).reason == "1 pairs: a test needs 2"


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
        found = [sign_flip_test(generator.normal(size=8), generator).p for _ in range(2000)]
    else:
        found = [sign_flip_test(generator.laplace(size=18), generator, draws=199).p for _ in range(2000)]
    assert 0.036 < np.mean(np.array(found) <= 0.05) < 0.062

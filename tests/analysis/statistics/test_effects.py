"""Analysis of variance against hand calculations and scipy's tests of the same thing."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis import effects


def grid(figure, lambda1=(0.0, 1.0), lambda2=(0.0, 1.0), seeds=(0, 1)) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"lambda1": a, "lambda2": b, "seed": seed, "psnr_db": float(figure(a, b, seed))}
            for a, b, seed in itertools.product(lambda1, lambda2, seeds)
        ]
    )


def by_source(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index("source")


def test_a_balanced_grid_by_hand() -> None:
    # 30 + 2a + b + 4ab + e, e = ±½ with the sign of seed, turned over at a = 1
    rows = grid(lambda a, b, seed: 30 + 2 * a + b + 4 * a * b + (seed - 0.5) * (1 if a == 0 else -1))
    table = by_source(effects(rows, ["lambda1", "lambda2"], block=None))
    # contrasts over 8 rows: a 4, b 3, ab 1 (half of 4, halved again in the sum of squares): SS = 8 (contrast / 2)²
    expected = {"lambda1": 32.0, "lambda2": 18.0, "lambda1 × lambda2": 8.0, "left over": 2.0, "total": 60.0}
    assert table["sum_squares"].to_dict() == pytest.approx(expected)
    assert table["freedom"].to_dict() == {
        "lambda1": 1,
        "lambda2": 1,
        "lambda1 × lambda2": 1,
        "left over": 4,
        "total": 7,
    }
    assert table.loc["lambda1", "eta_squared"] == pytest.approx(32 / 60)
    assert table.loc["lambda1", "partial_eta_squared"] == pytest.approx(32 / 34)
    assert table.loc["lambda1", "f"] == pytest.approx(32 / 0.5)
    assert table.loc["lambda1", "p"] == pytest.approx(stats.f.sf(64, 1, 4))
    assert set(table["squares"].dropna()) == {"balanced"}
    assert table["eta_squared"].drop("total").sum() == pytest.approx(1)


@given(st.lists(st.lists(st.floats(20, 40).map(lambda v: round(v, 1)), min_size=1, max_size=4), min_size=2, max_size=4))
def test_one_axis_is_scipy_s_one_way_test_balanced_or_not(groups: list[list[float]]) -> None:
    rows = pd.DataFrame([{"axis": i, "psnr_db": value} for i, group in enumerate(groups) for value in group])
    found = by_source(effects(rows, ["axis"], block=None)).loc["axis"]
    within = sum(np.var(group) * len(group) for group in groups)
    if len(rows) > len(groups) and within > 1e-6:
        expected = stats.f_oneway(*groups)
        assert [found["f"], found["p"]] == pytest.approx([expected.statistic, expected.pvalue], rel=1e-6, abs=1e-9)
    else:
        assert np.isnan(found["f"])
        assert found["reason"]


def test_two_values_in_blocks_are_the_paired_t_test_also_where_a_seed_lacks_one() -> None:
    generator = np.random.default_rng(2)
    rows = grid(lambda a, b, seed: 30 + seed + 0.3 * a + generator.normal(0, 0.2), lambda2=(0.0,), seeds=range(6))
    sides = [rows[rows["lambda1"] == value]["psnr_db"].to_numpy() for value in (0, 1)]
    found = by_source(effects(rows, ["lambda1"]))
    expected = stats.ttest_rel(*sides)
    assert found.loc["lambda1", "f"] == pytest.approx(expected.statistic**2)
    assert found.loc["lambda1", "p"] == pytest.approx(expected.pvalue)
    found = by_source(effects(rows.drop(index=0), ["lambda1"]))
    assert found.loc["lambda1", "squares"] == "type II"
    assert found.loc["lambda1", "p"] == pytest.approx(stats.ttest_rel(*(side[1:] for side in sides)).pvalue)


@given(st.sets(st.integers(0, 17), max_size=9), st.randoms(use_true_random=False))
def test_the_order_of_axes_and_rows_does_not_matter_and_squares_are_additive_when_balanced(
    gone: set[int], random
) -> None:
    generator = np.random.default_rng(1)
    rows = grid(lambda a, b, seed: generator.normal(30, 1), (0, 1, 2), (0, 1, 2)).drop(index=list(gone))
    one = by_source(effects(rows, ["lambda1", "lambda2"]))
    shuffled = rows.iloc[random.sample(range(len(rows)), len(rows))]
    other = by_source(effects(shuffled, ["lambda2", "lambda1"])).rename({"lambda2 × lambda1": "lambda1 × lambda2"})
    numbers = ["freedom", "sum_squares", "eta_squared", "f", "p"]
    pd.testing.assert_frame_equal(one[numbers], other.loc[one.index, numbers], check_dtype=False)
    assert (one["sum_squares"] >= 0).all()
    assert (one["squares"].dropna() == "balanced").all() or gone
    if not gone:
        assert one["eta_squared"].drop("total").sum() == pytest.approx(1)


def test_what_cannot_be_tested_says_why() -> None:
    rows = grid(lambda a, b, seed: 30 + a + 2 * b, seeds=(0,))
    table = by_source(effects(rows, ["lambda1", "lambda2"]))
    assert table["f"].isna().all()
    assert (
        table.loc["lambda1", "reason"]
        == "no degrees of freedom are left among distinct trainings: add seeds, or leave interactions out"
    )
    assert table.loc["seed", "reason"] == "one value, or its trainings do not tell it from the other sources"
    assert table.loc["lambda1", "eta_squared"] == pytest.approx(0.2)
    exact = by_source(effects(grid(lambda a, b, seed: 30 + a), ["lambda1", "lambda2"]))
    assert exact.loc["lambda1", "reason"] == "nothing is left over to test against"
    alike = by_source(effects(grid(lambda a, b, seed: 30), ["lambda1"]))
    assert alike.loc["total", "reason"] == "8 trainings, all alike"
    assert alike["eta_squared"].isna().all()
    empty = rows.assign(psnr_db=np.nan)
    assert effects(empty, ["lambda1"])["f"].isna().all()
    assert effects(empty, ["lambda1", "lambda2"])["f"].isna().all()
    with pytest.raises(ValueError, match="name at least one axis"):
        effects(rows, [])


def test_rows_that_share_a_training_are_no_further_observations() -> None:
    figures = np.random.default_rng(0).normal(size=12)
    rows = pd.DataFrame({"lambda1": [0.0, 0.1] * 6, "seed": np.repeat(range(6), 2), "psnr_db": figures})
    apart = effects(rows.assign(train_key=[str(i) for i in range(12)]), ["lambda1"]).set_index("source")
    assert apart.loc["left over", "freedom"] == 5
    copies = pd.concat([rows.assign(lambda2=value, train_key=[str(i) for i in range(12)]) for value in range(2)])
    many = effects(copies, ["lambda1", "lambda2"], interactions=False).set_index("source")
    assert many.loc["left over", "freedom"] == 5, "of 24 rows"
    assert many.loc["total", "freedom"] == 11
    assert many.loc["lambda1", "p"] == pytest.approx(apart.loc["lambda1", "p"])
    assert many.loc["lambda2", "reason"] == "one value, or its trainings do not tell it from the other sources"
    assert set(many["squares"].dropna()) == {"type II"}
    one = effects(copies.assign(train_key="one"), ["lambda1", "lambda2"]).set_index("source")
    assert one["p"].isna().all()
    assert "its trainings do not tell it" in one.loc["lambda1", "reason"]

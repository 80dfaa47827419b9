"""Searched networks against random architectures, on rows whose answer is known."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis import search_against_random
from analysis.statistics.against_random import SEARCH_AGAINST_RANDOM, expected_best

PIXELS = {"task": "denoise", "test_set": "embedded", "sigma": 30.0, "protocol": "clip8", "test_pixels_sha256": "p"}


def study(
    searched: list[float], random: list[list[float]], search_seconds: float | None = 25.0, **others: object
) -> pd.DataFrame:
    """A searched PSNR a seed, and a list of random architectures' PSNR a seed; 10 s a training."""
    rows: list[tuple[object, ...]] = []
    for seed, psnr_db in enumerate(searched):
        rows.append(("searched", "s", 0.1, seed, "FF", psnr_db, search_seconds))
    for seed, values in enumerate(random):
        rows += [("random", f"r{i}", None, seed, f"{i}", psnr_db, None) for i, psnr_db in enumerate(values)]
    columns = ["kind", "replicate_id", "lambda1", "seed", "architecture", "psnr_db", "search_seconds"]
    frame = pd.DataFrame(rows, columns=columns).assign(
        **PIXELS, train_seconds=10.0, trial_id=[f"{i}" for i in range(len(rows))], **others
    )
    return frame.astype({"psnr_db": float, "search_seconds": float})


def compared(rows: pd.DataFrame) -> pd.Series:
    table = search_against_random(rows, np.random.default_rng(0))
    assert list(table.columns) == SEARCH_AGAINST_RANDOM
    assert len(table) == 1
    return table.iloc[0]


def test_every_figure_by_hand() -> None:
    found = compared(study([31.0, 32.0, 30.0], [[30.0, 30.5, 29.5], [31.0, 30.0, 32.0], [29.0, 31.0, 28.5]]))
    differences = np.array([1.0, 1.0, 0.5])
    assert (found["seeds"], found["random_architectures"]) == (3, 3)
    assert [found["mean"], found["random_mean"]] == pytest.approx([31.0, (30 + 31 + 29.5) / 3])
    assert found["gain"] == pytest.approx(differences.mean())
    expected = stats.ttest_1samp(differences, 0).confidence_interval()
    assert [found["low"], found["high"]] == pytest.approx([expected.low, expected.high])
    assert found["p_permutation"] == found["p_permutation_holm"] == 2 / 8
    assert found["relative_gain_percent"] == pytest.approx(100 * found["gain"] / found["random_mean"])
    # wins: 3 of 3; 2 and a tie of 3; 2 of 3
    assert found["probability"] == pytest.approx((3 + 2.5 + 2) / 9)
    assert found["probability_low"] < found["probability"] < found["probability_high"]
    # 25 s pay for two trainings of 10 s beside the network's own: the best of all three
    assert (found["equal_cost_trainings"], found["best_of"]) == (3, 3)
    assert found["best_mean"] == pytest.approx((30.5 + 32 + 31) / 3)
    assert found["equal_cost_gain"] == pytest.approx((0.5 + 0 - 1) / 3)
    assert found["equal_cost_probability"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert pd.isna(found["reason"])


def test_two_at_equal_cost_is_the_mean_over_all_pairs() -> None:
    values = [[30.0, 30.5, 29.5, 28.0], [31.0, 30.0, 32.0, 30.0], [29.0, 29.5, 30.0, 30.5]]
    found = compared(study([30.2, 32.0, 30.0], values, search_seconds=12.0))
    assert found["best_of"] == found["equal_cost_trainings"] == 2
    best = [[max(pair) for pair in itertools.combinations(seed, 2)] for seed in values]
    assert found["best_mean"] == pytest.approx(np.mean([np.mean(each) for each in best]))
    wins = [[(np.sign(x - one) + 1) / 2 for one in each] for x, each in zip((30.2, 32.0, 30.0), best, strict=True)]
    assert found["equal_cost_probability"] == pytest.approx(np.mean([np.mean(each) for each in wins]))


@given(st.lists(st.integers(0, 9).map(float), min_size=1, max_size=7), st.data())
def test_the_expected_best_is_the_mean_of_all_subsets(values: list[float], data) -> None:
    count = data.draw(st.integers(1, len(values)))
    assert expected_best(values, count) == pytest.approx(
        np.mean([max(s) for s in itertools.combinations(values, count)])
    )
    with pytest.raises(ValueError, match="must be in 1"):
        expected_best(values, len(values) + 1)


def test_where_all_comparisons_are_alike_the_bound_is_the_binomial_one() -> None:
    found = compared(study([31.0, 32.0, 33.0], [[30.0, 29.0]] * 3))
    exact = stats.binomtest(3, 3).proportion_ci(0.95)
    assert [found["probability_low"], found["probability_high"]] == pytest.approx([exact.low, exact.high])
    assert found["probability_interval"] == "exact binomial over seeds, all alike"
    lost = compared(study([28.0, 28.0, 28.0], [[30.0, 29.0]] * 3))
    assert [lost["probability_low"], lost["probability_high"]] == pytest.approx([1 - exact.high, 1 - exact.low])


def test_the_whole_space_is_no_draw_so_that_only_seeds_are_luck() -> None:
    random = [[30.0, 29.0, 28.0, 27.0], [30.0, 29.0, 28.0, 27.0], [30.0, 29.0, 28.0, 27.0]]
    whole, some = compared(study([29.5] * 3, random)), compared(study([29.5] * 3, [own[:3] for own in random]))
    assert [whole[f"probability{end}"] for end in ("", "_low", "_high")] == [0.75] * 3, "all seeds alike"
    assert whole["probability_interval"] == "percentile bootstrap over seeds"
    assert some["probability_low"] < some["probability"] == pytest.approx(2 / 3)


def test_what_cannot_be_known_is_null_with_a_reason() -> None:
    one = compared(study([31.0], [[30.0, 32.0]], search_seconds=1000.0))
    assert one["gain"] == 0.0
    unknown = ["low", "high", "probability", "probability_low", "p_permutation", "equal_cost_low"]
    assert pd.isna(one[[*unknown, "equal_cost_probability"]]).all(), "one seed says nothing of a probability"
    assert one["reason"].startswith(
        "1 paired seed: an interval needs 3; the search costs 100 further random trainings, and seeds with 2"
    )
    assert one["best_of"] == 2
    untimed = compared(study([31.0, 30.0], [[30.0], [30.0]], search_seconds=None))
    told = "2 paired seeds (+1, +0): an interval needs 3; no equal cost: search_seconds or train_seconds are not known"
    assert untimed["reason"] == told, "both values, and no interval"
    assert pd.isna(untimed[["low", "probability"]]).all()
    assert pd.isna(untimed["best_mean"])
    assert untimed["gain"] == 0.5
    apart = study([31.0], [[np.nan], [30.0]])
    assert compared(apart)["reason"] == "no seed has both a searched network and a random architecture"
    assert not len(search_against_random(apart[apart["kind"] == "random"], np.random.default_rng(0)))
    rows = study([31.0, 30.0], [[30.0], [30.0]]).assign(train_iterations=[5, 5, 6, 6])
    with pytest.raises(ValueError, match="rows differ in train_iterations"):
        compared(rows)
    twice = pd.concat([study([31.0], [[30.0]]), study([31.5], []).assign(trial_id="other")], ignore_index=True)
    with pytest.raises(ValueError, match="seed 0 has 2 rows with one search configuration"):
        compared(twice)


def test_the_same_generator_gives_the_same_table_and_rows_may_be_in_any_order() -> None:
    rows = study([31.0, 29.0, 30.1], [[30.0, 30.5], [29.5, 28.0], [30.0, 31.0]])
    first = search_against_random(rows, np.random.default_rng(1))
    pd.testing.assert_frame_equal(search_against_random(rows.iloc[::-1], np.random.default_rng(1)), first)


def test_configurations_of_the_same_trainings_are_one_test() -> None:
    rows = study([31.0, 31.5, 31.2, 31.3, 31.1, 31.6], [[30.0, 30.5]] * 6)
    rows["train_key"] = [f"k{i}" for i in range(len(rows))]
    searched = rows[rows["kind"] == "searched"]
    twin = searched.assign(replicate_id="t", trial_id=[f"t{i}" for i in range(6)])
    other = twin.assign(replicate_id="o", trial_id=[f"o{i}" for i in range(6)], train_key=[f"o{i}" for i in range(6)])
    table = search_against_random(pd.concat([rows, twin, other]), np.random.default_rng(0)).set_index("replicate_id")
    assert table["same_as"].fillna("").to_dict() == {"s": "", "t": "s", "o": ""}
    assert table["p_permutation_holm"].tolist() == pytest.approx([2 * 2 / 64] * 3), "two tests, of three configurations"

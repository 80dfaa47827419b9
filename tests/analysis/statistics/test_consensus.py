"""Agreement of architectures over seeds, by hand, by brute force, and under chance."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis import column_agreement, seed_agreement
from analysis.statistics.consensus import COLUMN_AGREEMENT, SEED_AGREEMENT

ARCHITECTURES = st.lists(st.text("PF", min_size=3, max_size=3), min_size=2, max_size=5)


def study(architectures: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "kind": "searched",
                "replicate_id": "s",
                "lambda1": 0.1,
                "lambda2": 0.0,
                "seed": seed,
                "architecture": text,
            }
            for seed, text in enumerate(architectures)
        ]
    )


def whole(architectures: list[str | None], draws: int = 999) -> pd.Series:
    table = seed_agreement(study(architectures), np.random.default_rng(0), draws=draws)
    assert list(table.columns) == SEED_AGREEMENT
    return table.iloc[0]


def test_agreement_and_kappa_by_hand() -> None:
    found = whole(["FP-FF", "FP-PF", "FP-PP"])
    # agreeing pairs of three: 3, 3, 1, 1 of 12; 6 of 12 modules are fusions, so chance by share is ½
    assert found["agreement"] == pytest.approx(8 / 12)
    assert found["kappa"] == pytest.approx((8 / 12 - 0.5) / 0.5)
    assert (found["seeds"], found["columns"], found["architectures"], found["chance_agreement"]) == (3, 4, 3, 0.5)
    # under coins a column has 3 agreeing pairs with probability ¼, else 1: 8 of 12 or more needs two columns of 3
    assert found["p_coin"] == pytest.approx(stats.binom.sf(1, 4, 0.25))
    assert pd.isna(found["reason"])


@given(ARCHITECTURES)
def test_the_agreement_is_that_of_all_pairs_and_free_of_order_and_names(texts: list[str]) -> None:
    found = whole(texts, 99)
    pairs = [np.mean([a == b for a, b in zip(*pair, strict=True)]) for pair in itertools.combinations(texts, 2)]
    assert found["agreement"] == pytest.approx(np.mean(pairs))
    swapped = whole([text.translate(str.maketrans("PF", "FP")) for text in reversed(texts)], 99)
    numbers = ["agreement", "kappa", "p_coin"]
    assert found[numbers].to_list() == pytest.approx(swapped[numbers].to_list(), nan_ok=True)


@given(st.lists(st.text("PF", min_size=2, max_size=2), min_size=2, max_size=3))
def test_the_p_value_of_coins_is_that_of_all_outcomes(texts: list[str]) -> None:
    def agreeing(outcome: tuple[str, ...]) -> int:
        return sum(a == b for pair in itertools.combinations(outcome, 2) for a, b in zip(*pair, strict=True))

    space = ["".join(letters) for letters in itertools.product("PF", repeat=2)]
    outcomes = [agreeing(outcome) for outcome in itertools.product(space, repeat=len(texts))]
    assert whole(texts, 9)["p_coin"] == pytest.approx(np.mean(np.array(outcomes) >= agreeing(tuple(texts))))


def test_the_two_kinds_of_chance_are_told_apart() -> None:
    all_fusion = whole(["FFFF-FFFF"] * 5)
    assert all_fusion["p_coin"] < 1e-6
    assert all_fusion["p_shuffled"] == 1.0, "where there is one module there is no place to agree on"
    assert pd.isna(all_fusion["kappa"])
    assert all_fusion["reason"] == "all seeds found one module everywhere: kappa is not defined"
    same_places = whole(["FFPP-FPFP"] * 5)
    assert (same_places["agreement"], same_places["kappa"]) == (1, 1)
    assert same_places["p_shuffled"] == 1 / 1000
    assert same_places["shuffled_low"] < same_places["shuffled_agreement"] < same_places["shuffled_high"] < 1


def test_columns_by_hand_and_by_scipy() -> None:
    table = column_agreement(study(["FP-F", "FP-P", "FP-F", "FF-P"]))
    assert list(table.columns) == COLUMN_AGREEMENT
    assert table[["cell", "column", "fusion", "module", "share"]].values.tolist() == [
        [1, 1, 4, "F", 1.0],
        [1, 2, 1, "P", 0.75],
        [2, 1, 2, "P or F", 0.5],
    ]
    assert table["p"].tolist() == pytest.approx([2 / 16, 10 / 16, 1.0])
    assert table["p_holm"].tolist() == pytest.approx([6 / 16, 1.0, 1.0])


def test_what_cannot_be_known_is_null_with_a_reason() -> None:
    one = whole(["FP-F", None])
    assert (one["seeds"], one["architectures"], one["reason"]) == (1, 1, "one seed agrees with itself")
    assert pd.isna(one[["agreement", "kappa", "p_coin", "p_shuffled"]]).all()
    column = column_agreement(study(["FP-F"]))
    assert column["p"].isna().all()
    assert set(column["reason"]) == {"one seed agrees with itself"}
    assert not len(seed_agreement(study([None]), np.random.default_rng(0)))
    assert not len(column_agreement(study([None])))
    with pytest.raises(ValueError, match="of different spaces"):
        whole(["FP-F", "FPF"])

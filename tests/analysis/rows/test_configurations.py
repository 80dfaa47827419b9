"""Configurations: their means over seeds, and what they are called."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.rows.configurations import (
    architecture_name,
    block,
    configuration_means,
    configuration_name,
    is_below_input,
    kind_name,
    over_seeds,
    rows_shown,
    seed_means,
    varied_axes,
)

ROWS = pd.DataFrame(
    [("b", 0, 30.0, 100, "F"), ("a", 0, 29.0, 200, "P"), ("b", 1, 32.0, 120, "P"), ("a", 1, None, 220, "P")],
    columns=["replicate_id", "seed", "psnr_db", "parameters", "architecture"],
).astype({"parameters": "Int64"})


def test_a_configuration_is_the_mean_over_its_seeds() -> None:
    means = configuration_means(ROWS, ["psnr_db", "parameters"])
    assert means.index.tolist() == ["b", "a"], "in the order of the rows"
    assert means["psnr_db"].tolist() == [31, 29], "a null is no figure"
    assert means[["psnr_db_min", "psnr_db_max"]].values.tolist() == [[30, 32], [29, 29]]
    assert means["parameters"].tolist() == [110, 210]
    assert means["seeds"].tolist() == [2, 2]
    assert means["architecture"].tolist() == ["F", "P"], "of the first row"


@given(st.permutations(range(4)))
def test_means_do_not_depend_on_the_order_of_rows_which_stay_as_they_are(order: list[int]) -> None:
    before = ROWS.copy()
    found = configuration_means(ROWS.iloc[order], ["psnr_db"])[["seeds", "psnr_db"]]
    pd.testing.assert_frame_equal(
        found.sort_index(), configuration_means(ROWS, ["psnr_db"])[["seeds", "psnr_db"]].sort_index()
    )
    pd.testing.assert_frame_equal(ROWS, before)


def test_any_column_makes_replicates_and_rows_without_one_are_left_out() -> None:
    rows = ROWS.assign(group=["x", "x", None, "x"])
    means = configuration_means(rows, ["parameters"], "group")
    assert means["parameters"].tolist() == [(150 + 220) / 2], "seed 0 has two rows, and counts once"
    assert means["seeds"].tolist() == [2]
    assert configuration_means(rows.drop(columns="seed"), ["parameters"], "group")["seeds"].tolist() == [3]


def test_a_seed_of_several_architectures_counts_as_their_mean() -> None:
    rows = pd.DataFrame({"replicate_id": "r", "seed": [0, 0, 1], "psnr_db": [28.0, 30.0, 33.0]})
    assert seed_means(rows, ["psnr_db"])["psnr_db"].to_dict() == {("r", 0): 29.0, ("r", 1): 33.0}
    found = over_seeds(seed_means(rows, ["psnr_db"])).loc["r", "psnr_db"]
    assert found[["mean", "min", "max", "count"]].tolist() == [31, 29, 33, 2]
    assert found["std"] == pytest.approx(np.std([29, 33], ddof=1))


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"kind": "searched", "lambda1": 0.1, "lambda2": 0.0, "cells": 2}, "the search at λ1 = 0.1, S = 2"),
        ({"kind": "searched", "lambda1": 0.1, "cells": None}, "the search at λ1 = 0.1"),
        ({"kind": "random", "architecture": "PF"}, "random PF"),
        ({"kind": "given", "architecture": "FF"}, "all fusion"),
    ],
)
def test_configurations_have_names(row: dict[str, Any], name: str) -> None:
    assert configuration_name(row, ["lambda1", "cells"]) == name
    assert configuration_name(row, ["lambda1", "cells"], short=True) == name.removeprefix("the search at ")


def test_axes_are_those_in_which_searches_differ() -> None:
    rows = pd.DataFrame({"kind": ["searched"] * 2 + ["random"], "a": [1, 2, 3], "b": [1, 1, 2], "seed": [0, 0, 1]})
    assert varied_axes(rows, ["a", "b", "c"]) == ["a"]
    assert block(rows) == "seed"
    assert block(rows[:2]) is None


def test_networks_have_one_name_wherever_they_are_shown() -> None:
    assert [architecture_name(text) for text in ("PPP-PP", "F", "FP")] == ["all parallel", "all fusion", "FP"]
    assert kind_name("given", ["PP", "FF"]) == "all fusion and all parallel"
    assert kind_name("given", ["PP", "FP"]) == "given architecture"
    assert kind_name("random", ["PP"]) == "random architecture"


def test_the_rows_that_are_shown_are_counted_with_their_trainings() -> None:
    rows = pd.DataFrame({"kind": ["searched", "searched", "given"], "train_key": ["a", "b", "a"]})
    assert rows_shown(rows) == "2 searched, 1 given rows; 2 distinct trainings"
    assert rows_shown(rows[:1]) == "1 searched row; 1 distinct training"


def test_a_network_is_below_its_input_where_both_are_known() -> None:
    rows = pd.DataFrame({"psnr_db": [15.0, 20.0, None, 15.0], "degraded_psnr_db": [18.0, 18.0, 18.0, None]})
    assert is_below_input(rows).tolist() == [True, False, False, False]
    assert not is_below_input(rows[["psnr_db"]]).any()

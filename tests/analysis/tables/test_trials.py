"""The table of trials: best first, methods without training among them."""

import pandas as pd

from analysis.rows.configurations import BELOW_INPUT
from analysis.tables.trials import TABLE, results_table

SHARED = {"task": "denoise", "test_set": "set12", "sigma": 30.0, "protocol": "clip8", "image_channels": 1}
SHARED |= {"grayscale": "pillow", "test_border": "crop64", "test_images": 2}
TRIALS = [("a", "searched", 29.0, 10, 1), ("b", "searched", 30.0, 20, 2), ("c", "random", 28.0, 20, 2)]
ROWS = pd.DataFrame(TRIALS, columns=["trial_id", "kind", "psnr_db", "parameters", "batch_size"]).assign(
    **SHARED, cells=1, seed=0, replicate_id=["x", "y", "z"], degraded_psnr_db=[20.0, 20.0, 28.5]
)


def test_trials_stand_by_psnr_with_their_place_on_the_front() -> None:
    table = results_table(ROWS)
    assert list(table.columns) == TABLE
    assert table["trial_id"].tolist() == ["b", "a", "c"]
    assert table["on_front"].tolist() == [True, True, False]
    assert table["doubts"].isna().tolist() == [True, True, False]
    assert table["doubts"].iloc[-1] == BELOW_INPUT


def test_seeds_of_a_configuration_on_the_front_are_all_marked() -> None:
    lucky = ROWS.assign(replicate_id=["a", "b", "b"], psnr_db=[29.0, 31.0, 26.0])
    table = results_table(lucky).set_index("trial_id")
    assert table["on_front"].to_dict() == {"a": True, "b": False, "c": False}, "the lucky seed alone is on no front"


def test_every_seed_of_a_configuration_on_the_front_is_marked_and_no_lucky_one_alone() -> None:
    rows = pd.concat([ROWS, ROWS.assign(trial_id=["d", "e", "f"], seed=1, psnr_db=[28.0, 31.0, 33.0])])
    assert rows.groupby("replicate_id")["psnr_db"].mean().to_dict() == {"x": 28.5, "y": 30.5, "z": 30.5}
    marked = results_table(rows.assign(parameters=[10, 20, 30] * 2)).set_index("trial_id")["on_front"]
    assert marked[marked].index.tolist() == ["e", "b", "a", "d"]


def test_axes_that_vary_have_columns_and_those_of_the_protocol_have_none() -> None:
    table = results_table(ROWS, axes=["sigma", "batch_size", "cells", "lambda1"])
    assert list(table.columns) == [TABLE[0], "batch_size", *TABLE[1:]]


def test_methods_without_training_stand_among_them() -> None:
    references = pd.DataFrame(
        [{**SHARED, "method": "input", "psnr_db": 28.5}, {**SHARED, "method": "x", "sigma": 50.0}]
    )
    table = results_table(ROWS, references)
    assert table["architecture"].tolist()[2] == "input"
    assert table["kind"].tolist() == ["searched", "searched", "reference", "random"]

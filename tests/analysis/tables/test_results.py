"""The front as a table: a configuration a row, and what of it a paper prints."""

import pandas as pd
import pytest

from analysis.rows.configurations import BELOW_INPUT
from analysis.tables.results import TABLE, configuration_table, front_table, results_table
from tests.analysis.report.test_conclusions import trial

MORE = {"validation_psnr_db": 20.0, "device": "one", "test_time_ms": 5.0, "ssim": 0.8, "psnr_patch_db": None}
MORE |= {"self_ensemble": 1, "train_device": "one", "lambda2": 0.0, "sigma": 30.0}
ROWS = pd.DataFrame(
    [
        trial("searched", 0, 29.0, 0.0, parameters=100, **MORE),
        trial("searched", 1, 31.0, 0.0, parameters=140, **MORE | {"validation_psnr_db": 21.0, "architecture": "FPFP"}),
        trial("searched", 0, 28.0, 0.1, parameters=200, **MORE),
        trial("random", 0, 27.0, parameters=50, **MORE),
    ]
)


def test_a_row_is_a_configuration_with_its_means_and_the_trial_that_validation_prefers() -> None:
    table = configuration_table(ROWS, ["lambda1"])
    first = table.iloc[0]
    assert (first["psnr_db"], first["parameters"], first["seeds"]) == (30, 120, 2)
    assert (first["psnr_db_min"], first["psnr_db_max"]) == (29, 31)
    assert (first["architecture"], first["trial_id"]) == ("FPFP, FFFF", "searched 0.0  1")
    assert len(table) == 3


def test_the_front_is_of_means_and_ordered() -> None:
    front = front_table(ROWS, ["lambda1"], ["parameters"], ["psnr_db"])
    assert front["parameters"].tolist() == [50, 120]
    assert front_table(ROWS, [], [], ["parameters"])["parameters"].tolist() == [200]


def test_a_front_of_times_that_nobody_took_is_empty() -> None:
    untimed = ROWS.assign(test_time_ms=None)
    assert len(front_table(untimed, ["lambda1"], ["test_time_ms"], ["psnr_db"])) == 0
    assert len(configuration_table(ROWS[:0], ["lambda1"])) == 0


def test_a_paper_gets_the_few_columns_in_which_rows_differ_and_pandas_all_that_are_asked_for() -> None:
    front = front_table(ROWS, ["lambda1"], ["parameters"], ["psnr_db"])
    text = front.to_latex()
    heads = (
        r"kind & $\lambda_1$ & $\lambda_2$ & architecture & seeds & parameters (k) & PSNR (dB) & SSIM & time (ms) \\"
    )
    assert heads.replace(r" & $\lambda_2$", "") in text, "λ2 is the same everywhere"
    assert r"searched & 0 & FPFP, FFFF & 2 & 0.12 & 30.00 (29.00, 31.00) & 0.8000 & 5.0 \\" in text
    assert r"\caption{The Pareto front of parameters and psnr\_db: means over seeds. embedded test" in text
    assert "trial_id" in front.to_latex(index=False, escape=False)
    assert front[["psnr_db", "seeds"]].to_latex().count(" & ") == 3


def test_times_of_several_devices_are_not_put_on_one_axis() -> None:
    mixed = pd.concat([ROWS, ROWS.tail(1).assign(device="two", replicate_id="other", trial_id="other")])
    assert "test_time_ms" not in front_table(mixed, ["lambda1"], ["parameters"], ["psnr_db"])
    with pytest.raises(ValueError, match="times were taken on one, two and do not compare"):
        front_table(mixed, ["lambda1"], ["test_time_ms"], ["psnr_db"])


def test_a_mistyped_column_is_named_with_the_nearest() -> None:
    with pytest.raises(KeyError, match="did you mean parameters"):
        front_table(ROWS, [], ["params"], ["psnr_db"])


SHARED = {"task": "denoise", "test_set": "set12", "sigma": 30.0, "protocol": "clip8", "image_channels": 1}
SHARED |= {"grayscale": "pillow", "test_border": "crop64", "test_images": 2}
TRIALS = [("a", "searched", 29.0, 10, 1), ("b", "searched", 30.0, 20, 2), ("c", "random", 28.0, 20, 2)]
OF_TRIALS = pd.DataFrame(TRIALS, columns=["trial_id", "kind", "psnr_db", "parameters", "batch_size"]).assign(
    **SHARED, cells=1, seed=0, replicate_id=["x", "y", "z"], degraded_psnr_db=[20.0, 20.0, 28.5]
)


def test_trials_stand_by_psnr_with_their_place_on_the_front() -> None:
    table = results_table(OF_TRIALS)
    assert list(table.columns) == TABLE
    assert table["trial_id"].tolist() == ["b", "a", "c"]
    assert table["on_front"].tolist() == [True, True, False]
    assert table["doubts"].isna().tolist() == [True, True, False]
    assert table["doubts"].iloc[-1] == BELOW_INPUT


def test_seeds_of_a_configuration_on_the_front_are_all_marked() -> None:
    lucky = OF_TRIALS.assign(replicate_id=["a", "b", "b"], psnr_db=[29.0, 31.0, 26.0])
    table = results_table(lucky).set_index("trial_id")
    assert table["on_front"].to_dict() == {"a": True, "b": False, "c": False}, "the lucky seed alone is on no front"


def test_every_seed_of_a_configuration_on_the_front_is_marked_and_no_lucky_one_alone() -> None:
    rows = pd.concat([OF_TRIALS, OF_TRIALS.assign(trial_id=["d", "e", "f"], seed=1, psnr_db=[28.0, 31.0, 33.0])])
    assert rows.groupby("replicate_id")["psnr_db"].mean().to_dict() == {"x": 28.5, "y": 30.5, "z": 30.5}
    marked = results_table(rows.assign(parameters=[10, 20, 30] * 2)).set_index("trial_id")["on_front"]
    assert marked[marked].index.tolist() == ["e", "b", "a", "d"]


def test_axes_that_vary_have_columns_and_those_of_the_protocol_have_none() -> None:
    table = results_table(OF_TRIALS, axes=["sigma", "batch_size", "cells", "lambda1"])
    assert list(table.columns) == [TABLE[0], "batch_size", *TABLE[1:]]


def test_methods_without_training_stand_among_them() -> None:
    references = pd.DataFrame(
        [{**SHARED, "method": "input", "psnr_db": 28.5}, {**SHARED, "method": "x", "sigma": 50.0}]
    )
    table = results_table(OF_TRIALS, references)
    assert table["architecture"].tolist()[2] == "input"
    assert table["kind"].tolist() == ["searched", "searched", "reference", "random"]

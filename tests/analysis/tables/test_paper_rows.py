"""What the rows of the paper's tables are made of: configurations, their baselines, means with intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.rows.configurations import seed_means
from analysis.tables.paper_rows import with_configurations, with_intervals


def rows(*made: tuple[str, float | None, float | None, str]) -> pd.DataFrame:
    return pd.DataFrame(made, columns=["kind", "lambda1", "lambda2", "architecture"])


def test_configurations_have_a_name_and_the_baseline_without_pressure() -> None:
    searched = [("searched", 0.0, 0.0, "F"), ("searched", 0.1, 0.0, "P")]
    table = with_configurations(rows(*searched, ("random", None, None, "FP"), ("given", None, None, "PP-P")))
    assert table["method"].tolist() == ["λ1 = 0, λ2 = 0", "λ1 = 0.1, λ2 = 0", "random architecture", "all parallel"]
    assert table["baseline"].tolist() == [table["configuration"].iloc[0]] * 4
    alone = with_configurations(rows(*searched[1:], ("random", None, None, "FP"), ("random", None, None, "FF")))
    assert alone["configuration"].nunique() == 2, "random architectures are one"
    assert alone["method"].iloc[-1] == "random, 2 architectures"
    assert not alone["baseline"].isin(alone["configuration"]).any(), "λ1 = λ2 = 0 did not run"


def test_searches_that_differ_in_more_than_λ_have_baselines_of_their_own() -> None:
    made = rows(*[("searched", lambda1, 0.0, "F") for lambda1 in (0.0, 0.1)] * 2, ("random", None, None, "F"))
    table = with_configurations(made.assign(complexity=["flops"] * 2 + ["authors"] * 2 + [None]))
    assert table["method"].iloc[1] == "λ1 = 0.1, λ2 = 0, complexity = flops"
    assert table["baseline"][:4].tolist() == [table["configuration"].iloc[n] for n in (0, 0, 2, 2)]
    assert table["baseline"].isna().tolist() == [False] * 4 + [True], "of two, none is the baseline of the others"


def test_intervals_are_student_s_over_seeds() -> None:
    generator = np.random.default_rng(0)
    figures = generator.normal(28, 1, 5)
    frame = pd.DataFrame({"replicate_id": "a", "seed": range(5), "psnr_db": figures, "parameters": 0.1})
    frame = pd.concat([frame, frame[:1].assign(replicate_id="b")])
    table = with_intervals(seed_means(frame, ["psnr_db", "parameters"]))
    low, high = stats.t.interval(0.95, 4, figures.mean(), stats.sem(figures))
    assert table.loc["a", ["psnr_db", "psnr_db_low", "psnr_db_high"]].tolist() == pytest.approx(
        [figures.mean(), low, high]
    )
    assert table.loc["a", ["parameters", "parameters_low", "parameters_high"]].tolist() == [0.1] * 3, "equal to the bit"
    assert table.loc["b", ["psnr_db_low", "parameters_high"]].isna().all()
    assert table["seeds"].to_dict() == {"a": 5, "b": 1}


def test_no_interval_leaves_the_possible_and_two_values_have_none() -> None:
    made = {"replicate_id": [*"aaabb"], "seed": [0, 1, 2, 0, 1], "ssim": [0.99, 0.97, 0.9, 0.8, 0.9]}
    frame = pd.DataFrame({**made, "parameters": [1e5, 9e5, 1e4, 1e5, 2e5], "test_time_ms": [1.0, 30.0, 2.0, 1.0, 2.0]})
    table = with_intervals(seed_means(frame, ["ssim", "parameters", "test_time_ms"]))
    assert table.loc["a", ["ssim_high", "parameters_low", "test_time_ms_low"]].tolist() == [1, 0, 0]
    assert table.loc["b"].filter(regex="_(low|high)").isna().all()
    assert table.loc["b", ["ssim_min", "ssim_max"]].tolist() == [0.8, 0.9]

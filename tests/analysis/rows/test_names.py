"""Mistyped names are answered with the nearest right one."""

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.rows.names import nearest, require

FRAME = pd.DataFrame(columns=["lambda1", "lambda2", "parameters", "psnr_db", "seed"])


@pytest.mark.parametrize(
    ("wrong", "right"), [("lamda1", "lambda1"), ("params", "parameters"), ("PSNR_dB", "psnr_db"), ("zzz", None)]
)
def test_the_nearest_name_is_named(wrong: str, right: str | None) -> None:
    assert nearest(wrong, FRAME.columns) == (f" (did you mean {right}?)" if right else "")


def test_every_column_that_is_lacking_is_named() -> None:
    require(FRAME, "lambda1", "seed")
    with pytest.raises(KeyError, match=r"no column lamda1 \(did you mean lambda1\?\), zzz among the 5 columns"):
        require(FRAME, "lamda1", "seed", "zzz")


def test_questions_about_a_mistyped_axis_have_one_clear_answer() -> None:
    asked = [
        lambda: analysis.paired_difference(FRAME, "lamda1", 0, 1),
        lambda: analysis.comparisons(FRAME, "lamda1", np.random.default_rng(0)),
        lambda: analysis.effects(FRAME, ["lamda1"]),
        lambda: analysis.pareto_front(FRAME, minimise=["lamda1"], maximise=["psnr_db"]),
        lambda: analysis.attainment(FRAME, minimise=["lamda1"], maximise=["psnr_db"]),
    ]
    for ask in asked:
        with pytest.raises(KeyError, match=r"lamda1 \(did you mean lambda1\?\)"):
            ask()

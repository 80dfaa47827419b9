"""Numbers in texts."""

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.rows.units import counted, duration, mark, nearest, percent, require, short_text, with_minus


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2.0 min"), (7199, "120.0 min"), (7200, "2.0 h"), (172800, "2.0 d")],
)
def test_a_duration_has_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (3, "3"), (100_000.0, "100000"), (True, "True"), ("x", "x"), (None, "none"), (pd.NA, "none")],
)
def test_a_value_is_as_short_as_it_can_be(value: object, text: str) -> None:
    assert short_text(value) == text


def test_shares_counts_and_fields() -> None:
    assert percent(0.123) == "12 %"
    assert [counted(n, "seed") for n in (0, 1, 2.0)] == ["0 seeds", "1 seed", "2 seeds"]
    assert (mark("lambda1"), mark("channels")) == ("λ1", "channels")


@pytest.mark.parametrize(
    ("text", "with_signs"),
    [("-3.12 dB", "−3.12 dB"), ("-.5 to -.1", "−.5 to −.1"), ("2-3 of 1e-3, PP-FF", "2-3 of 1e-3, PP-FF")],
)
def test_a_minus_is_a_minus_and_a_hyphen_a_hyphen(text: str, with_signs: str) -> None:
    assert with_minus(text) == with_signs


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

"""Tables as text and as files: what is shown follows from the numbers, and nothing of them is lost."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from latex import check_latex

from analysis.tables.typesetting import Column, Table, cell, escaped, interval_text, named_columns

TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" \\&%$#_{}~^<>|[]*λσ±×-1"), max_size=12)
FIGURES = st.none() | st.floats(-1e6, 1e6)


@given(st.floats(-1000, 1000), st.floats(0, 1000), st.floats(0, 1000), st.integers(0, 4))
def test_a_printed_interval_contains_the_interval(mean: float, below: float, above: float, digits: int) -> None:
    low, high = mean - below, mean + above
    text = interval_text(mean, low, high, digits)
    if "±" not in text:
        assert max(high - mean, mean - low) == 0
        return
    shown, half = text.split(" ± ")
    decimals = len(shown.partition(".")[2])
    assert decimals == len(half.partition(".")[2]) <= digits
    assert float(shown) - float(half) <= low + 1e-9
    assert float(shown) + float(half) >= high - 1e-9
    assert float(half) <= max(below, above) + 1.5 * 10**-decimals + 1e-9, "no wider than rounding makes it"
    assert decimals == 0 or len(half.replace(".", "").lstrip("0")) <= 3, (
        "two significant digits; 0.099 rounds up to 0.10"
    )


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ((28.512, 28.481, 28.543), "28.51 ± 0.04"),
        ((24.77, 17.53, 32.01), "24.8 ± 7.3"),
        ((25.0, -131.8, 181.8), "25 ± 157"),
        ((28.5, 28.5, 28.5), "28.50"),
        ((28.512, np.nan, np.nan), "28.51"),
        ((np.inf, np.nan, np.nan), "inf"),
        ((-0.001, np.nan, np.nan), "0.00"),
    ],
)
def test_intervals_by_hand(figures: tuple[float, float, float], text: str) -> None:
    assert interval_text(*figures, 2) == text


def test_a_cell_says_its_seeds_and_its_sign() -> None:
    row = {"psnr_db": 0.5, "psnr_db_low": None, "psnr_db_high": pd.NA, "seeds": 1, "parameters": 7_417_216}
    assert cell(row, Column("psnr_db", "", 2, signed=True, seeds="seeds")) == "+0.50 (1 seed)"
    assert cell({**row, "seeds": 3}, Column("psnr_db", "", 2, seeds="seeds")) == "0.50 (3 seeds)"
    assert cell({**row, "seeds": pd.NA}, Column("psnr_db", "", 2, seeds="seeds")) == "0.50"
    assert cell(row, Column("parameters", "", 2, scale=1e-6)) == "7.42"
    two = {"x": 2.0e6, "x_low": None, "x_high": None, "x_min": 1.0e6, "x_max": 3.0e6}
    assert cell(two, Column("x", "", 1, scale=1e-6)) == "2.0 (1.0, 3.0)"
    cut = {"x": 1.0e6, "x_low": 0.0, "x_high": 3.0e6, "x_min": 0.2e6, "x_max": 2e6}
    assert cell(cut, Column("x", "", 1, scale=1e-6)) == "1.0 (0.0 to 3.0)", "± 2 would hold less than nothing"


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA, pd.NaT])
def test_what_was_not_measured_is_blank(nothing: object) -> None:
    frame = pd.DataFrame({"method": ["a"], "psnr_db": pd.Series([nothing], dtype=object)})
    assert Table("", "", frame, named_columns(frame.columns)).markdown().splitlines()[-1] == "| a |  |"
    assert cell({"x": nothing}, Column("x", "", 2)) == ""
    shown = Column("method", "m"), Column("psnr_db", "p", 2)
    assert Table("t", "", frame, shown).files()["csv"].splitlines()[1] == b"a,"


@given(TEXTS, st.lists(st.tuples(TEXTS, FIGURES, TEXTS), min_size=1, max_size=4))
def test_any_text_makes_a_sound_table(text: str, rows: list[tuple[str, float | None, str]]) -> None:
    frame = pd.DataFrame(rows, columns=["method", "figure", "section"]).astype({"figure": float})
    frame["doubts"] = "doubt & 50 %"
    table = Table("t", text, frame, (Column("method", text), Column("figure", "f", 2)), ("doubt & 50 %",))
    check_latex(table.latex(), 2)
    lines = [line for line in table.markdown().splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in lines} == {3}


def test_greek_letters_and_signs_are_latex() -> None:
    assert escaped("λ1 = 0.1, λ2 = 0, σ = 30") == r"$\lambda_1$ = 0.1, $\lambda_2$ = 0, $\sigma$ = 30"
    assert escaped("-0.03 ± 0.05") == r"$-$0.03 $\pm$ 0.05"
    assert escaped("4-4-4, 2026-11-23, FP-FF") == "4-4-4, 2026-11-23, FP-FF"
    assert escaped(r"a_b & 50% \x [1] λ12") == r"a\_b \& 50\% \textbackslash{}x {[}1] $\lambda$12"


def test_files_hold_the_frame_as_it_is(tmp_path: Path) -> None:
    frame = pd.DataFrame({"method": ['a, "b"', "c\nd", None], "psnr_db": [1 / 3, np.nan, 28.5]})
    frame["seeds"] = pd.array([3, None, 1], "Int64")
    table = Table("t", "σ = 30", frame, (Column("method", "method"), Column("psnr_db", "PSNR", 2)), ("a note",))
    assert table.save(tmp_path / "deep/er") == [f"t.{ending}" for ending in ("csv", "md", "tex", "parquet")]
    found = tmp_path / "deep/er/t.parquet"
    pd.testing.assert_frame_equal(pd.read_parquet(found), frame)
    text = (tmp_path / "deep/er/t.csv").read_text()
    again = pd.read_csv(io.StringIO(text), dtype=dict(frame.dtypes))
    pd.testing.assert_frame_equal(again, frame)
    about = pq.read_schema(found).metadata
    assert json.loads(about[b"caption"]) == "σ = 30"
    assert json.loads(about[b"columns"])[1]["heading"] == "PSNR"
    assert (tmp_path / "deep/er/t.md").read_text() == table.markdown()


def test_sections_and_notes() -> None:
    lines = [("ours", None, None), ("theirs", "published", "One. Two."), ("others", "published", "Two.")]
    frame = pd.DataFrame(lines, columns=["method", "section", "doubts"])
    table = Table("t", "", frame, (Column("method", "method"),), ("One.", "Two."))
    shown = "| method |\n| --- |\n| ours |\n| *published* |\n| theirs [1, 2] |\n| others [2] |"
    assert table.markdown().split("\n\n") == [shown, "[1] One.", "[2] Two.\n"]
    lines = table.latex().splitlines()
    at = lines.index(r"\multicolumn{1}{l}{\emph{published}} \\")
    assert lines[at - 1] == r"\midrule"
    assert lines[at + 1 : at + 3] == [r"theirs\textsuperscript{1,2} \\", r"others\textsuperscript{2} \\"]

"""The pages of docs/findings/ say what the rows in examples/ say."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from running import ROOT

import analysis
from docs.generate.examples import copy_study
from docs.generate.findings import FOLDER, PageError, executed, rebuilt

KEPT = ("load", "load_curves", "load_references", "load_oneshot")
"""What reads what the examples hold."""
LARGEST = 15_000_000
"""Bytes of all examples."""


def test_every_page_and_figure_is_what_the_rows_give(tmp_path: Path) -> None:
    shutil.copytree(ROOT / FOLDER, tmp_path / FOLDER)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    figures = {path.name: path.read_bytes() for path in (ROOT / FOLDER).iterdir() if path.suffix != ".md"}
    for page, text in rebuilt(tmp_path):
        assert text == (ROOT / page).read_text(), f"{page}: run `make findings`"
    assert {name: (tmp_path / FOLDER / name).read_bytes() for name in figures} == figures


def test_a_page_shows_what_its_blocks_print_and_names_a_block_that_fails() -> None:
    page = "One.\n\n```python\nx = 2\n```\n\n```python\nprint(x + 1)\n```\n\n```text\nold\n```\n\nTwo.\n"
    assert executed(page, "page.md") == page.replace("old", "3")
    assert executed(executed(page, "page.md"), "page.md") == page.replace("old", "3")
    with pytest.raises(PageError, match=r"page\.md: y: NameError"):
        executed("```python\ny\n```\n", "page.md")


def test_a_copied_study_says_what_it_said_in_less_space(study_storage: Path, tmp_path: Path) -> None:
    study, copied = study_storage / "studies" / "lambda_pareto", tmp_path / "studies" / "lambda_pareto"
    copy_study(study, copied)
    for name in KEPT:
        before, after = (getattr(analysis, name)(storage, "lambda_pareto") for storage in (study_storage, tmp_path))
        pd.testing.assert_frame_equal(before, after, check_exact=True)
    assert analysis.Results(tmp_path, "lambda_pareto").about == analysis.Results(study_storage, "lambda_pareto").about
    sizes = [sum(file.stat().st_size for file in (folder / "trials").iterdir()) for folder in (study, copied)]
    assert sizes[1] < 0.7 * sizes[0]
    assert {path.name for path in copied.iterdir()} == {"trials", "curves", "references", "study.json"}


def test_the_examples_are_small_and_hold_rows_alone() -> None:
    files = [path for path in (ROOT / "examples").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST
    assert {path.suffix for path in files} <= {".parquet", ".json", ".md", ".safetensors"}

"""The pages of docs/findings/ say what the rows in examples/ say."""

import shutil
from pathlib import Path

import pytest
from running import ROOT

from docs.generate.findings import FOLDER, PageError, executed, rebuilt

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


def test_the_examples_are_small_and_hold_rows_alone() -> None:
    files = [path for path in (ROOT / "examples").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST
    assert {path.suffix for path in files} <= {".parquet", ".json", ".md", ".safetensors"}

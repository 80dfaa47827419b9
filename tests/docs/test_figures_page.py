"""The example of docs/figures.md runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "figures.md"


def test_the_page_draws_every_figure_of_a_study(
    study_storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").symlink_to(study_storage)
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(compile(example, "docs/figures.md", "exec"), {})
    names = ["against_random", "architecture", "attainment", "differences", "effects", "panel", "probability"]
    assert sorted(file.stem for file in tmp_path.glob("*.pdf")) == names


def test_the_page_names_functions_that_there_are() -> None:
    for module, name in re.findall(r"`(analysis(?:\.\w+)*)\.(\w+)`", PAGE.read_text()):
        assert hasattr(__import__(module, fromlist=[name]), name), f"{module}.{name}"

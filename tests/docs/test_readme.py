"""The README: short enough to be read, its commands are what they say, and it names every study."""

import re
import tomllib
from pathlib import Path

from running import ROOT

README = (ROOT / "README.md").read_text()
LINES, COLUMNS = 110, 100


def test_it_is_short_and_narrow() -> None:
    lines = README.splitlines()
    commands = [line for line in lines if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert len(lines) <= LINES
    assert [line for line in lines if len(line) > COLUMNS and line not in commands] == []


def test_ci_runs_its_test_command() -> None:
    lines = [line for line in README.splitlines() if line.endswith("python -m pytest")]
    assert len(lines) == 1
    assert "grep -m1 'python -m pytest$' README.md" in (ROOT / ".ci/run").read_text()


def test_its_table_names_every_study() -> None:
    rows = re.findall(r"^\| (`.*?) \|", README, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    files = {path.stem for path in (ROOT / "studies").glob("*.py") if "STUDY = " in path.read_text()}
    assert sorted(named) == sorted(files)


def test_every_dependency_is_pinned_in_the_constraints() -> None:
    text = Path(ROOT / "constraints.txt").read_text()
    pinned = {line.split("==")[0].lower() for line in text.splitlines() if "==" in line}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [name for extra in project["optional-dependencies"].values() for name in extra]
    names = {re.split(r"[\[<>=~ ]", requirement)[0].lower() for requirement in [*project["dependencies"], *extras]}
    assert names - pinned <= {"clearer-studies"}

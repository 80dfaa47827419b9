"""The README: its links lead somewhere, its commands are what they say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from running import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    local = [link for link in links if "://" not in link]
    assert all((page.parent / link).exists() for link in local), local


def test_the_files_and_flags_that_are_named_exist() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    for name in set(re.findall(r"`((?:clearer|studies|analysis|tests|docs)/[\w./]*)`", text)):
        assert (ROOT / name).exists(), name
    folders = ("studies", "clearer", "analysis", "benchmarks", "cluster")
    help_source = "".join(path.read_text() for folder in folders for path in sorted((ROOT / folder).glob("*.py")))
    for flag in set(re.findall(r"(--[a-z][a-z-]+)", text)) - {
        "--head",
        "--block",
        "--signal",
        "--backend-store-uri",
        "--help",
    }:
        assert f'"{flag}"' in help_source, flag


def test_ci_runs_the_readme_s_test_command() -> None:
    lines = [line for line in PAGES[0].read_text().splitlines() if line.endswith("python -m pytest")]
    assert len(lines) == 1
    assert "grep -m1 'python -m pytest$' README.md" in (ROOT / ".ci/run").read_text()


def test_every_dependency_is_pinned_in_the_constraints() -> None:
    pinned = {
        line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {re.split(r"[\[<>=~ ]", requirement)[0].lower() for requirement in wanted}
    assert names - pinned <= {"clearer-studies"}

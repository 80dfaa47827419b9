"""Links lead somewhere, and what the pages name is there: files, modules, functions; and how the pages are written."""

import importlib
import re
from pathlib import Path

import pytest
from running import ROOT

from tests.docs.pages import PAGES, WRITTEN, anchors, named, prose, spans

COLUMNS = 100
_FOLDERS = ("analysis", "benchmarks", "clearer", "cluster", "docs", "studies", "tests")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_file_that_is_named_exists(page: Path) -> None:
    names = {span for span in spans(page) if re.match(rf"({'|'.join(_FOLDERS)})/[\w./*]*$", span)}
    assert [name for name in sorted(names) if not any(ROOT.glob(name.rstrip("/")))] == []


def test_every_module_that_the_readme_names_by_the_end_of_its_path_exists() -> None:
    names = {span for span in spans(ROOT / "README.md") if re.match(r"[\w/]+\.py$", span)}
    found = {name for name in names if any(any(ROOT.glob(f"{folder}/**/{name}")) for folder in _FOLDERS)}
    assert names == found != set()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_function_and_module_that_is_named_exists(page: Path) -> None:
    names = {re.match(r"(analysis|clearer|studies)(\.\w+)+", span) for span in spans(page)}
    assert [found[0] for found in names if found and not is_there(found[0])] == []


def is_there(name: str) -> bool:
    """Whether a dotted name is a module or something in one."""
    module, _, rest = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ImportError:
        return bool(module) and hasattr(importlib.import_module(module), rest)
    return True


def test_the_map_names_every_page() -> None:
    text = (ROOT / "docs" / "README.md").read_text()
    linked = {(ROOT / "docs" / link).resolve() for link in re.findall(r"\]\(([^)#\s]+)", text)}
    assert [named(page) for page in PAGES if page.parent.parent.name == "docs" and page.resolve() not in linked] == []


@pytest.mark.parametrize("page", WRITTEN, ids=named)
def test_prose_is_narrow_and_has_no_dash_between_clauses(page: Path) -> None:
    text = prose(page)
    assert [line for line in text.splitlines() if len(line) > COLUMNS and line[:1] not in "|!["] == []
    assert not re.search(r"\w ?— ?\w", text)

"""The pages of docs/reference/ say what the code says."""

from __future__ import annotations

from types import ModuleType

import pytest
from running import ROOT

import analysis
import studies
from studies.store.rows import ROW
from tests.docs.pages import generator


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The generator of the pages."""
    return generator()


def test_the_pages_are_what_the_generator_writes(generate: ModuleType) -> None:
    written = {path.name: path.read_text() for path in (ROOT / "docs" / "reference").glob("*.md")}
    made = generate.pages()
    assert written.keys() == made.keys()
    for name, text in made.items():
        assert written[name] == text, f"docs/reference/{name}: run `python docs/generate.py`"


def test_every_column_field_flag_and_export_has_an_entry(generate: ModuleType) -> None:
    pages = generate.pages()
    assert all(f"`{name}`" in pages["columns.md"] for name in ROW.names)
    assert all(f"| `{name}` |" in pages["configuration.md"] for name in generate.field_types())
    assert all(f"### analysis.{name}\n" in pages["python.md"] for name in analysis.__all__)
    assert all(f"### studies.{name}\n" in pages["python.md"] for name in studies.__all__)
    assert all(f"### {name}\n" in pages["command_line.md"] for name in generate.STUDIES)
    for program, commands in (("studies", "gc sync retime preflight"), ("clearer", "describe data restore export")):
        for command in commands.split():
            assert f"### python -m {program} {command}\n" in pages["command_line.md"]


def test_the_list_of_studies_is_that_of_the_folder(generate: ModuleType) -> None:
    files = {path.stem for path in (ROOT / "studies").glob("*.py") if "STUDY = " in path.read_text()}
    assert files == set(generate.STUDIES)


def test_a_column_without_a_meaning_and_a_meaning_without_a_column_are_named(generate: ModuleType) -> None:
    with pytest.raises(generate.PageError, match=r"without a meaning: \['b'\]; meanings without a column: \['c'\]"):
        generate.check_meanings(["a", "b"], {"a": "one", "c": "three"})


def test_a_signature_stands_as_the_code_writes_it(generate: ModuleType) -> None:
    def example(a: int, *, b: str = "x", **more: float) -> bool:
        raise NotImplementedError

    assert generate.signature("example", example) == 'example(a: int, *, b: str = "x", **more: float) -> bool'

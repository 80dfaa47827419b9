"""The pages of docs/reference/ say what the code says."""

import pytest
from running import ROOT

import analysis
import studies
from clearer.configuration import field_types
from docs.generate.__main__ import FOLDER, pages
from docs.generate.api import signature
from docs.generate.columns import MeaningError, check_meanings
from docs.generate.parsers import STUDIES
from studies.store.rows import CURVE, ROW


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """The pages as the code gives them now."""
    return pages()


def test_the_pages_are_what_the_code_gives(made: dict[str, str]) -> None:
    written = {path.name: path.read_text() for path in FOLDER.glob("*.md")}
    assert written.keys() == made.keys()
    for name, text in made.items():
        assert written[name] == text, f"docs/reference/{name}: run `python -m docs.generate`"


def test_every_column_field_command_and_export_has_an_entry(made: dict[str, str]) -> None:
    assert all(f"`{name}`" in made["columns.md"] for name in (*ROW.names, *CURVE.names))
    assert all(f"| `{name}` |" in made["configuration.md"] for name in field_types())
    assert all(f"### analysis.{name}\n" in made["python.md"] for name in analysis.__all__)
    assert all(f"### studies.{name}\n" in made["python.md"] for name in studies.__all__)
    assert all(f"### {name}\n" in made["command_line.md"] for name in STUDIES)
    for program, commands in (("studies", "gc sync retime preflight"), ("clearer", "describe data restore export")):
        for command in commands.split():
            assert f"### python -m {program} {command}\n" in made["command_line.md"]


def test_the_list_of_studies_is_that_of_the_folder() -> None:
    files = {path.stem for path in (ROOT / "studies").glob("*.py") if "STUDY = " in path.read_text()}
    assert files == set(STUDIES)


def test_a_column_without_a_meaning_and_a_meaning_without_a_column_are_named() -> None:
    with pytest.raises(MeaningError, match=r"without a meaning: \['b'\]; meanings without a column: \['c'\]"):
        check_meanings(["a", "b"], {"a": "one", "c": "three"})


def test_a_signature_stands_as_the_code_writes_it() -> None:
    def example(a: int, *, b: str = "x", **more: float) -> bool:
        raise NotImplementedError

    assert signature("example", example) == 'example(a: int, *, b: str = "x", **more: float) -> bool'

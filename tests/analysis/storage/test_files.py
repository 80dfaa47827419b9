"""Files below a storage: whole or not at all, in a folder and on S3."""

from pathlib import Path

import pytest

from analysis.storage.files import Files
from analysis.storage.places import StorageError
from studies.store.store import Store


def test_files_are_written_read_listed_and_removed(store: Store) -> None:
    files = Files(store.storage)
    assert files.read("a/b") is None
    assert files.names("a") == files.files("a") == []
    files.write("a/b.txt", b"one")
    files.write("a/b.txt", b"two", is_durable=False)
    files.write("a/c/d.csv", b"")
    assert files.read("a/b.txt") == b"two"
    assert files.names("a", r".*\.txt") == ["b.txt"]
    assert files.files("a") == ["b.txt", "c/d.csv"]
    files.remove("a/b.txt")
    files.remove("a/b.txt")
    assert files.files("a") == ["c/d.csv"]


def test_what_a_writer_has_not_finished_does_not_show(tmp_path: Path) -> None:
    (tmp_path / "a.txt.0.partial").write_text("half")
    files = Files(tmp_path)
    assert files.names("") == files.files("") == []


def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="a"):
        Files(tmp_path).write("a", b"a file in the place of a folder")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_only_folders_with_the_form_of_a_study_s_name_are_studies(store: Store) -> None:
    for name in ("lambda_pareto", "my-study.2", ".hidden", "lambda_pareto (1)", "__MACOSX", "old~", "@eaDir"):
        store.write(f"studies/{name}/study.json", b"{}")
    for name in (".DS_Store", "._lambda_pareto", "Thumbs.db", "desktop.ini", "notes"):
        store.write(f"studies/{name}", b"")
    assert store.studies() == ["lambda_pareto", "my-study.2"]


@pytest.mark.parametrize("data", [b"", b'{"a": ', b"[1]", b"\xff"])
def test_json_that_is_damaged_is_named_in_one_line(data: bytes, tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.write("a/b.json", data)
    with pytest.raises(
        StorageError, match=r"^[^\n]*: a/b\.json is damaged \([^\n]*\): bring it back, or remove it[^\n]*$"
    ):
        files.json("a/b.json")
    assert files.json("a/c.json") is None


def test_json_of_a_newer_format_is_refused_in_one_line(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.write("a/b.json", b'{"format": 99}')
    with pytest.raises(StorageError, match=r"^[^\n]*: a/b\.json has format 99, this version knows 1; install[^\n]*$"):
        files.json("a/b.json")

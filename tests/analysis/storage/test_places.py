"""Where results lie: paths below a root, and messages without secrets."""

from pathlib import Path

import pytest

from analysis.storage.places import StorageError, absolute_folder, cause, join, open_storage, redacted


def test_a_folder_is_absolute_and_what_is_no_place_is_named_without_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_storage("runs")[1] == str(tmp_path / "runs")
    with pytest.raises(StorageError, match=r"^storage nosuch://\*\*\*@host/x: "):
        open_storage("nosuch://me:secret@host/x")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://key:se/cret@bucket/x", "s3://***@bucket/x"),
        ("s3://bucket?secret_key=abc&scheme=http", "s3://bucket?secret_key=***&scheme=http"),
        ("/home/user@host/runs", "/home/user@host/runs"),
    ],
)
def test_secrets_do_not_show(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_paths_are_joined_with_one_slash_and_empty_parts_are_none() -> None:
    assert join("/root/", "studies", "", "a.json") == "/root/studies/a.json"
    assert join("", "a") == "a"


def test_a_folder_that_can_not_be_named_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match=r"^--storage ~nobody-of-that-name: no such user; put \./ before"):
        open_storage("~nobody-of-that-name")
    assert absolute_folder("./~nobody-of-that-name") == str(tmp_path / "~nobody-of-that-name")
    with pytest.raises(StorageError, match=r"^--data a\udcff: not UTF-8"):
        absolute_folder("a\udcff", "--data")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimeoutError(), "TimeoutError"),
        (OSError("\n"), "OSError"),
        (OSError("disk full\nDetail: none"), "disk full"),
        (
            RuntimeError("Traceback (most recent call last):\n  File x\nValueError: s3://u:p@h/b"),
            "ValueError: s3://***@h/b",
        ),
    ],
)
def test_an_error_is_said_in_a_line_also_where_it_has_no_text(error: Exception, said: str) -> None:
    assert cause(error) == said

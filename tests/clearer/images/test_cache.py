import os
import threading
import time

import pytest

from clearer.images import cache


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CLEARER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_is_kept_is_found_again(folder):
    assert cache.kept("kind", "name") == b""
    cache.keep("kind", "name", b"content")
    assert cache.kept("kind", "name") == b"content"
    assert [p.name for p in (folder / "kind").iterdir()] == ["name"]


def test_one_process_after_another(folder):
    order = []

    def enter():
        with cache.alone("kind", "name"):
            order.append("in")
            time.sleep(0.05)
            order.append("out")

    threads = [threading.Thread(target=enter) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order == ["in", "out"] * 3


def test_what_is_not_finished_is_not_there(folder):
    def stopped():
        with cache.written_whole(cache.cache_folder("kind") / "name") as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stopped()
    assert list((folder / "kind").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_done_without(folder):
    folder.write_text("not a folder")
    cache.keep("kind", "name", b"content")
    assert cache.kept("kind", "name") == b""


def test_the_default_folder_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.delenv("CLEARER_CACHE")
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    assert cache.cache_folder("kind") == tmp_path / f"clearer-{os.getuid()}" / "kind"
    assert (tmp_path / f"clearer-{os.getuid()}").stat().st_mode & 0o077 == 0


def test_another_users_folder_is_refused(monkeypatch, folder):
    folder.mkdir()
    monkeypatch.setattr(cache.os, "getuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(PermissionError, match="CLEARER_CACHE"):
        cache.cache_folder("kind")
    cache.keep("kind", "name", b"content")
    assert list(folder.iterdir()) == []


def test_a_folder_below_the_users_home_is_named_as_in_a_shell(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLEARER_CACHE", "~/cached")
    assert cache.cache_folder("kind") == tmp_path / "cached" / "kind"

"""Passwords and keys in the URIs of the storage and of tracking are in nothing that a study writes or says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import command
from tracking_servers import free_port, runs, server

from studies.store import Store

pytestmark = pytest.mark.drill

KEY, SECRET, PASSWORD = "AKIAWHOEVER", "correct-horse", "hunter2-battery"


def held(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The names and the bytes of all files below a folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()


@pytest.mark.parametrize("is_reachable", [True, False])
def test_no_secret_is_stored_or_shown(s3: str, tmp_path: Path, is_reachable: bool) -> None:
    storage = s3.format(f"secrets-{is_reachable}").replace("s3://", f"s3://{KEY}:{SECRET}@")
    port = free_port()
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    with server(tmp_path, port) as uri:
        tracking = uri.replace("http://", f"http://somebody:{PASSWORD}@")
        if not is_reachable:
            tracking = tracking.replace(str(port), str(free_port()))
        arguments = command(Path("x"), "--tracking-uri", tracking, "--random", "0")
        arguments[arguments.index("--storage") + 1] = storage
        ray = Path("/tmp/ray")
        before = set(ray.iterdir()) if ray.is_dir() else set()
        done = subprocess.run(
            arguments, capture_output=True, text=True, timeout=900, cwd=tmp_path, check=False,
            env=os.environ | {"TMPDIR": str(scratch), "COLUMNS": "200"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(runs(uri)) == (5 if is_reachable else 0)
    store = Store(storage)
    kept = [(name, store.read(name) or b"") for name in store.files("")]
    assert any(name.endswith("study.json") and b"***@" in data for name, data in kept), "the command line is kept"
    kept += [("output", (done.stdout + done.stderr).encode()), *held(tmp_path)]
    for session in set(ray.iterdir()) - before:
        if (
            session.is_dir()
            and not session.is_symlink()
            and str(tmp_path).encode() in b"".join(dict(held(session)).values())
        ):
            kept += held(session)
    assert [name for name, data in kept for secret in (KEY, SECRET, PASSWORD) if secret.encode() in data] == []

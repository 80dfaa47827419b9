"""Passwords and keys, in the URIs of storage and tracking or in the environment, are in nothing that is written."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import command
from tracking_servers import free_port, runs, server

from studies.store.store import Store

pytestmark = pytest.mark.drill(minutes=1.5)

KEY, SECRET, PASSWORD = "AKIAWHOEVER", "correct-horse", "hunter2-battery"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIASOMEBODY",
    "AWS_SECRET_ACCESS_KEY": "staple-of-mine",
    "AWS_SESSION_TOKEN": "token-of-mine",
}


def held(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The names and the bytes of all files below a folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder of temporary files, Ray's too; with a short name, for it holds sockets."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("is_reachable", [True, False])
def test_no_secret_is_stored_or_shown(s3: str, scratch: Path, tmp_path: Path, is_reachable: bool) -> None:
    storage = s3.format(f"secrets-{is_reachable}").replace("s3://", f"s3://{KEY}:{SECRET}@")
    with server(tmp_path, free_port()) as uri:
        other = uri if is_reachable else f"http://127.0.0.1:{free_port()}"
        tracking = other.replace("http://", f"http://somebody:{PASSWORD}@")
        arguments = command(Path("x"), "--tracking-uri", tracking, "--random", "0")
        arguments[arguments.index("--storage") + 1] = storage
        done = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            timeout=900,
            cwd=tmp_path,
            check=False,
            env=os.environ | ENVIRONMENT | {"TMPDIR": str(scratch), "COLUMNS": "200"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(runs(uri)) == (5 if is_reachable else 0)
    store = Store(storage)
    kept = [(name, store.read(name) or b"") for name in store.files("")]
    assert any(name.endswith("study.json") and b"***@" in data for name, data in kept), "the command line is kept"
    written = [*held(scratch), *held(tmp_path)]
    assert any("raylet" in name for name, _ in written), "Ray's own files are seen"
    kept += [("output", (done.stdout + done.stderr).encode()), *written]
    secrets = KEY, SECRET, PASSWORD, *ENVIRONMENT.values()
    assert [(name, secret) for name, data in kept for secret in secrets if secret.encode() in data] == []

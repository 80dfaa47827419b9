"""Stores of either kind: a folder, and a real S3 endpoint on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from studies.store import Store

BUCKET = "studies"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URI of an empty bucket of a real S3 endpoint on loopback."""
    names = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    before = {name: os.environ.get(name) for name in names}
    os.environ |= names
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    port = ""
    end = time.monotonic() + 60
    while not port and time.monotonic() < end:
        line = server.stderr.readline()
        port = line.rsplit(":", 1)[1].strip() if "Running on" in line else ""
    boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket=BUCKET)
    yield f"s3://{BUCKET}/runs?endpoint_override=127.0.0.1:{port}&scheme=http"
    server.kill()
    server.communicate()
    for name, value in before.items():
        os.environ.pop(name)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of either kind."""
    return Store(str(tmp_path / "runs") if request.param == "folder" else request.getfixturevalue("s3"))

"""Stores of both kinds: a folder, and a real S3 endpoint on loopback."""

from __future__ import annotations

import os
import re
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
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of an empty bucket of a real S3 endpoint on loopback, with `{}` for a prefix in it."""
    names = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    before = {name: os.environ.get(name) for name in names}
    os.environ |= names
    log = tmp_path_factory.mktemp("s3") / "log"  # not a pipe: full of requests that nobody reads, it stops the server
    with log.open("w") as errors:
        server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], stderr=errors)
    end = time.monotonic() + 60
    while not (found := re.search(r"Running on \S+:(\d+)", log.read_text())):
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)
    port = found[1]
    boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket=BUCKET)
    yield f"s3://{BUCKET}/{{}}?endpoint_override=127.0.0.1:{port}&scheme=http"
    server.kill()
    server.wait()
    for name, value in before.items():
        os.environ.pop(name)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of either kind."""
    is_folder = request.param == "folder"
    return Store(str(tmp_path / "runs") if is_folder else request.getfixturevalue("s3").format(tmp_path.name))

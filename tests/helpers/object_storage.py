"""A real S3 endpoint for tests."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

BUCKET = "studies"


@contextlib.contextmanager
def moto(settings: Mapping[str, str]) -> Iterator[str]:
    """The port of a real S3 endpoint on loopback; the environment has credentials meanwhile."""
    names = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    # The log is not a pipe: full of requests that nobody reads, that stops the server.
    with tempfile.NamedTemporaryFile("w") as log, pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], stderr=log, env=os.environ | settings
        )
        try:
            end = time.monotonic() + 60
            while not (found := re.search(r"Running on \S+:(\d+)", Path(log.name).read_text())):
                assert time.monotonic() < end, Path(log.name).read_text()
                time.sleep(0.05)
            yield found[1]
        finally:
            server.kill()
            server.wait()

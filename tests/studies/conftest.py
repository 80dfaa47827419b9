"""Stores of both kinds: a folder, and a real S3 endpoint on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from object_storage import BUCKET, moto

from studies.store import Store


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URI of an empty bucket of a real S3 endpoint on loopback, with `{}` for a prefix in it."""
    with moto({}) as port:
        boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}/{{}}?endpoint_override=127.0.0.1:{port}&scheme=http"


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of either kind."""
    is_folder = request.param == "folder"
    return Store(str(tmp_path / "runs") if is_folder else request.getfixturevalue("s3").format(tmp_path.name))

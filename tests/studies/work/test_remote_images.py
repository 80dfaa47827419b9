"""Images on a real S3 endpoint on loopback become a folder of the node: once, whole, and what the driver found."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from object_storage import BUCKET, moto
from running import ROOT

from clearer.images.reading import ImageError
from studies.work.remote_images import data_place, local_copy

FILES = {f"bsds500/{split}/{number}.png": f"{split} {number}".encode() for split in ("train", "val") for number in "12"}


@pytest.fixture
def prefix(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of a prefix that holds FILES and what is no image; the cache of this node is `tmp_path/cache`."""
    monkeypatch.setenv("CLEARER_CACHE", str(tmp_path / "cache"))
    for name, data in {**FILES, "bsds500/README.md": b"text", "bsds500/train/.hidden.png": b"hidden"}.items():
        put(s3, f"{tmp_path.name}/{name}", data)
    return s3.format(tmp_path.name)


def client(s3: str) -> Callable[..., object]:
    port = s3.split("127.0.0.1:")[1].split("&")[0]
    return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}")


def put(s3: str, key: str, data: bytes) -> None:
    client(s3).put_object(Bucket=BUCKET, Key=key, Body=data)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_node_gets_the_images_and_nothing_else(prefix: str, tmp_path: Path) -> None:
    pinned = data_place(prefix)
    assert contents(local_copy(pinned)) == FILES
    assert data_place(prefix) == pinned
    assert not list((tmp_path / "cache/data").glob(".partial-*"))


def test_another_node_finds_the_same_or_says_that_it_changed(
    prefix: str, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = data_place(prefix)
    monkeypatch.setenv("CLEARER_CACHE", str(tmp_path / "elsewhere"))
    assert contents(local_copy(pinned)) == FILES
    put(s3, f"{tmp_path.name}/bsds500/val/1.png", b"another")
    monkeypatch.setenv("CLEARER_CACHE", str(tmp_path / "third"))
    with pytest.raises(ImageError, match="changed during the study"):
        local_copy(pinned)
    monkeypatch.setenv("CLEARER_CACHE", str(tmp_path / "cache"))
    assert contents(local_copy(pinned)) == FILES, "a node that has its copy goes on"
    now = data_place(prefix)
    assert now != pinned
    assert contents(local_copy(now)) == FILES | {"bsds500/val/1.png": b"another"}


@pytest.mark.parametrize("harm", ["cut", "written", "removed", "manifest"])
def test_a_damaged_copy_is_fetched_again(prefix: str, harm: str) -> None:
    pinned = data_place(prefix)
    folder = local_copy(pinned)
    victim = folder / "bsds500/train/2.png"
    if harm == "cut":
        os.truncate(victim, 3)
    elif harm == "written":
        victim.write_bytes(b"x" * victim.stat().st_size)
    elif harm == "removed":
        victim.unlink()
    else:
        (folder.parent / "manifest.json").write_text("{}")
    assert contents(local_copy(pinned)) == FILES


def test_processes_that_come_together_share_one_download(prefix: str, tmp_path: Path) -> None:
    pinned = data_place(prefix)
    code = f"from studies.work.remote_images import local_copy; print(local_copy({pinned!r}))"
    environment = os.environ | {"CLEARER_CACHE": str(tmp_path / "fresh"), "PYTHONPATH": str(ROOT)}
    both = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    folders = {process.communicate(timeout=60)[0].strip() for process in both}
    assert len(folders) == 1
    folder = Path(folders.pop())
    assert contents(folder) == FILES
    assert {path.name for path in folder.parent.parent.iterdir()} == {folder.parent.name, f"{folder.parent.name}.lock"}


def test_mistakes_are_one_line(prefix: str, s3: str, tmp_path: Path) -> None:
    place = prefix.split("?")[1]
    for uri, said in {
        f"s3://no-such-bucket/x?{place}": "no such bucket",
        f"s3://{BUCKET}/no/such/prefix?{place}": "no such place",
        f"s3://{BUCKET}/{tmp_path.name}/bsds500/README?{place}": "no such place",
        f"s3://key:secret@{BUCKET}/x?{place}": "environment",
        f"s3://{BUCKET}/x?{place}&access_key=key&secret_key=secret": "environment",
        "nothing://bucket/x": "nothing",
        f"s3://{BUCKET}/x?endpoint_override=127.0.0.1:1&scheme=http": "no answer",
    }.items():
        with pytest.raises(ImageError) as raised:
            data_place(uri)
        text = str(raised.value)
        assert said in text, (uri, text)
        assert text.startswith("--data ")
        assert "\n" not in text
        assert "secret@" not in text
        assert "secret_key=secret" not in text


@pytest.fixture(scope="module")
def closed() -> Iterator[str]:
    """An endpoint that asks for credentials from its third request on; its bucket holds an image."""
    with moto({"INITIAL_NO_AUTH_ACTION_COUNT": "2"}) as port:
        server = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}")
        server.create_bucket(Bucket=BUCKET)
        server.put_object(Bucket=BUCKET, Key="data/1.png", Body=b"x")
        yield f"s3://{BUCKET}/data?endpoint_override=127.0.0.1:{port}&scheme=http"


def test_credentials_that_do_not_open_it_are_named(
    closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARER_CACHE", str(tmp_path))
    with pytest.raises(ImageError, match="AWS_ACCESS_KEY_ID") as raised:
        data_place(closed)
    assert "\n" not in str(raised.value)

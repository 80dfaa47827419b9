"""Published archives of datasets: download with resumption, verify every image, put it in its place.

An archive's own checksum is not known (the host packs it anew); that of every image is, in `manifests/`. Only
files that a manifest names are written, to the places that it gives them, whatever the archive's paths are.
"""

import gzip
import hashlib
import http.client
import importlib.resources
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from clearer.fields import nearest
from clearer.images.cache import written_whole
from clearer.images.datasets import ARCHIVES, DATASETS
from clearer.images.reading import content_hash

ATTEMPTS = 5
LARGEST_DOWNLOAD, LARGEST_UNPACKED = 1 << 30, 2 << 30
_CHUNK = 1 << 20


class FetchError(ValueError):
    """An archive that can't be had or is not what was published; the message is one line that names it."""


def manifest(name: str) -> dict[str, str]:
    """SHA-256 of every image of a known dataset, by its path in the dataset's folder; empty where none is known."""
    file = importlib.resources.files("clearer.images") / "manifests" / f"{name}.sha256"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return {path: digest for digest, path in (line.split("  ") for line in lines)}


def fetch(name: str, data: Path, url: str | None = None, pause: float = 1.0) -> int:
    """Completes `data/name/` from its archive, or from a mirror's at `url`; the number of images that were missing.

    An interrupted download goes on in `data/.fetch/`, after `pause`, 2 · `pause`, … seconds. Raises FetchError: no such
    name, no connection, an image that differs from the published one here or in the archive, a damaged archive.
    """
    if name not in ARCHIVES:
        source = f"no published checksums to verify it with ({DATASETS[name].source})" if name in DATASETS else ""
        known = f"it can be fetched for {', '.join(ARCHIVES)}{nearest(name, ARCHIVES)}"
        raise FetchError(f"{name}: {source or 'not a dataset with an archive'}; {known}")
    expected = manifest(name)
    missing = {path: digest for path, digest in expected.items() if not (data / name / path).exists()}
    for path in expected.keys() - missing.keys():
        if content_hash(data / name / path) != expected[path]:
            raise FetchError(f"{data / name / path}: not the published image; move it away and fetch again")
    if missing:
        archive = data / ".fetch" / f"{name}.tar.gz"
        archive.parent.mkdir(parents=True, exist_ok=True)
        download(url or ARCHIVES[name].url, archive, pause)
        try:
            unpack(archive, ARCHIVES[name].archive, missing, data / name)
        finally:
            archive.unlink()  # whole and no longer needed, or damaged
    return len(missing)


def download(url: str, path: Path, pause: float = 1.0) -> None:
    """Downloads a file, from where an earlier try stopped. Raises FetchError: the server refuses, or is not there."""
    if not url.startswith(("https://", "http://")):
        raise FetchError(f"{url}: not an http or https address")
    reason = ""
    for attempt in range(ATTEMPTS):
        time.sleep(pause * attempt)
        try:
            if _download_rest(url, path):
                return
            reason = "the connection closed early"
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise FetchError(f"{url}: {error.code} {error.reason}") from None
            reason = f"{error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
    raise FetchError(f"{url}: {reason}, {ATTEMPTS} times; what has arrived is kept, fetch again to go on")


def _download_rest(url: str, path: Path) -> bool:
    """One attempt; whether the file is complete."""
    have = path.stat().st_size if path.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        if (error.headers.get("Content-Range") or "").endswith(f"*/{have}"):
            return True
        path.unlink()  # not a part of this file
        return False
    with response:
        goes_on = response.status == 206 and (response.headers.get("Content-Range") or "").startswith(f"bytes {have}-")
        length = response.headers.get("Content-Length")
        with path.open("ab" if goes_on else "wb") as file:
            start = file.tell()
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                if file.tell() > LARGEST_DOWNLOAD:
                    raise FetchError(f"{url}: more than {LARGEST_DOWNLOAD:,} bytes")
            return length is None or file.tell() - start == int(length)


class _Bounded:
    """Decompressed bytes of an archive, no more than `LARGEST_UNPACKED`."""

    def __init__(self, file: IO[bytes]):
        self._file, self._left = file, LARGEST_UNPACKED

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise FetchError(f"unpacks to more than {LARGEST_UNPACKED:,} bytes")
        return data


def unpack(archive: Path, folders: Mapping[str, str], expected: Mapping[str, str], target: Path) -> None:
    """Writes the images of `expected` (path: SHA-256) from a .tar.gz to `target`, each verified before it is written.

    Raises FetchError: a damaged or oversized archive, an image that is missing from it or is not the published one.
    """
    missing = dict(expected)
    try:
        with gzip.open(archive) as file, tarfile.open(fileobj=_Bounded(file), mode="r|") as tar:  # type: ignore
            for member in tar:
                path = _place(member, folders)
                if path not in missing:
                    continue
                image = tar.extractfile(member).read()  # type: ignore[union-attr]
                if hashlib.sha256(image).hexdigest() != missing.pop(path):
                    raise FetchError(f"{path} is not the published image (its SHA-256 differs)")
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                with written_whole(target / path) as temporary:
                    temporary.write_bytes(image)
    except FetchError as error:
        raise FetchError(f"{archive}: {error}") from None
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError) as error:
        raise FetchError(f"{archive}: a damaged archive ({type(error).__name__}: {error}); fetch again") from None
    if missing:
        raise FetchError(f"{archive}: lacks {len(missing)} images, such as {min(missing)}")


def _place(member: tarfile.TarInfo, folders: Mapping[str, str]) -> str:
    """Where a regular file of the archive would belong in the dataset; the archive's top folder is left out."""
    inner = member.name.partition("/")[2]
    for folder, place in folders.items():
        if member.isfile() and inner.startswith(folder):
            return place + inner.removeprefix(folder)
    return ""

"""Images that lie on S3 (`--data s3://bucket/prefix`): copied once to each node, and checked against the driver's.

1. The driver copies what lies below the prefix to its cache, and adds to the URI, behind a `#`, the digest of a
   manifest that names every file and its SHA-256 (`pinned`).
2. A worker turns that text into a folder on its node (`local_copy`), kept under the digest: the first that needs it
   copies the files, holds each against the manifest, and fetches a damaged one again; the others wait.

Anything that pyarrow.fs opens by a URI will do. Credentials come from the environment of each node, never from the URI.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import pyarrow.fs as pafs

from analysis.storage.places import StorageError, absolute_folder, cause, join, open_storage, redacted
from clearer.images.cache import alone, cache_folder, keep, kept, written_whole
from clearer.images.reading import SUFFIXES, ImageError, check_name, content_hash

_KIND = "data"
_AT_ONCE = 8
_DEEPEST = 4
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
_MENDS = {
    "NO_SUCH_BUCKET": "no such bucket",
    "ACCESS_DENIED": "access denied; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment of every node",
    "INVALID_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID in the environment is not known there",
    "SIGNATURE_DOES_NOT_MATCH": "AWS_SECRET_ACCESS_KEY in the environment is not the key's",
    "NETWORK_CONNECTION": "no answer; is AWS_ENDPOINT_URL right, and the network up?",
}
_verified: dict[Path, tuple[int, int]] = {}
"""Size and time of writing of the files that this process has held against their manifest."""


def is_remote(data: str) -> bool:
    """Whether `--data` names something else than a folder."""
    return "://" in data


def data_place(data: str | None) -> str | None:
    """What `--data` names, for every node: a folder, or a `pinned` URI. Raises ImageError: no folder, or no UTF-8."""
    if data is None or is_remote(data):
        return data and pinned(data)
    try:
        folder = absolute_folder(data, "--data")
    except StorageError as error:
        raise ImageError(str(error)) from None
    check_name(Path(folder))
    if not Path(folder).is_dir():
        raise ImageError(f"--data {data}: no such folder")
    return folder


def pinned(uri: str) -> str:
    """`uri` with the digest of what lies there, which is copied to this node. Raises ImageError: it can't be."""
    if re.search(r"://[^/?]*@|[?&](access_key|secret_key|session_token)=", uri):
        raise ImageError(f"--data {redacted(uri)}: credentials belong in the environment, not in the URI")
    name = f"{hashlib.sha256(uri.encode()).hexdigest()}.json"
    try:
        listed = listing(uri)
        with alone(_KIND, name):
            known = json.loads(kept(_KIND, name) or b"{}")
            if known.get("listing") != listed or not _is_there(known["digest"]):
                known = {"listing": listed, "digest": _copied(uri, listed)}
                keep(_KIND, name, json.dumps(known).encode())
        local_copy(f"{uri}#{known['digest']}")
    except StorageError as error:
        raise ImageError(f"--data {error}") from None
    except OSError as error:
        raise ImageError(f"--data {redacted(uri)}: {_reason(error)}") from None
    return f"{uri}#{known['digest']}"


def local_copy(pinned_uri: str) -> Path:
    """The folder of this node that holds what the driver found at a URI; copied, or mended, where it has to be.

    Raises ImageError: other images lie there now. Raises OSError: no answer, or a cache that can't be written.
    """
    uri, _, digest = pinned_uri.rpartition("#")
    folder = cache_folder(_KIND) / digest
    with alone(_KIND, digest):
        if not _is_there(digest) and _copied(uri, listing(uri)) != digest:
            raise ImageError(f"{redacted(uri)}: its images changed during the study")
        manifest = json.loads((folder / "manifest.json").read_bytes())
        damaged = {name for name, sha256 in manifest.items() if not _is_sound(folder / "images" / name, sha256)}
        if damaged and _fetch(uri, damaged, folder / "images") != {name: manifest[name] for name in damaged}:
            raise ImageError(f"{redacted(uri)}: its images changed during the study")
    return folder / "images"


def listing(uri: str) -> dict[str, list[int]]:
    """Size, and time of writing in nanoseconds, of each image below a URI, by its path there.

    Raises ImageError: there is none. Raises StorageError, OSError: no URI that pyarrow knows, or no answer there.
    """
    filesystem, root = open_storage(uri)
    found = filesystem.get_file_info(pafs.FileSelector(root, recursive=True))
    named = {info.path.removeprefix(root).lstrip("/"): info for info in found if info.is_file}
    images = {name: [info.size, info.mtime_ns or 0] for name, info in sorted(named.items()) if _is_image(name)}
    if not images:
        mend = "it must hold bsds500/ or another dataset's folder"
        raise ImageError(f"--data {redacted(uri)}: no image lies there; {mend}")
    return images


def sizes(place: str) -> dict[str, int]:
    """The size of each image below a URI, or four levels of a folder, by its path. Raises as `listing`."""
    if is_remote(place):
        return {name: size for name, (size, _) in listing(place.partition("#")[0]).items()}
    found = (path for depth in range(1, _DEEPEST + 1) for path in Path(place).glob("/".join("*" * depth)))
    images = (path for path in found if _is_image(path.name) and path.is_file())
    return {str(path.relative_to(place)): path.stat().st_size for path in images}


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and ".." not in path.parts


def _is_there(digest: str) -> bool:
    """Whether the cache has the copy of a digest, files that were damaged since included."""
    manifest = cache_folder(_KIND) / digest / "manifest.json"
    return manifest.is_file() and content_hash(manifest) == digest


def _copied(uri: str, listed: Mapping[str, list[int]]) -> str:
    """Copies the listed files of a URI into the cache; the digest of their manifest."""
    folder = cache_folder(_KIND)
    needed, free = sum(size for size, _ in listed.values()), shutil.disk_usage(folder).free
    if needed > free:
        text = f"{needed / 1e9:.1f} GB of images, but {folder} has {free / 1e9:.1f} GB free"
        raise OSError(f"{text}; name another folder in CLEARER_CACHE")
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    try:
        manifest = json.dumps(_fetch(uri, listed, partial / "images"), sort_keys=True).encode()
        (partial / "manifest.json").write_bytes(manifest)
        digest = hashlib.sha256(manifest).hexdigest()
        if not _is_there(digest):
            shutil.rmtree(folder / digest, ignore_errors=True)
            partial.rename(folder / digest)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return digest


def _fetch(uri: str, names: Iterable[str], folder: Path) -> dict[str, str]:
    """Copies files from below a URI into a folder, each whole or not at all; their SHA-256."""
    filesystem, root = open_storage(uri)

    def fetch(name: str) -> tuple[str, str]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with filesystem.open_input_stream(join(root, name)) as source:
            data = source.read()
        with written_whole(path) as temporary:
            temporary.write_bytes(data)
        return name, hashlib.sha256(data).hexdigest()

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(pool.map(fetch, names))


def _is_sound(path: Path, sha256: str) -> bool:
    """Whether a file is what the manifest says; it is read again only where it was written to since."""
    try:
        status = path.stat()
        seen = status.st_size, status.st_mtime_ns
        if _verified.get(path) != seen:
            if content_hash(path) != sha256:
                return False
            _verified[path] = seen
    except (OSError, ImageError):
        return False
    return True


def _reason(error: OSError) -> str:
    """Why a URI can't be read, in a few words, and what mends it."""
    text = cause(error)
    found = [mend for name, mend in _MENDS.items() if f"AWS Error {name}" in text]
    if isinstance(error, FileNotFoundError) and not found:
        return "no such place"
    if not found and "AWS Error" in text and not any(name in os.environ for name in _CREDENTIALS):
        text += f" (the environment has none of {', '.join(_CREDENTIALS)})"
    return found[0] if found else text

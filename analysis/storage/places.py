"""Where results lie: a folder or a URI, opened through pyarrow.fs, and the names below it."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

import pyarrow.fs as pafs


class StorageError(ValueError):
    """A storage that can't be opened; the message is one line that names it, without secrets."""


def open_storage(storage: str | Path) -> tuple[pafs.FileSystem, str]:
    """The file system of a folder or a URI (`s3://bucket/prefix`), and the root path in it.

    Raises:
        StorageError: not a URI that pyarrow knows.
    """
    text = str(storage)
    if "://" not in text:
        return pafs.LocalFileSystem(), str(Path(text).expanduser().absolute())
    try:
        filesystem, root = pafs.FileSystem.from_uri(text)
    except Exception as error:
        raise StorageError(f"storage {redacted(text)}: {type(error).__name__}: {redacted(str(error))}") from None
    return filesystem, root.rstrip("/")


_USERINFO = re.compile(r"(\w+://)(?:[^/\s]+|[^/\s:]+:\S+)@")
"""Before the @ of a URI; a password may hold a slash that should have been escaped."""
_SECRETS = re.compile(
    r"((?:secret|access|passw|pwd|token|credential|signature|key|\bsig(?==))[\w-]*=)[^&\s]+", re.IGNORECASE
)


def redacted(text: str) -> str:
    """`text` without the user names, passwords and keys of URIs in it."""
    return _SECRETS.sub(r"\1***", _USERINFO.sub(r"\1***@", text))


def write_whole(filesystem: pafs.FileSystem, path: str, data: bytes, is_durable: bool = False) -> None:
    """Puts `data` at `path`; a reader sees all of it or what was there before, if `is_durable` also after a power cut."""
    if not isinstance(filesystem, pafs.LocalFileSystem):
        with filesystem.open_output_stream(path) as stream:  # appears when it is closed
            stream.write(data)
        return
    filesystem.create_dir(path.rpartition("/")[0], recursive=True)
    partial = f"{path}.{uuid.uuid4().hex}.partial"
    try:
        with filesystem.open_output_stream(partial) as stream:
            stream.write(data)
        if is_durable:
            _flush(partial)
        filesystem.move(partial, path)
    except BaseException:
        if filesystem.get_file_info(partial).type is not pafs.FileType.NotFound:
            filesystem.delete_file(partial)
        raise


def _flush(path: str) -> None:
    """Brings a file to the disk itself: the name may get there before what was written."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def join(*parts: str) -> str:
    """A path below a root, in the form of pyarrow.fs."""
    return "/".join(part.rstrip("/") for part in parts)


def names(filesystem: pafs.FileSystem, folder: str, suffix: str = "") -> list[str]:
    """The names in a folder that end in `suffix`, sorted; none where there is no such folder.

    Files that a writer has not finished have other suffixes and do not show.
    """
    found = filesystem.get_file_info(pafs.FileSelector(folder, allow_not_found=True))
    return sorted(info.base_name for info in found if info.base_name.endswith(suffix))

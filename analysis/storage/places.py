"""Where results lie: a folder or a URI, opened through pyarrow.fs, and what a message may say of it."""

import os
import re
from pathlib import Path

import pyarrow.fs as pafs


class StorageError(ValueError):
    """A storage that can't be opened; the message is one line that names it, without secrets."""


def absolute_folder(text: str, flag: str = "--storage") -> str:
    """The whole path of the folder that a flag names.

    Raises StorageError: it begins with ~ and there is no such user, or it is not UTF-8, as Arrow needs it.
    """
    found = os.path.expanduser(text)
    if found.startswith("~"):
        raise StorageError(f"{flag} {text}: no such user; put ./ before the name of a folder that begins with ~")
    found = str(Path(found).absolute())
    try:
        found.encode()
    except UnicodeEncodeError:
        mend = "name another folder, or set LC_ALL=C.UTF-8"
        raise StorageError(f"{flag} {text}: not UTF-8 in this locale; {mend}") from None
    return found


def open_storage(storage: str | Path) -> tuple[pafs.FileSystem, str]:
    """The file system of a folder or a URI (`s3://bucket/prefix`), and the root path in it.

    Raises StorageError: not a URI that pyarrow knows, or as `absolute_folder`.
    """
    text = str(storage)
    if "://" not in text:
        return pafs.LocalFileSystem(), absolute_folder(text)
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


def join(*parts: str) -> str:
    """A path below a root, in the form of pyarrow.fs; empty parts are none."""
    return "/".join(part.rstrip("/") for part in parts if part)


def cause(error: BaseException) -> str:
    """What an error says, in a line without secrets: the first, but of a traceback, which Ray hands on, the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return redacted(lines[-1 if "Traceback" in str(error) else 0] if lines else type(error).__name__)

"""What is computed once per node and user: files in one folder, written whole or not at all.

The folder is `$CLEARER_CACHE`, or `clearer-<user id>` in the system's folder of temporary files. Everything
in it can be deleted at any time: it is computed again.
"""

import contextlib
import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """The folder of one kind of content. Raises OSError: it can't be made, or another user could put anything there."""
    named = os.environ.get("CLEARER_CACHE")
    top = Path(os.path.expanduser(named)) if named else Path(tempfile.gettempdir()) / f"clearer-{os.getuid()}"
    top.mkdir(mode=0o700, parents=True, exist_ok=True)
    if top.stat().st_uid != os.getuid():
        raise PermissionError(f"{top}: belongs to another user; name a folder of your own in CLEARER_CACHE")
    folder = top / kind
    folder.mkdir(exist_ok=True)
    return folder


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; what is written there becomes `path` at the end, unless an error occurs."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(kind: str, name: str) -> Iterator[None]:
    """Other processes of this user wait here until it ends; where the cache can't be written nobody waits."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            lock = stack.enter_context((cache_folder(kind) / f"{name}.lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def kept(kind: str, name: str) -> bytes:
    """What `keep` wrote; nothing where that is not to be had."""
    try:
        return (cache_folder(kind) / name).read_bytes()
    except OSError:
        return b""


def keep(kind: str, name: str, data: bytes) -> None:
    """Writes `data` under a name, whole; where the cache can't be written it is not kept."""
    with contextlib.suppress(OSError), written_whole(cache_folder(kind) / name) as temporary:
        temporary.write_bytes(data)

"""The files below a storage, a folder or a URI: read, and written whole or not at all."""

import contextlib
import functools
import json
import logging
import os
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from analysis.storage.places import StorageError, join, open_storage, redacted

FORMAT = 1
"""The number of the store's form. Raised when an older version would misread what this one writes."""
UNFINISHED = ".partial"
"""How the names of files end that a writer has not finished."""
STUDY, KEY = r"[A-Za-z0-9][\w.-]*", "[0-9a-f]{64}"
"""The exact form of the names of studies and of stages' keys; what other programs leave has another form."""


@functools.lru_cache(maxsize=1024)
def tell(text: str) -> None:
    """Says once, in a line of its own on standard error, what was left out of an answer and why."""
    logging.getLogger("analysis").warning(redacted(" ".join(text.split())))


class Files:
    """The files below a folder or a URI, by their names in it. Raises StorageError: no URI that pyarrow knows."""

    def __init__(self, storage: str | Path):
        self.storage = str(storage)
        self.filesystem, self.root = open_storage(storage)
        self.is_local = isinstance(self.filesystem, pafs.LocalFileSystem)

    def check_format(self, written: int, what: str) -> None:
        """Raises StorageError where a version wrote something that uses a newer format than this one knows."""
        if written > FORMAT:
            told = f"{what} has format {written}, this version knows {FORMAT}"
            mend = "install the version of clearer-studies that wrote it, or a later one"
            raise StorageError(f"{redacted(self.storage)}: {told}; {mend}")

    def path(self, *parts: str) -> str:
        """The path of something below the storage, for the file system."""
        return join(self.root, *parts)

    def read(self, name: str) -> bytes | None:
        """What is under `name`, or None."""
        try:
            with self.filesystem.open_input_file(self.path(name)) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def json(self, name: str) -> dict[str, Any] | None:
        """The JSON object under `name`, or None. Raises StorageError: damaged, or of a newer format; it is named."""
        data = self.read(name)
        if data is None:
            return None
        try:
            found = json.loads(data)
            if not isinstance(found, dict):
                raise ValueError("not a JSON object")
        except ValueError as error:
            mend = "bring it back, or remove it and run the study's command again"
            raise StorageError(f"{redacted(self.storage)}: {name} is damaged ({error}): {mend}") from None
        self.check_format(found.get("format", 1), name)
        return found

    def write(self, name: str, data: bytes, is_durable: bool = True) -> None:
        """Puts `data` under `name`: a reader sees all or what was there, if `is_durable` also after a power cut."""
        path = self.path(name)
        if not self.is_local:
            with self.filesystem.open_output_stream(path) as stream:  # appears when it is closed
                stream.write(data)
            return
        self.filesystem.create_dir(path.rpartition("/")[0], recursive=True)
        partial = f"{path}.{uuid.uuid4().hex}{UNFINISHED}"
        try:
            with self.filesystem.open_output_stream(partial) as stream:
                stream.write(data)
            if is_durable:  # or the name might get to the disk before what was written
                with open(partial, "rb") as file:
                    os.fsync(file.fileno())
            self.filesystem.move(partial, path)
        except BaseException:
            if self.filesystem.get_file_info(partial).type is not pafs.FileType.NotFound:
                self.filesystem.delete_file(partial)
            raise

    def remove(self, name: str) -> None:
        """Removes a file; another may have done so before."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_file(self.path(name))

    def names(self, folder: str, form: str = ".*") -> list[str]:
        """What is finished in a folder and has a name of this form, sorted; nothing where there is no such folder."""
        names = (info.base_name for info in self._found(folder))
        return sorted(name for name in names if re.fullmatch(form, name) and not name.endswith(UNFINISHED))

    def is_there(self) -> bool:
        """Whether the storage is a folder that exists."""
        return self.filesystem.get_file_info(self.root).type is pafs.FileType.Directory

    def folders(self, folder: str, form: str = ".*") -> list[str]:
        """The folders in a folder that have a name of this form, sorted; none where there is no such folder."""
        found = self._found(folder)
        return sorted(one.base_name for one in found if not one.is_file and re.fullmatch(form, one.base_name))

    def studies(self) -> list[str]:
        """The names of the studies in the storage, sorted."""
        return self.folders("studies", STUDY)

    def files(self, folder: str) -> list[str]:
        """The names of all finished files below a folder, relative to it."""
        return sorted(name for name in self.listing(folder) if not name.endswith(UNFINISHED))

    def listing(self, folder: str) -> Mapping[str, pafs.FileInfo]:
        """All files below a folder, by their names relative to it, from one listing."""
        root, found = self.path(folder), self._found(folder, recursive=True)
        return {info.path.removeprefix(root).lstrip("/"): info for info in found if info.is_file}

    def _found(self, folder: str, recursive: bool = False) -> list[pafs.FileInfo]:
        selector = pafs.FileSelector(self.path(folder), allow_not_found=True, recursive=recursive)
        return self.filesystem.get_file_info(selector)

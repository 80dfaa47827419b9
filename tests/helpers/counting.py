"""Stores whose reads are counted, wherever in the project they are read."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pytest

from analysis.storage.places import open_storage


class _Counting(pafs.FileSystemHandler):
    """The local file system, which notes the files and the folders that are read."""

    def __init__(self, read: list[str], listed: list[str]):
        self._fs, self.read, self.listed = pafs.LocalFileSystem(), read, listed

    def get_type_name(self) -> str:
        return "counting"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> Any:
        return self._fs.get_file_info(paths)

    def get_file_info_selector(self, selector: pafs.FileSelector) -> Any:
        self.listed.append(selector.base_dir)
        return self._fs.get_file_info(selector)

    def create_dir(self, path: str, recursive: bool) -> None:
        self._fs.create_dir(path, recursive=recursive)

    def delete_dir(self, path: str) -> None:
        self._fs.delete_dir(path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        self._fs.delete_dir_contents(path, missing_dir_ok=missing_dir_ok)

    def delete_root_dir_contents(self) -> None:
        raise NotImplementedError

    def delete_file(self, path: str) -> None:
        self._fs.delete_file(path)

    def move(self, src: str, dest: str) -> None:
        self._fs.move(src, dest)

    def copy_file(self, src: str, dest: str) -> None:
        self._fs.copy_file(src, dest)

    def open_input_stream(self, path: str) -> Any:
        self.read.append(path)
        return self._fs.open_input_stream(path)

    def open_input_file(self, path: str) -> Any:
        self.read.append(path)
        return self._fs.open_input_file(path)

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return self._fs.open_output_stream(path, metadata=metadata)

    def open_append_stream(self, path: str, metadata: Any) -> Any:
        return self._fs.open_append_stream(path, metadata=metadata)


@contextmanager
def counted() -> Iterator[tuple[list[str], list[str]]]:
    """The paths of the files and of the folders that are read meanwhile from stores in folders, one entry a time."""
    read: list[str] = []
    listed: list[str] = []

    def opened(place: str) -> tuple[pafs.FileSystem, str]:
        _, root = open_storage(place)
        return pafs.PyFileSystem(_Counting(read, listed)), root

    with pytest.MonkeyPatch.context() as patch:
        for module in [module for name, module in sys.modules.items() if name.startswith(("analysis.", "studies."))]:
            if getattr(module, "open_storage", None) is open_storage:
                patch.setattr(module, "open_storage", opened)
        yield read, listed

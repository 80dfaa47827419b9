"""The files of a study's rows or curves, read fast: one compacted copy beside many small files.

    studies/<study>/trials/<trial_id>.parquet     the truth: the files that are listed are the rows that exist
    studies/<study>/trials.parquet                a copy of what they held, with each file's size and time of writing

Files with other names are not ours. A file that is damaged, or holds another trial than its name says, is left out and
named. Another version may have written other columns, or the same ones in other types: all come out in ours. The copy
only saves reading. A row of it counts where its file is listed with that size and that time; whatever else is listed is
read from its own file. So a row that was forgotten, written again or added since, and a copy that is damaged or
missing, change how long reading takes and nothing else, and several drivers may replace the copy at any time.
"""

import contextlib
import functools
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from analysis.storage.files import tell
from analysis.storage.places import join

ROW_FILE = r"[0-9a-f]{12}\.parquet"
"""The exact form of the names of these files: those of trials, and of devices and protocols, are 12 hex digits."""
FILE = pa.field("_file", pa.string())
_STAMP = [FILE, pa.field("_file_bytes", pa.int64()), pa.field("_file_written_ns", pa.int64())]
"""What the copy says of the file of each row."""
_STAMP_NAMES = [column.name for column in _STAMP]
_OF_ONE = ("trials", "curves")
"""The kinds of files that are each of one trial."""
_READERS = 16
_BATCH = 500


def read_files(
    filesystem: pafs.FileSystem,
    study: str,
    kind: str,
    only: Collection[str] | None = None,
    columns: Collection[str] | None = None,
    sample: int | None = None,
) -> pa.Table | None:
    """What the files of one kind (`trials`, `curves`, …) below the folder `study` hold, in the order of their names.

    `only` names the files that are wanted, without their suffix, `columns` the columns; one that no file has is left
    out. With `sample`, which is for estimates, no more than so many files are read that the copy lacks: the first, by
    names that are hashes. None where there is no file.
    """
    files = _Files(filesystem, study, kind, columns)
    if only is not None:
        wanted = {f"{name}.parquet" for name in only}
        files.stamps = {name: stamp for name, stamp in files.stamps.items() if name in wanted}
    kept, missing = files.kept()
    table = files.together(kept, missing[:sample])
    return None if table is None else table.drop_columns(_STAMP_NAMES)


def compacted(filesystem: pafs.FileSystem, study: str, kind: str, most_bytes: int | None = None) -> pa.Table | None:
    """The compacted copy as it should be now, or None: it is so already, or its files hold more than `most_bytes`."""
    files = _Files(filesystem, study, kind, None)
    if most_bytes is not None and sum(size for size, _ in files.stamps.values()) > most_bytes:
        return None
    kept, missing = files.kept()
    is_current = not missing and (kept is None or kept.num_rows == files.copy.num_rows)
    return None if is_current else files.together(kept, missing)


def joined(tables: Iterable[pa.Table]) -> pa.Table:
    """All rows as one table, with what any of the tables says of a column, or as `format` of itself.

    Rows of a table that lacks a column have there what its metadata say `before` (JSON): a later version added it. A
    column of several types has that of most rows; values that it can't hold are left out and named.
    """
    tables = list(tables)
    schemas: list[pa.Schema] = []  # different ones: thousands of files are of one or two versions
    rows: Counter[int] = Counter()
    for table in tables:
        equal = (place for place, schema in enumerate(schemas) if table.schema.equals(schema, check_metadata=True))
        place = next(equal, len(schemas))
        schemas += [table.schema][: place == len(schemas)]
        rows[place] += len(table)
    kinds: dict[str, Counter[pa.DataType]] = {}
    said: dict[str, dict[bytes, bytes]] = {}
    for place, column in ((place, column) for place, schema in enumerate(schemas) for column in schema):
        kinds.setdefault(column.name, Counter())[column.type] += rows[place] if column.type != pa.null() else 0
        said[column.name] = said.get(column.name, {}) | (column.metadata or {})
    found = [pa.field(name, _most(kinds[name]), metadata=about) for name, about in said.items()]
    newest = max(int((schema.metadata or {}).get(b"format", 1)) for schema in schemas)
    target = pa.schema(found, {**(schemas[0].metadata or {}), b"format": str(newest)})
    whole = pa.concat_tables(_as(table, target) for table in tables)
    return pa.Table.from_arrays(whole.columns, schema=target)


def _most(kinds: Counter[pa.DataType]) -> pa.DataType:
    """The type of a column that has several: floats hold whole numbers, too."""
    return pa.float64() if kinds.keys() - {pa.null()} == {pa.int64(), pa.float64()} else kinds.most_common(1)[0][0]


def _as(table: pa.Table, target: pa.Schema) -> pa.Table:
    """A table with the columns and types of `target`."""
    if table.schema.equals(target):
        return table.replace_schema_metadata()
    columns = []
    for column in target:
        if column.name not in table.column_names:
            columns.append(_before(column, table))
            continue
        values = table[column.name]
        try:
            columns.append(values if values.type == column.type else values.cast(column.type))
        except pa.ArrowException as error:
            owners = table["trial_id"].unique().to_pylist() if "trial_id" in table.column_names else []
            of = f"{column.name} is left out of trial {', '.join(map(str, owners))}"
            tell(f"{of}: other trials have it as {column.type} ({error})")
            columns.append(pa.nulls(len(table), column.type))
    return pa.Table.from_arrays(columns, names=target.names)


def _before(column: pa.Field, table: pa.Table) -> pa.Array | pa.ChunkedArray:
    """What rows of a version without a column have there; a field of some `tasks` says nothing of others' rows."""
    about = column.metadata or {}
    found = pa.repeat(pa.scalar(json.loads(about.get(b"before", b"null")), column.type), len(table))
    if b"tasks" not in about:
        return found
    tasks = table["task"] if "task" in table.column_names else pa.nulls(len(table), pa.string())
    is_read = pc.is_in(tasks, pa.array(about[b"tasks"].decode().split(), tasks.type))
    return pc.if_else(is_read, found, pa.nulls(len(table), column.type))


@functools.cache
def _plain(kind: pa.DataType) -> pa.DataType:
    """The type that our files have, of one that other versions and programs may write in its place."""
    is_ = pa.types
    if is_.is_dictionary(kind):
        return _plain(kind.value_type)
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind):
        return pa.list_(_plain(kind.value_type))
    if is_.is_integer(kind) or is_.is_floating(kind):
        return pa.int64() if is_.is_integer(kind) else pa.float64()
    if is_.is_timestamp(kind):
        return pa.timestamp("us", "UTC")
    return pa.string() if is_.is_large_string(kind) or is_.is_string_view(kind) else kind


class _Files:
    """The files of one kind of a study, and the copy of what they held (None: there is none that can be read whole).

    `stamps` has their names, in order, with what tells that a file was written again: its size, and its time in ns.
    """

    def __init__(self, filesystem: pafs.FileSystem, study: str, kind: str, columns: Collection[str] | None):
        self.filesystem, self.folder, self.kind, self.columns = filesystem, join(study, kind), kind, columns
        found = filesystem.get_file_info(pafs.FileSelector(self.folder, allow_not_found=True))
        ours = (info for info in found if info.is_file and re.fullmatch(ROW_FILE, info.base_name))
        self.stamps = dict(sorted((info.base_name, (info.size, info.mtime_ns)) for info in ours))
        self.copy: Any = None
        with contextlib.suppress(pa.ArrowException, OSError):  # its pages have checksums
            with filesystem.open_input_file(f"{self.folder}.parquet") as file:
                table = _parsed(file, columns)
            self.copy = table if set(_STAMP_NAMES) <= set(table.column_names) else None

    def kept(self) -> tuple[pa.Table | None, list[str]]:
        """The rows of the copy that are what their files hold now, and the names of the other files."""
        if self.copy is None:
            return None, list(self.stamps)
        known = self.copy.select(_STAMP_NAMES).group_by(_STAMP_NAMES).aggregate([]).to_pydict()
        held = {name: stamp for name, *stamp in zip(*known.values(), strict=True) if stamp[1] is not None}
        current = [name for name, stamp in self.stamps.items() if held.get(name) == list(stamp)]
        rows = self.copy.filter(pc.is_in(self.copy[FILE.name], pa.array(current, FILE.type)))
        return rows, sorted(self.stamps.keys() - set(current))

    def together(self, kept: pa.Table | None, names: list[str]) -> pa.Table | None:
        """What was kept of the copy and the files of these names, in order, each row with the stamp of its file."""
        is_local = isinstance(self.filesystem, pafs.LocalFileSystem)  # decoding takes the time there, not waiting
        with contextlib.nullcontext() if is_local else ThreadPoolExecutor(_READERS) as pool:
            read = map(self._read, names) if pool is None else pool.map(self._read, names)
            # Thousands of tables of one row each would take over 100 kB a row.
            whole = (table for table in read if table is not None)
            batches = iter(lambda: list(islice(whole, _BATCH)), [])
            tables = [joined(batch).combine_chunks() for batch in batches]
        if kept is not None and (len(kept) or not tables):
            tables.insert(0, kept)
        if len(tables) < 2:
            return joined(tables) if tables else None
        table = joined(tables)
        return table.take(pc.sort_indices(table[FILE.name]))

    def _read(self, name: str) -> pa.Table | None:
        """A file's rows; None where it is gone, for what was listed may have been forgotten since, or left out."""
        path, trial = f"{self.folder}/{name}", name.removesuffix(".parquet")
        try:
            with self.filesystem.open_input_file(path) as file:
                table = parsed(file.read_buffer(), path, self.columns)
        except FileNotFoundError:
            return None
        if table is None:
            return None
        if self.kind in _OF_ONE:
            is_named = "trial_id" in table.column_names
            others = set(table["trial_id"].unique().to_pylist() if is_named else ()) - {None, trial}
            if others:
                tell(f"{path} is left out: it holds trial {min(map(str, others))}, as a copy of that one's file would")
                return None
            if not is_named and (self.columns is None or "trial_id" in self.columns):
                table = table.append_column("trial_id", pa.repeat(trial, len(table)))
        for column, value in zip(_STAMP, (name, *self.stamps[name]), strict=True):
            table = table.append_column(column, pa.repeat(pa.scalar(value, column.type), len(table)))
        return table


def parsed(data: pa.Buffer | bytes, path: str, columns: Collection[str] | None = None) -> pa.Table | None:
    """The rows of a Parquet file's bytes, or None where they are damaged: named once by the `path` of the file."""
    try:
        return _parsed(pa.BufferReader(data), columns)
    except (pa.ArrowException, OSError) as error:
        tell(f"{path} is damaged and left out ({error}); a row is written again when its study is run again")
        return None


def _parsed(file: pa.NativeFile, columns: Collection[str] | None) -> pa.Table:
    """What a file holds, in our types; pages with checksums are held against them."""
    parquet = pq.ParquetFile(file, page_checksum_verification=True)
    names = parquet.schema_arrow.names
    wanted = None if columns is None else [name for name in names if name in columns or name in _STAMP_NAMES]
    table = parquet.read(columns=wanted, use_threads=False)
    for place, column in enumerate(table.schema):
        if (kind := _plain(column.type)) != column.type:
            values = table[place].cast(kind, safe=pa.types.is_integer(kind))
            table = table.set_column(place, column.with_type(kind), values)
    return table

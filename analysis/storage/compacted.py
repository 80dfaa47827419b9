"""The files of a study's rows or curves, read fast: one compacted copy beside many small files.

    studies/<study>/trials/<trial_id>.parquet     the truth: the files that are listed are the rows that exist
    studies/<study>/trials.parquet                a copy of what they held, with each file's size and time of writing

Files with other names are not ours. A file that is damaged, or holds another trial than its name says, is left out and
named. Another version may have written other columns, or the same ones in other types: all come out in ours.

The copy only saves reading. A row of it counts where its file is listed with that size and that time; whatever else is
listed is read from its own file. So a row that was forgotten, written again or added since, and a copy that is damaged
or missing, change how long reading takes and nothing else, and several drivers may replace the copy at any time.
"""

import contextlib
import functools
import itertools
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from analysis.storage.files import tell
from analysis.storage.places import join

ROW_FILE = r"[0-9a-f]{12}\.parquet"
"""The exact form of the names of these files: those of trials, and of devices and protocols, are 12 hex digits."""
FILE, BYTES, WRITTEN = "_file", "_file_bytes", "_file_written_ns"
_STAMP = [FILE, BYTES, WRITTEN]
_OF_ONE = ("trials", "curves")
"""The kinds of files that are each of one trial."""
_READERS = 16
_BATCH = 500

Files = dict[str, tuple[int, int | None]]
"""Names, in order, with what tells that a file was written again: its size, and its time of writing in ns."""


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
    files = _listed(filesystem, study, kind)
    if only is not None:
        wanted = {f"{name}.parquet" for name in only}
        files = {name: stamp for name, stamp in files.items() if name in wanted}
    kept = _current(_copy(filesystem, study, kind, columns), files)
    if sample is not None:
        held = _names(kept)
        unread = set([name for name in files if name not in held][sample:])
        files = {name: stamp for name, stamp in files.items() if name not in unread}
    table = _together(filesystem, study, kind, files, kept, columns)
    return None if table is None else table.drop_columns(_STAMP)


def compacted(filesystem: pafs.FileSystem, study: str, kind: str, most_bytes: int | None = None) -> pa.Table | None:
    """The compacted copy as it should be now, or None: it is so already, or its files hold more than `most_bytes`."""
    files = _listed(filesystem, study, kind)
    if most_bytes is not None and sum(size for size, _ in files.values()) > most_bytes:
        return None
    copy = _copy(filesystem, study, kind, None)
    kept = _current(copy, files)
    if len(_names(kept)) == len(files) and (copy is None or kept is None or len(kept) == len(copy)):
        return None
    return _together(filesystem, study, kind, files, kept, None)


def joined(tables: Iterable[pa.Table]) -> pa.Table:
    """All rows as one table, with what any of the tables says of a column, or as `format` of itself.

    Rows of a table that lacks a column have there what its metadata say `before` (JSON): a later version added it.
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
    for place, schema in enumerate(schemas):
        for column in schema:
            kinds.setdefault(column.name, Counter())[column.type] += rows[place]
    for name, found in kinds.items():
        if not found.keys() - {pa.null()} <= {pa.int64(), pa.float64()} and len(found.keys() - {pa.null()}) > 1:
            kind = max(found.keys() - {pa.null()}, key=lambda each: found[each])
            tables = [_in_type(table, name, kind) for table in tables]
    said: dict[str, pa.Field] = {}
    for column in (column for schema in schemas for column in schema if column.metadata):
        earlier = said[column.name].metadata if column.name in said else {}
        said[column.name] = column.with_metadata(earlier | column.metadata)
    added = [column for column in said.values() if b"before" in column.metadata]
    whole = pa.concat_tables([_filled(table, added) for table in tables], promote_options="permissive")
    known = {name: column.metadata for name, column in said.items()}
    columns = [column.with_metadata(known.get(column.name)) for column in whole.schema]
    newest = max(int((schema.metadata or {}).get(b"format", 1)) for schema in schemas)
    about = {**(whole.schema.metadata or {}), b"format": str(newest)}
    return pa.Table.from_arrays(whole.columns, schema=pa.schema(columns, about))


def _filled(table: pa.Table, added: list[pa.Field]) -> pa.Table:
    """A table with the columns that it lacks."""
    for column in added:
        if column.name not in table.column_names:
            value = pa.scalar(json.loads(column.metadata[b"before"]), column.type)
            table = table.append_column(column, pa.repeat(value, len(table)))
    return table


def _in_type(table: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    """A table with a column in the type of most of its rows; values that it can't hold are left out and named."""
    if name not in table.column_names or table.schema.field(name).type == kind:
        return table
    try:
        values = table[name].cast(kind)
    except pa.ArrowException as error:
        owners = table["trial_id"].unique().to_pylist() if "trial_id" in table.column_names else []
        tell(f"{name} is left out of trial {', '.join(map(str, owners))}: other trials have it as {kind} ({error})")
        values = pa.nulls(len(table), kind)
    place = table.column_names.index(name)
    return table.set_column(place, table.schema.field(name).with_type(kind), values)


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


def _listed(filesystem: pafs.FileSystem, study: str, kind: str) -> Files:
    found = filesystem.get_file_info(pafs.FileSelector(join(study, kind), allow_not_found=True))
    ours = (info for info in found if info.is_file and re.fullmatch(ROW_FILE, info.base_name))
    return dict(sorted((info.base_name, (info.size, info.mtime_ns)) for info in ours))


def _copy(filesystem: pafs.FileSystem, study: str, kind: str, columns: Collection[str] | None) -> pa.Table | None:
    """The compacted copy, or None where there is none that can be read whole; its pages have checksums."""
    try:
        with filesystem.open_input_file(join(study, f"{kind}.parquet")) as file:
            table = _parsed(file, columns)
    except (pa.ArrowException, OSError):
        return None
    return table if set(_STAMP) <= set(table.column_names) else None


def _current(copy: pa.Table | None, files: Files) -> pa.Table | None:
    """The rows of the copy that are what their files hold now."""
    if copy is None:
        return None
    stamps = copy.select(_STAMP).group_by(_STAMP).aggregate([]).to_pylist()
    known = {stamp[FILE]: (stamp[BYTES], stamp[WRITTEN]) for stamp in stamps}
    current = [name for name, stamp in files.items() if stamp[1] is not None and known.get(name) == stamp]
    return copy.filter(pc.is_in(copy[FILE], pa.array(current, pa.string())))


def _names(table: pa.Table | None) -> set[str]:
    return set() if table is None else set(pc.unique(table[FILE]).to_pylist())


def _together(
    filesystem: pafs.FileSystem,
    study: str,
    kind: str,
    files: Files,
    kept: pa.Table | None,
    columns: Collection[str] | None,
) -> pa.Table | None:
    """What was kept of the copy and the files that it lacks, in order, each row with the stamp of its file."""
    held = _names(kept)
    missing = [name for name in files if name not in held]

    def stamped(name: str) -> pa.Table | None:
        table = _read(filesystem, join(study, kind, name), columns)
        if table is None or (kind in _OF_ONE and not _is_of(table, join(study, kind, name))):
            return None
        if kind in _OF_ONE and "trial_id" not in table.column_names and (columns is None or "trial_id" in columns):
            table = table.append_column("trial_id", pa.repeat(name.removesuffix(".parquet"), len(table)))
        types = pa.string(), pa.int64(), pa.int64()
        for column, value, hint in zip(_STAMP, (name, *files[name]), types, strict=True):
            table = table.append_column(column, pa.repeat(pa.scalar(value, hint), len(table)))
        return table

    is_local = isinstance(filesystem, pafs.LocalFileSystem)  # decoding takes the time there, not waiting
    with contextlib.nullcontext() if is_local else ThreadPoolExecutor(_READERS) as pool:
        read = map(stamped, missing) if pool is None else pool.map(stamped, missing)
        tables = list(_batches(table for table in read if table is not None))
    if kept is not None and (len(kept) or not tables):
        tables.insert(0, kept)
    if not tables:
        return None
    table = joined(tables)
    return table.take(pc.sort_indices(table[FILE])) if len(tables) > 1 else table


def _batches(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The rows in tables of many: thousands of one row each would take over 100 kB a row."""
    while batch := list(itertools.islice(tables, _BATCH)):
        yield joined(batch).combine_chunks()


def _is_of(table: pa.Table, path: str) -> bool:
    """Whether a file's rows are those of the trial that its name says; rows without a `trial_id` are."""
    held = pc.unique(table["trial_id"]).to_pylist() if "trial_id" in table.column_names else []
    others = sorted(map(str, set(held) - {None, path.rpartition("/")[2].removesuffix(".parquet")}))
    if others:
        tell(f"{path} is left out: it holds trial {others[0]}, as a copy of that one's file would")
    return not others


def _read(filesystem: pafs.FileSystem, path: str, columns: Collection[str] | None = None) -> pa.Table | None:
    """A Parquet file; None where it is gone, for what was listed may have been forgotten since, or damaged."""
    try:
        with filesystem.open_input_file(path) as file:
            data = file.read_buffer()
    except FileNotFoundError:
        return None
    return parsed(data, path, columns)


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
    wanted = None
    if columns is not None:
        wanted = [name for name in parquet.schema_arrow.names if name in columns or name in _STAMP]
    table = parquet.read(columns=wanted, use_threads=False)
    for place, column in enumerate(table.schema):
        if (kind := _plain(column.type)) != column.type:
            values = table[place].cast(kind, safe=pa.types.is_integer(kind))
            table = table.set_column(place, column.with_type(kind), values)
    return table

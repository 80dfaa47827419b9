"""The files of a study's rows or curves, read fast: one compacted copy beside many small files.

    studies/<study>/trials/<trial_id>.parquet     the truth: the files that are listed are the rows that exist
    studies/<study>/trials.parquet                a copy of what they held, with each file's size and time of writing

The copy only saves reading. A row of it counts where its file is listed with that size and that time; whatever else is
listed is read from its own file. So a row that was forgotten, written again or added since, and a copy that is damaged
or missing, change how long reading takes and nothing else, and several drivers may replace the copy at any time.
"""

import contextlib
import itertools
import json
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from analysis.storage.places import join

FILE, BYTES, WRITTEN = "_file", "_file_bytes", "_file_written_ns"
_STAMP = [FILE, BYTES, WRITTEN]
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
    for table in tables:
        if not any(table.schema.equals(schema, check_metadata=True) for schema in schemas):
            schemas.append(table.schema)
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


def _listed(filesystem: pafs.FileSystem, study: str, kind: str) -> Files:
    found = filesystem.get_file_info(pafs.FileSelector(join(study, kind), allow_not_found=True))
    named = {info.base_name: (info.size, info.mtime_ns) for info in found if info.base_name.endswith(".parquet")}
    return dict(sorted(named.items()))


def _copy(filesystem: pafs.FileSystem, study: str, kind: str, columns: Collection[str] | None) -> pa.Table | None:
    """The compacted copy, or None where there is none that can be read whole; its pages have checksums."""
    try:
        table = _read(filesystem, join(study, f"{kind}.parquet"), columns, checked=True)
    except (pa.ArrowException, OSError):
        return None
    return table if table is not None and set(_STAMP) <= set(table.column_names) else None


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
        if table is None:
            return None
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


def _read(
    filesystem: pafs.FileSystem, path: str, columns: Collection[str] | None = None, checked: bool = False
) -> pa.Table | None:
    """A Parquet file, or None where it is gone: what was listed may have been forgotten since."""
    try:
        with filesystem.open_input_file(path) as file:
            parquet = pq.ParquetFile(file, page_checksum_verification=checked)
            wanted = None
            if columns is not None:
                wanted = [name for name in parquet.schema_arrow.names if name in columns or name in _STAMP]
            return parquet.read(columns=wanted, use_threads=False)
    except FileNotFoundError:
        return None

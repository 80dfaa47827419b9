"""The files of a study's rows or curves, read fast: one compacted copy beside many small files.

    studies/<study>/trials/<trial_id>.parquet     the truth: the files that are listed are the rows that exist
    studies/<study>/trials.parquet                a copy of what they held, with each file's size and time of writing

The copy only saves reading. A row of it counts where its file is listed with that size and that time; whatever else is
listed is read from its own file. So a row that was forgotten, written again or added since, and a copy that is damaged or
missing, change how long reading takes and nothing else, and several drivers may replace the copy at any time.
"""

from __future__ import annotations

import contextlib
import itertools
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
    copy = _copy(filesystem, study, kind, columns)
    current = [] if copy is None else _current(copy, files)
    kept = None if copy is None else copy.filter(pc.is_in(copy[FILE], pa.array(current, pa.string())))
    if sample is not None:
        held = set(current)
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
    current = [] if copy is None else _current(copy, files)
    if len(current) == len(files) and (copy is None or len(current) == len(pc.unique(copy[FILE]))):
        return None
    kept = None if copy is None else copy.filter(pc.is_in(copy[FILE], pa.array(current, pa.string())))
    return _together(filesystem, study, kind, files, kept, None)


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


def _current(copy: pa.Table, files: Files) -> list[str]:
    """The files whose rows in the copy are those that they hold now."""
    stamps = copy.select(_STAMP).group_by(_STAMP).aggregate([]).to_pylist()
    known = {stamp[FILE]: (stamp[BYTES], stamp[WRITTEN]) for stamp in stamps}
    return [name for name, stamp in files.items() if stamp[1] is not None and known.get(name) == stamp]


def _together(
    filesystem: pafs.FileSystem,
    study: str,
    kind: str,
    files: Files,
    kept: pa.Table | None,
    columns: Collection[str] | None,
) -> pa.Table | None:
    """What was kept of the copy and the files that it lacks, in order, each row with the stamp of its file."""
    held = set() if kept is None else set(pc.unique(kept[FILE]).to_pylist())
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
        tables = list(_joined(table for table in read if table is not None))
    if kept is not None and (len(kept) or not tables):
        tables.insert(0, kept)
    if not tables:
        return None
    table = pa.concat_tables(tables, promote_options="permissive")
    return table.take(pc.sort_indices(table[FILE])) if len(tables) > 1 else table


def _joined(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of many: thousands of one row each would take over 100 kB a row."""
    remaining = iter(tables)
    while batch := list(itertools.islice(remaining, _BATCH)):
        yield pa.concat_tables(batch, promote_options="permissive").combine_chunks()


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

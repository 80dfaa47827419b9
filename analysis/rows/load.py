"""The rows and curves of a store as data frames.

All raise StorageError where there is no such store, or no such study in it: named, with those that there are.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis.rows.columns import FOUND, IDENTITY, configured, record
from analysis.rows.units import nearest
from analysis.storage.compacted import joined, read_files
from analysis.storage.files import Files
from analysis.storage.places import StorageError, redacted

_NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
"""Counts and flags stay what they are where some are null."""


def load(storage: str | Path, study: str | None = None) -> pd.DataFrame:
    """One row a trial, of one study or of all in a store; see the README for the columns.

    A figure that was not measured is null. Raises StorageError: no such store, or study; it names those that there are.
    """
    return _read(storage, study, "trials")


def load_curves(storage: str | Path, study: str | None = None) -> pd.DataFrame:
    """One row a reported iteration of a trial: `trial_id, stage, iteration`, losses, `alpha`, `psnr_db`, `seconds`."""
    return _read(storage, study, "curves")


def load_references(storage: str | Path, study: str | None = None) -> pd.DataFrame:
    """One row for each method without training and each protocol: the degraded input, and classical methods."""
    return _read(storage, study, "references")


def load_timings(storage: str | Path, study: str | None = None) -> pd.DataFrame:
    """Testing times that were taken later, on other devices: one row a trial and device, in a trial's columns."""
    return _read(storage, study, "timings")


def load_oneshot(storage: str | Path, study: str | None = None) -> pd.DataFrame:
    """One-shot scores: one row a search and architecture, `oneshot_psnr_db` with batch norm's statistics taken anew.

    `oneshot_kept_psnr_db` is with the statistics of the supernet, `supernet_psnr_db` the supernet's own at its α.
    """
    return _read(storage, study, "oneshot")


def read_about(storage: str | Path, study: str) -> dict[str, Any]:
    """`study.json`: `question`, `trials` (what was planned), `runs` (command, commit, versions, hardware); or empty."""
    return _opened(storage, study)[0].json(f"studies/{study}/study.json") or {}


def _opened(storage: str | Path, study: str | None) -> tuple[Files, list[str]]:
    """The storage, and the studies that are asked for."""
    files, place = Files(storage), redacted(str(storage))
    known, root = files.studies(), Path(files.root)
    if not known and not files.is_there():
        beside = Files(root.parent).folders("") if files.is_local else []
        raise StorageError(f"{place}: no such folder{nearest(root.name, beside)}")
    if not known:
        raise StorageError(f"{place}: holds no studies")
    if study is not None and study not in known:
        raise StorageError(f"{place}: holds no study {study}{nearest(study, known)}; it holds {', '.join(known)}")
    return files, known if study is None else [study]


def _read(storage: str | Path, study: str | None, kind: str) -> pd.DataFrame:
    files, studies = _opened(storage, study)
    found = [read_files(files.filesystem, files.path("studies", name), kind) for name in studies]
    tables = [table for table in found if table is not None]
    if not tables:
        return pd.DataFrame()
    whole = joined(tables)
    for column in [*IDENTITY, *configured(), *FOUND] if kind == "trials" else []:
        if column.name not in whole.column_names:
            whole = whole.append_column(column, pa.nulls(len(whole), column.type))
    files.check_format(int(whole.schema.metadata[b"format"]), "one of its rows")
    record(whole.schema)
    return whole.to_pandas(types_mapper=_NULLABLE.get)


_SAID = "kind architecture columns test_set seed parameters replicate_id".split()


def lacking(frame: pd.DataFrame) -> pd.Series:
    """What each finished row lacks of what says which network it is of, as a text; rows that lack nothing are left out.

    No row that a study of this version wrote lacks any of it. Such rows stand in no table, figure or sentence.
    """
    rows = finished(frame)
    names = [name for name in _SAID if name in rows]
    lacks = rows[names].isna() if names else pd.DataFrame(index=rows.index)
    return lacks[lacks.any(axis=1)].apply(lambda row: ", ".join(row.index[row]), axis=1).astype(object)


def whole(frame: pd.DataFrame) -> pd.DataFrame:
    """The finished rows that say which network they are of."""
    return finished(frame).drop(index=lacking(frame).index)


def finished(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of trials that ran to their end."""
    return frame[frame["status"] == "finished"] if len(frame) else frame

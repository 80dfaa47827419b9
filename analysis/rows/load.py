"""The rows and curves of a store as data frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.fs as pafs

from analysis.storage.compacted import read_files
from analysis.storage.places import StorageError, join, names, open_storage, redacted

_NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
"""Counts and flags stay what they are where some are null."""


def load(storage: str | Path, study: str | None = None) -> pd.DataFrame:
    """One row a trial, of one study or of all in a store; see the README for the columns.

    A figure that was not measured is null.

    Raises:
        StorageError: no such store, or no such study in it (named, with those that there are).
    """
    return _read(storage, study, "trials")


def load_curves(storage: str | Path, study: str | None = None) -> pd.DataFrame:
    """One row for each reported iteration of each trial: `trial_id, stage, iteration`, losses, `alpha`, `psnr_db`, `seconds`.

    Raises:
        StorageError: as `load`.
    """
    return _read(storage, study, "curves")


def load_references(storage: str | Path, study: str | None = None) -> pd.DataFrame:
    """One row for each method without training and each protocol: the degraded input, and classical denoisers.

    Raises:
        StorageError: as `load`.
    """
    return _read(storage, study, "references")


def load_timings(storage: str | Path, study: str | None = None) -> pd.DataFrame:
    """Testing times that were taken later, on other devices: one row a trial and device, columns as in a trial's row.

    Raises:
        StorageError: as `load`.
    """
    return _read(storage, study, "timings")


def load_oneshot(storage: str | Path, study: str | None = None) -> pd.DataFrame:
    """One-shot scores: one row a search and architecture, `oneshot_psnr_db` with batch norm's statistics taken anew.

    `oneshot_kept_psnr_db` is with the statistics of the supernet, `supernet_psnr_db` the supernet's own at its α.

    Raises:
        StorageError: as `load`.
    """
    return _read(storage, study, "oneshot")


def read_about(storage: str | Path, study: str) -> dict[str, Any]:
    """What `study.json` says of a study: its trials' configurations, and command, commit, versions and hardware of every run.

    Empty where the study has none.

    Raises:
        StorageError: as `load`, or the file is no JSON.
    """
    filesystem, root = _opened(storage, study)
    path = join(root, "studies", study, "study.json")
    try:
        with filesystem.open_input_stream(path) as stream:
            return json.loads(stream.read())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise StorageError(f"{redacted(str(storage))}: studies/{study}/study.json is damaged: {error}") from None


def _opened(storage: str | Path, study: str | None) -> tuple[pafs.FileSystem, str]:
    filesystem, root = open_storage(storage)
    known = names(filesystem, join(root, "studies"))
    if not known:
        raise StorageError(f"{redacted(str(storage))}: holds no studies")
    if study is not None and study not in known:
        raise StorageError(f"{redacted(str(storage))}: holds no study {study}; it holds {', '.join(known)}")
    return filesystem, root


def _read(storage: str | Path, study: str | None, kind: str) -> pd.DataFrame:
    filesystem, root = _opened(storage, study)
    studies = names(filesystem, join(root, "studies")) if study is None else [study]
    found = [read_files(filesystem, join(root, "studies", name), kind) for name in studies]
    tables = [table for table in found if table is not None]
    if not tables:
        return pd.DataFrame()
    return pa.concat_tables(tables, promote_options="permissive").to_pandas(types_mapper=_NULLABLE.get)


def finished(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of trials that ran to their end."""
    return frame[frame["status"] == "finished"] if len(frame) else frame

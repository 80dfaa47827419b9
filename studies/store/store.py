"""The store: what each stage produced and one row a trial, in a folder or on S3, written whole or not at all.

    stages/<stage>/<key>/result.json        what the stage found; its presence says that the stage is finished
    stages/<stage>/<key>/…                  its files (network, curve, pictures), written before result.json
    stages/<stage>/<key>/checkpoint-N       a stage under way; removed when it is finished
    studies/<study>/study.json, trials/<trial_id>.parquet, curves/<trial_id>.parquet, report/
    drivers/<id>                            a driver at work, and what it has claimed (studies.store.claims)
    studies/<study>/trials.parquet, curves.parquet   copies of those files in one (`analysis.storage.compacted`)

A key is a hash of exactly what determines a result, so writing twice writes the same. A local file is
written beside its place and renamed; an object of S3 is put in one request. A worker that was cut off and
replaced may write late: what is finished stays as it is, and a checkpoint of it is removed again.
"""

import contextlib
import json
import re
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.storage.compacted import ROW_FILE, compacted, parsed, read_files
from analysis.storage.files import FORMAT, Files
from analysis.storage.places import StorageError, absolute_folder, cause, redacted

CURVES_BYTES = 2**26
Row = dict[str, Any]
CHECKPOINT = r"checkpoint-\d{9,}"


def storage_of(text: str) -> str:
    """What a user's `--storage` names: a folder as `absolute_folder` has it, or a URI as it is."""
    return text if "://" in text else absolute_folder(text)


class Store(Files):
    """The results below one storage: an absolute folder or a URI."""

    def check_writable(self) -> None:
        """Writes a file, and removes it and the folders that it needed. Raises StorageError: it failed, and why."""
        probe = f"probe-{uuid.uuid4().hex}"
        folders = (Path(self.root), *Path(self.root).parents) if self.is_local else ()
        new = [folder for folder in folders if not folder.exists()]
        try:
            self.write(probe, b"")
            self.filesystem.delete_file(self.path(probe))
            for folder in new:
                folder.rmdir()
        except Exception as error:
            raise StorageError(f"--storage {redacted(self.storage)}: can't be written ({cause(error)})") from None

    # Stages

    def result(self, stage: str, key: str) -> dict[str, Any] | None:
        """What a finished stage found, or None where it is not finished."""
        return self.json(f"stages/{stage}/{key}/result.json")

    def finished(self, stage: str) -> dict[str, int]:
        """The keys of all finished stages of a kind and the bytes that each takes, from one listing."""
        files = self.listing(f"stages/{stage}")
        sizes = {name.partition("/")[0]: 0 for name in files if re.fullmatch("[^/]+/result.json", name)}
        for name, info in files.items():
            key, _, file = name.partition("/")
            if key in sizes and "/" not in file:
                sizes[key] += info.size
        return sizes

    def finish(self, stage: str, key: str, result: dict[str, Any], files: dict[str, bytes]) -> None:
        """Records a stage as finished, unless it is already, and removes its checkpoints."""
        folder = f"stages/{stage}/{key}"
        if self.result(stage, key) is None:
            for name, data in files.items():
                self.write(f"{folder}/{name}", data)
            text = json.dumps({"format": FORMAT, **result}, sort_keys=True, allow_nan=False)
            self.write(f"{folder}/result.json", text.encode())
        for name in self.names(folder, CHECKPOINT):
            self.remove(f"{folder}/{name}")

    def save_checkpoint(self, stage: str, key: str, iteration: int, data: bytes) -> None:
        """Keeps a checkpoint of a stage under way, and the one before it; none of a stage that is finished."""
        folder = f"stages/{stage}/{key}"
        # A checkpoint has a checksum, and one before it.
        self.write(f"{folder}/checkpoint-{iteration:09d}", data, is_durable=False)
        kept = self.names(folder, CHECKPOINT)
        # The result is looked for after the checkpoint is written: looked for before, it could come in between.
        for name in kept[:-2] if self.result(stage, key) is None else kept:
            self.remove(f"{folder}/{name}")

    def forget_checkpoints(self, stage: str, key: str, after: int) -> None:
        """Removes the checkpoints of a stage under way that are of later iterations than `after`."""
        folder = f"stages/{stage}/{key}"
        for name in self.names(folder, CHECKPOINT):
            if _iteration(name) > after:
                self.remove(f"{folder}/{name}")

    def checkpoints(self, stage: str, key: str) -> list[bytes]:
        """The kept checkpoints of a stage, newest first."""
        folder = f"stages/{stage}/{key}"
        found = (self.read(f"{folder}/{name}") for name in reversed(self.names(folder, CHECKPOINT)))
        return [data for data in found if data is not None]

    def saved_iteration(self, stage: str, key: str) -> int:
        """The iteration up to which a stage under way is safe in the store; 0 where no checkpoint is."""
        kept = self.names(f"stages/{stage}/{key}", CHECKPOINT)
        return _iteration(kept[-1]) if kept else 0

    # Trials

    def trial_ids(self, study: str) -> set[str]:
        """The trials of a study that have a row's file; whether it is a whole one, `rows` says."""
        return {name.removesuffix(".parquet") for name in self.names(f"studies/{study}/trials", ROW_FILE)}

    def rows(
        self, study: str, trial_ids: Collection[str], columns: Collection[str] | None = None, kind: str = "trials"
    ) -> list[Row]:
        """Rows of trials that have ended, or records of `curves`, or some columns of them.

        A column that no row has is null, as another version may have none such. A damaged row is none, and is named.
        """
        folder = self.path("studies", study)
        table = read_files(self.filesystem, folder, kind, trial_ids, columns) if trial_ids else None
        from studies.store.rows import CURVE, ROW  # needs scikit-image, which a node may lack

        return _records(table, (ROW if kind == "trials" else CURVE).names if columns is None else columns)

    def sampled_rows(self, columns: Collection[str], sample: int) -> list[Row]:
        """Some columns of the rows of all studies: those of the compacted copies, and `sample` more of each study."""
        folders = [self.path("studies", study) for study in self.studies()]
        tables = [read_files(self.filesystem, folder, "trials", None, columns, sample) for folder in folders]
        return [row for table in tables for row in _records(table, columns)]

    def curve(self, name: str) -> list[Row]:
        """The records of a curve's file; none where it is missing, or damaged, which is told."""
        data = self.read(name)
        from studies.store.rows import CURVE

        return _records(None if data is None else parsed(data, self.path(name)), CURVE.names)

    def learnt_curve(self, stage: str, key: str) -> list[Row]:
        """The curve that a search or a training has left; empty where it has not finished."""
        return self.curve(f"stages/{stage}/{key}/curve.parquet")

    def end_trial(self, study: str, trial_id: str, row: pa.Table, curve: pa.Table) -> None:
        """Writes a trial's curve, then its row; a row that is there stays as it is, unless it is damaged."""
        name = f"studies/{study}/trials/{trial_id}.parquet"
        there = self.read(name)
        if there is None or parsed(there, self.path(name)) is None:
            self.write(f"studies/{study}/curves/{trial_id}.parquet", as_parquet(curve))
            self.write(name, as_parquet(row))

    def write_rows(self, name: str, rows: list[Row]) -> None:
        """Writes a file of rows whose columns are those of the first."""
        self.write(name, as_parquet(pa.Table.from_pylist(rows)))

    def forget_trial(self, study: str, trial_id: str) -> None:
        """Removes a trial's row, so that the trial counts as missing."""
        self.remove(f"studies/{study}/trials/{trial_id}.parquet")

    def compact(self, study: str) -> None:
        """Brings the compacted copies of a study's files up to date, which save time; none of over `CURVES_BYTES`."""
        for kind, most in (("trials", None), ("curves", CURVES_BYTES)):
            with contextlib.suppress(OSError):
                table = compacted(self.filesystem, self.path("studies", study), kind, most)
                if table is not None:
                    self.write(f"studies/{study}/{kind}.parquet", as_parquet(table))


def _iteration(checkpoint: str) -> int:
    return int(checkpoint.removeprefix("checkpoint-"))


def as_parquet(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file; one row alone gains nothing by dictionaries and statistics."""
    sink, is_several = pa.BufferOutputStream(), len(table) > 1
    pq.write_table(table, sink, use_dictionary=is_several, write_statistics=is_several, write_page_checksum=True)
    return sink.getvalue().to_pybytes()


def _records(table: pa.Table | None, columns: Collection[str]) -> list[Row]:
    return [] if table is None else [dict.fromkeys(columns) | row for row in table.to_pylist()]

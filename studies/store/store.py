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
from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from analysis.storage.compacted import compacted, read_files
from analysis.storage.files import FORMAT, Files
from analysis.storage.places import absolute_folder

CURVES_BYTES = 2**26
Row = dict[str, Any]
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


def storage_of(text: str) -> str:
    """What a user's `--storage` names: a folder as `absolute_folder` has it, or a URI as it is."""
    return text if "://" in text else absolute_folder(text)


class Store(Files):
    """The results below one storage: an absolute folder or a URI."""

    # Stages

    def result(self, stage: str, key: str) -> dict[str, Any] | None:
        """What a finished stage found, or None where it is not finished."""
        data = self.read(f"stages/{stage}/{key}/result.json")
        return None if data is None else self.checked(json.loads(data), f"stages/{stage}/{key}")

    def checked(self, about: dict[str, Any], name: str) -> dict[str, Any]:
        """What some version wrote under `name`; StorageError where that version uses a newer format."""
        self.check_format(about.get("format", 1), name)
        return about

    def finished(self, stage: str) -> dict[str, int]:
        """The keys of all finished stages of a kind and the bytes that each takes, from one listing."""
        below = self.path("stages", stage)
        found = self.filesystem.get_file_info(pafs.FileSelector(below, allow_not_found=True, recursive=True))
        files = [info for info in found if info.is_file]
        sizes = {info.path.split("/")[-2]: 0 for info in files if info.base_name == "result.json"}
        for info in files:
            key = info.path.split("/")[-2]
            if key in sizes:
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
        for name in self._checkpoints(folder):
            self.remove(f"{folder}/{name}")

    def save_checkpoint(self, stage: str, key: str, iteration: int, data: bytes) -> None:
        """Keeps a checkpoint of a stage under way, and the one before it; none of a stage that is finished."""
        folder = f"stages/{stage}/{key}"
        # A checkpoint has a checksum, and one before it.
        self.write(f"{folder}/checkpoint-{iteration:09d}", data, is_durable=False)
        kept = self._checkpoints(folder)
        # The result is looked for after the checkpoint is written: looked for before, it could come in between.
        for name in kept[:-2] if self.result(stage, key) is None else kept:
            self.remove(f"{folder}/{name}")

    def forget_checkpoints(self, stage: str, key: str, after: int) -> None:
        """Removes the checkpoints of a stage under way that are of later iterations than `after`."""
        folder = f"stages/{stage}/{key}"
        for name in self._checkpoints(folder):
            if _iteration(name) > after:
                self.remove(f"{folder}/{name}")

    def checkpoints(self, stage: str, key: str) -> list[bytes]:
        """The kept checkpoints of a stage, newest first."""
        folder = f"stages/{stage}/{key}"
        found = (self.read(f"{folder}/{name}") for name in reversed(self._checkpoints(folder)))
        return [data for data in found if data is not None]

    def saved_iteration(self, stage: str, key: str) -> int:
        """The iteration up to which a stage under way is safe in the store; 0 where no checkpoint is."""
        kept = self._checkpoints(f"stages/{stage}/{key}")
        return _iteration(kept[-1]) if kept else 0

    def _checkpoints(self, folder: str) -> list[str]:
        return [name for name in self.names(folder) if _CHECKPOINT.fullmatch(name)]

    # Trials

    def trial_ids(self, study: str) -> set[str]:
        """The trials of a study that have ended."""
        return {name.removesuffix(".parquet") for name in self.names(f"studies/{study}/trials", ".parquet")}

    def rows(
        self, study: str, trial_ids: Collection[str], columns: Collection[str] | None = None, kind: str = "trials"
    ) -> list[Row]:
        """The rows, or the records of the `curves`, or some columns of them, of those of the trials that have ended."""
        table = read_files(self.filesystem, self.path("studies", study), kind, trial_ids, columns)
        return [] if table is None else table.to_pylist()

    def sampled_rows(self, columns: Collection[str], sample: int) -> list[Row]:
        """Some columns of the rows of all studies: those of the compacted copies, and `sample` more of each study."""
        folders = [self.path("studies", study) for study in self.names("studies")]
        tables = [read_files(self.filesystem, folder, "trials", None, columns, sample) for folder in folders]
        return [row for table in tables if table is not None for row in table.to_pylist()]

    def end_trial(self, study: str, trial_id: str, row: pa.Table, curve: pa.Table) -> None:
        """Writes a trial's curve, then its row; a row that is there stays as it is."""
        if self.read(f"studies/{study}/trials/{trial_id}.parquet") is None:
            self.write(f"studies/{study}/curves/{trial_id}.parquet", as_parquet(curve))
            self.write(f"studies/{study}/trials/{trial_id}.parquet", as_parquet(row))

    def forget_trial(self, study: str, trial_id: str) -> None:
        """Removes a trial's row, so that the trial counts as missing."""
        self.remove(f"studies/{study}/trials/{trial_id}.parquet")

    def compact(self, study: str) -> None:
        """Brings the compacted copies of a study's rows and curves up to date; they save time and are never needed.

        Curves are left as they are where their files hold more than `CURVES_BYTES`: the copy is read and written whole.
        """
        for kind, most in (("trials", None), ("curves", CURVES_BYTES)):
            with contextlib.suppress(OSError):
                table = compacted(self.filesystem, self.path("studies", study), kind, most)
                if table is not None:
                    self.write(f"studies/{study}/{kind}.parquet", as_parquet(table))


def _iteration(checkpoint: str) -> int:
    return int(checkpoint.removeprefix("checkpoint-"))


def as_parquet(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_page_checksum=True)
    return sink.getvalue().to_pybytes()


def from_parquet(data: bytes | None) -> list[dict[str, Any]]:
    """The rows of a Parquet file's bytes; none for None."""
    return [] if data is None else pq.read_table(pa.BufferReader(data)).to_pylist()

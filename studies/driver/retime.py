"""Times the networks of a study on this machine, without training anything: `python -m studies.driver.retime STORAGE STUDY`.

Rows keep the time that they were written with. What is measured here stands in `studies/<study>/timings/`, one file a
device, is read by `analysis.load_timings`, and gets a figure of its own in the report. The machine should have nothing
else to do meanwhile.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from rich.console import Console

from analysis.report.report import write_report
from analysis.storage.places import StorageError
from analysis.study_results import Results
from clearer.architecture import Architecture
from clearer.command import OneLineParser
from clearer.configuration import Configuration, digest
from clearer.images.reading import ImageError
from clearer.timing import UnsteadyError, device_name
from studies.store.claims import Claims, timing_name
from studies.store.store import Store, as_parquet
from studies.work import stages
from studies.work.remote_images import data_place
from studies.work.stages import Place
from studies.work.trials import prepare

COLUMNS = (
    "test_time_ms",
    "test_time_iqr_ms",
    "test_time_spread",
    "test_time_images",
    "test_time_size",
    "test_set_seconds",
    "device",
)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; the exit status: 0 all timed, 1 some were not, 2 a mistake in the request."""
    parser = OneLineParser(
        prog="python -m studies.driver.retime", description="Time a study's networks on this machine."
    )
    parser.add_argument("storage", metavar="STORAGE", help="the folder or URI of the store")
    parser.add_argument("study", metavar="STUDY", help="the name of the study, such as lambda_pareto")
    parser.add_argument("--data", metavar="DIR|URI", help="the folder, or s3://bucket/prefix, that holds the datasets")
    parser.add_argument("--gpu", action="store_true", help="time on this machine's GPU (default: CPU)")
    options = parser.parse_args(arguments)
    if options.gpu and not torch.cuda.is_available():
        parser.error("--gpu: torch finds no CUDA device on this machine")
    try:
        left = retime(options.storage, options.study, options.data, options.gpu, Console(highlight=False))
    except (StorageError, ImageError) as error:
        parser.error(str(error))
    return 1 if left else 0


def retime(storage: str, study: str, data: str | None, gpu: bool, console: Console) -> int:
    """Times every finished trial of a study on this machine, prints the times and renews the report; how many were not timed.

    Raises:
        StorageError: no such study.
        ImageError: the test images can't be read, or are not those that the networks were tested on.
    """
    store = Store(storage if "://" in storage else str(Path(storage).absolute()))
    about = store.read(f"studies/{study}/study.json")
    if about is None:
        raise StorageError(f"{storage}: holds no study {study}")
    configurations = json.loads(about)["trials"]
    place = Place(store.storage, data_place(data), gpus=1.0 if gpu else 0.0)
    with (
        Claims(store) as claims,
        claims.alone(
            timing_name(socket.gethostname()), lambda who: console.print(f"{who} takes times on this machine: waiting")
        ),
    ):
        found, left = _times(store, study, configurations, place, console)
    if found:
        name = digest(found[0]["device"])[:12]
        store.write(f"studies/{study}/timings/{name}.parquet", as_parquet(pa.Table.from_pylist(found)))
        write_report(Results(store.storage, study))
    console.print(f"{len(found)} trials timed on {device_name(place.device, 1 if not gpu else None)}")
    return left


def _times(
    store: Store, study: str, configurations: dict[str, Any], place: Place, console: Console
) -> tuple[list[dict[str, Any]], int]:
    """The times, and how many trials have none because the machine was not steady."""
    rows = store.rows(study, store.trial_ids(study))
    rows = [row for row in rows if row["status"] == "finished" and row["train_stopped_at"] is None]
    trials = prepare([Configuration(**configurations[row["trial_id"]]) for row in rows], place.folder)
    found = []
    for row, trial in zip(rows, trials, strict=True):
        c, pixels = trial.configuration, trial.data
        if digest([pixels.weights, pixels.alpha, pixels.test]) != row["data_sha256"]:
            raise ImageError(f"--data {place.data}: not the images that trial {row['trial_id']} was made with")
        try:
            key = stages.run_timing(c, Architecture.parse(row["architecture"]), pixels, row["train_key"], place)
        except UnsteadyError as error:
            console.print(f"{row['trial_id']}  {row['architecture']}  not timed: {error}")
            continue
        result = store.result("time", key) or {}
        found.append({"trial_id": row["trial_id"], **{name: result[name] for name in COLUMNS}})
        console.print(f"{row['trial_id']}  {row['architecture']}  {result['test_time_ms']:.1f} ms an image")
    return found, len(rows) - len(found)

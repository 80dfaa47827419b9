"""Times the networks of a study on this machine, without training anything: `python -m studies retime STORAGE STUDY`.

Rows keep the time that they were written with. What is measured here stands in `studies/<study>/timings/`,
one file a device, is read by `analysis.load_timings`, and gets a figure of its own in the report. The
machine should have nothing else to do meanwhile.
"""

import socket
from typing import Any

from rich.console import Console

from analysis.report.report import write_report
from analysis.study_results import Results
from clearer.configuration import digest
from clearer.images.reading import ImageError
from clearer.machine import device_name
from clearer.timing import UnsteadyError
from studies.store.claims import Claims, timing_name
from studies.store.store import Store
from studies.store.study_file import planned_trials, read_study
from studies.work.place import Place
from studies.work.remote_images import data_place
from studies.work.stages import compute_time
from studies.work.trials import Pixels

COLUMNS = "test_time_ms test_time_iqr_ms test_time_spread test_time_images test_time_size test_set_seconds device"


def retime(store: Store, study: str, data: str | None, gpu: bool, console: Console) -> int:
    """Times every finished trial of a study here, and renews the report; how many could not be timed.

    Raises StorageError: no such study. Raises ImageError: the test images can't be read, or are not those of the tests.
    """
    read_study(store, study)
    store.check_writable()
    place = Place(store.storage, data_place(data), gpus=1.0 if gpu else 0.0)
    alone = timing_name(socket.gethostname())
    with Claims(store) as claims, claims.alone(alone, lambda who: console.print(f"{who} takes times here: waiting")):
        found, left = _times(store, study, place, console)
    if found:
        name = digest(found[0]["device"])[:12]
        store.write_rows(f"studies/{study}/timings/{name}.parquet", found)
        write_report(Results(store.storage, study))
    console.print(f"{len(found)} trials timed on {device_name(place.device, 1 if not gpu else None)}")
    return left


def _times(store: Store, study: str, place: Place, console: Console) -> tuple[list[dict[str, Any]], int]:
    """The times, and how many trials have none because the machine was not steady."""
    configurations = planned_trials(store, study)
    rows = store.rows(study, store.trial_ids(study) & configurations.keys())
    rows = [row for row in rows if row["status"] == "finished" and row.get("train_stopped_at") is None]
    trials = Pixels(place.folder).trials([configurations[row["trial_id"]] for row in rows])
    found = []
    for row, trial in zip(rows, trials, strict=True):
        if digest([*trial.data.learning, trial.data.test]) != row["data_sha256"]:
            raise ImageError(f"--data {place.data}: not the images that trial {row['trial_id']} was made with")
        try:
            key = compute_time(trial, row["architecture"], row["train_key"], place)
        except UnsteadyError as error:
            console.print(f"{row['trial_id']}  {row['architecture']}  not timed: {error}")
            continue
        result = store.result("time", key) or {}
        found.append({"trial_id": row["trial_id"], **{name: result[name] for name in COLUMNS.split()}})
        console.print(f"{row['trial_id']}  {row['architecture']}  {result['test_time_ms']:.1f} ms an image")
    return found, len(rows) - len(found)

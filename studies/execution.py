"""A study from its plan to its rows: search what is missing, train what is missing, test, time, write.

Stage by stage rather than trial by trial: all searches that are missing are one phase, then all distinct
trainings, then the testing times one at a time. Two trials that need the same stage are then one job, no
trial waits for another while it holds a slot, and nothing runs while time is taken. The price is that
the first rows are written when the last network is trained.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from clearer.architecture import Architecture
from clearer.configuration import Configuration, digest
from clearer.overlap import check_splits
from studies import stages
from studies.progress import Progress, duration
from studies.provenance import commit, versions
from studies.rows import architecture_columns, configuration_columns, curve_table, row_table
from studies.scheduling import Cluster, Failure, Job, Watcher
from studies.stages import Fingerprints, Place
from studies.store import Store, as_parquet
from studies.study import label
from studies.tracking import Tracking


@dataclass
class Trial:
    """One trial under way: its configuration, and what is known of it so far."""

    configuration: Configuration
    data: Fingerprints
    architecture: Architecture | None = None
    reference_key: str | None = None
    search_key: str | None = None
    train_key: str | None = None
    test_key: str | None = None
    time_key: str | None = None
    time_error: str | None = None
    failure: Failure | None = None
    search_reused: bool | None = None
    train_reused: bool | None = None
    started_at: float = field(default_factory=time.time)

    @property
    def trial_id(self) -> str:
        """The configuration's."""
        return self.configuration.trial_id


def prepare(configurations: Sequence[Configuration], folder: Path | None) -> list[Trial]:
    """The trials of the configurations; reads every image that they use, and holds their splits against each other.

    Raises:
        ImageError: names the folder or the file that can't be used.
        OverlapError: splits share images and `allow_overlap` is false.
    """
    known: dict[str, Fingerprints] = {}
    trials = []
    for configuration in configurations:
        pixels = digest({name: getattr(configuration, name) for name in _PIXELS})
        if pixels not in known:
            known[pixels] = stages.fingerprints(configuration, folder)
            check_splits(configuration, folder)
        trials.append(Trial(configuration, known[pixels]))
    return trials


class Execution:
    """Runs the trials of a study that have no row yet."""

    def __init__(self, study: str, store: Store, place: Place, progress: Progress, tracking: Tracking | None):
        self.study, self.store, self.place = study, store, place
        self.progress, self.tracking = progress, tracking

    def run(self, trials: list[Trial], cluster: Cluster) -> list[Trial]:
        """Computes what is missing and writes a row for each trial that ended; the trials, with their failures."""
        self._search(trials, cluster)
        self._write_references(trials)
        self._train(trials, cluster)
        self._time(trials, cluster)
        return trials

    def _search(self, trials: list[Trial], cluster: Cluster) -> None:
        jobs: dict[str, Job] = {}
        for trial in trials:
            c = trial.configuration
            trial.reference_key = stages.reference_key(c, trial.data)
            if self.store.result("reference", trial.reference_key) is None:
                jobs[trial.reference_key] = Job("reference", trial.reference_key, c, trial.data)
            if c.kind != "searched":
                trial.architecture = Architecture.parse(c.architecture)
                continue
            trial.search_key = stages.search_key(c, trial.data)
            trial.search_reused = trial.search_key in jobs or self.store.result("search", trial.search_key) is not None
            if not trial.search_reused:
                jobs[trial.search_key] = Job("search", trial.search_key, c, trial.data)
        self._phase("searches and references", list(jobs.values()), trials, cluster)
        for trial in trials:
            result = self.store.result("search", trial.search_key) if trial.search_key and not trial.failure else None
            if result is not None:
                trial.architecture = Architecture.parse(result["architecture"])

    def _write_references(self, trials: list[Trial]) -> None:
        """One file a protocol beside the rows: what methods without training score on the same pixels."""
        for key, c in {t.reference_key: t.configuration for t in trials if t.reference_key}.items():
            result = self.store.result("reference", key)
            if result is not None:
                about = {
                    "test_set": c.test_set or c.dataset,
                    "image_channels": c.image_channels,
                    "grayscale": c.grayscale,
                }
                table = pa.Table.from_pylist([{**row, **about} for row in result["rows"]])
                self.store.write(f"studies/{self.study}/references/{key[:12]}.parquet", as_parquet(table))

    def _train(self, trials: list[Trial], cluster: Cluster) -> None:
        jobs: dict[str, Job] = {}
        for trial in trials:
            if trial.architecture is None:
                continue
            c = trial.configuration
            key = trial.train_key = stages.train_key(c, trial.architecture, trial.data)
            trial.test_key = stages.test_key(c, key, trial.data)
            trial.train_reused = key in jobs or self.store.result("train", key) is not None
            if self.store.result("test", trial.test_key) is None:
                tests = dict(jobs[key].tests if key in jobs else ()) | {trial.test_key: c}
                jobs[key] = Job("train", key, c, trial.data, str(trial.architecture), tuple(tests.items()))
        self._phase("trainings", list(jobs.values()), trials, cluster)

    def _phase(self, name: str, jobs: list[Job], trials: list[Trial], cluster: Cluster) -> None:
        if not jobs:
            return
        users = {
            job.key: [t for t in trials if job.key in (t.reference_key, t.search_key, t.train_key)] for job in jobs
        }

        def text(job: Job) -> str:
            if job.stage == "reference":
                return f"references on {job.configuration.test_set or job.configuration.dataset}"
            first = label(users[job.key][0].configuration)
            return first if len(users[job.key]) == 1 else f"{first} (and {len(users[job.key]) - 1} more)"

        def progressed(job: Job, progress: dict[str, Any]) -> None:
            self.progress.progressed(job.key, progress)
            if self.tracking is not None:
                labels = {t.trial_id: label(t.configuration) for t in users[job.key]}
                self.tracking.progressed(labels, job.stage, progress["record"])

        def ended(job: Job, failure: Failure | None) -> None:
            for trial in users[job.key] if job.stage != "reference" else ():
                trial.failure = failure
                if failure is not None and failure.permanent:
                    self._write(trial)
            self.progress.ended(job.key, failure.reason if failure else self._outcome(job), failure is not None)

        self.progress.phase(name, len(jobs))
        watcher = Watcher(lambda job: self.progress.started(job.key, text(job), job.stage), progressed, ended)
        cluster.run_phase(jobs, self.place, watcher)

    def _outcome(self, job: Job) -> str:
        result = self.store.result(job.stage, job.key) or {}
        found = f"{result.get('architecture', '')}  {duration(result.get('seconds', 0))}"
        scores = [self.store.result("test", key) for key, _ in job.tests]
        return "  ".join([found, *(f"{_mean(s['by_image']['psnr_db']):.2f} dB" for s in scores if s)])

    def _time(self, trials: list[Trial], cluster: Cluster) -> None:
        ready = [t for t in trials if t.failure is None and t.architecture is not None and t.train_key is not None]
        requests = [(t.configuration, t.architecture, t.data, t.train_key) for t in ready]
        if not ready:
            return
        self.progress.phase("testing times", len(ready))
        for trial, found in zip(ready, cluster.time_networks(requests, self.place), strict=True):  # type: ignore[arg-type]
            if found.startswith("error: "):
                trial.time_error = found.removeprefix("error: ")
            else:
                trial.time_key = found
            row = self._write(trial)
            took = (
                f"{row['test_time_ms']:.1f} ms an image"
                if row["test_time_ms"] is not None
                else f"not timed: {trial.time_error}"
            )
            self.progress.ended(trial.trial_id, f"{label(trial.configuration)}  {took}")

    def _write(self, trial: Trial) -> dict[str, Any]:
        row = self._row(trial)
        records = []
        for stage, key in (("search", trial.search_key), ("train", trial.train_key)):
            records += stages.load_curve(self.store, stage, key) if key else []
        self.store.end_trial(self.study, trial.trial_id, row_table(row), curve_table(records, trial.trial_id))
        if self.tracking is not None:
            self.tracking.ended(row, label(trial.configuration))
        return row

    def _row(self, trial: Trial) -> dict[str, Any]:
        c = trial.configuration
        row: dict[str, Any] = configuration_columns(c)
        row |= {
            "study": self.study, "trial_id": trial.trial_id, "replicate_id": c.replicate_id,
            "status": "failed" if trial.failure else "finished", "error": trial.failure.reason if trial.failure else None,
            "search_key": trial.search_key, "train_key": trial.train_key, "test_key": trial.test_key,
            "search_reused": trial.search_reused, "train_reused": trial.train_reused, "test_time_error": trial.time_error,
            "data_sha256": digest([trial.data.weights, trial.data.alpha, trial.data.test]),
            "started_at": datetime.fromtimestamp(trial.started_at, UTC), "finished_at": datetime.now(UTC), "commit": commit(), "versions": json.dumps(versions()),
        }  # fmt: skip
        row |= {"architecture": None, "test_set": c.test_set or c.dataset}
        if trial.architecture is not None:
            row |= architecture_columns(c, trial.architecture)
        for stage, key in (("search", trial.search_key), ("train", trial.train_key)):
            result = self.store.result(stage, key) if key else None
            if result is not None:
                row |= {
                    f"{stage}_seconds": result["seconds"],
                    f"{stage}_device": result["device"],
                    "host": result["host"],
                }
                if result["gpus"]:
                    row["gpu_seconds"] = row.get("gpu_seconds", 0) + result["seconds"] * result["gpus"]
                row |= {"alpha": result["alpha"]} if stage == "search" else {}
        row |= self._scores(trial) | self._testing_time(trial)
        return row

    def _scores(self, trial: Trial) -> dict[str, Any]:
        result = self.store.result("test", trial.test_key) if trial.test_key else None
        if result is None:
            return {"psnr_db": None}
        means = {name: _mean(values) for name, values in result["by_image"].items()}
        return means | {
            "psnr_by_image": result["by_image"]["psnr_db"],
            "test_images": len(result["images"]),
        }

    def _testing_time(self, trial: Trial) -> dict[str, Any]:
        result = self.store.result("time", trial.time_key) if trial.time_key else None
        if result is None:
            return {"test_time_ms": None}
        return {name: value for name, value in result.items() if name.startswith("test_") or name == "device"}


_PIXELS = (
    "task",
    "dataset",
    "test_set",
    "pairing",
    "grayscale",
    "weights_split",
    "alpha_split",
    "image_channels",
    "patch_size",
    "test_limit",
    "allow_overlap",
)
"""The fields on which `stages.fingerprints` depends."""


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean of those that are there; None where none is."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None


def write_study(
    store: Store,
    study: str,
    preset: str,
    configurations: Sequence[Configuration],
    command: str,
    hardware: dict[str, Any],
) -> str:
    """Records what a study is, beside what it was in earlier runs; its `study_id`."""
    name = f"studies/{study}/study.json"
    about = json.loads(store.read(name) or b"{}")
    about.setdefault("study_id", digest([study, time.time_ns()])[:16])
    about.setdefault("trials", {}).update({c.trial_id: c.values() for c in configurations})
    about.setdefault("runs", []).append(
        {
            "started_at": datetime.now(UTC).isoformat(),
            "command": command,
            "preset": preset,
            "commit": commit(),
            "versions": versions(),
            "hardware": hardware,
        }
    )
    store.write(name, json.dumps(about | {"study": study}, indent=1, sort_keys=True).encode())
    return about["study_id"]


def study_id(store: Store, study: str) -> str | None:
    """The id that `write_study` gave."""
    data = store.read(f"studies/{study}/study.json")
    return json.loads(data)["study_id"] if data else None


def resolved_folder(data: str | None) -> str | None:
    """The data folder, absolute: workers have other working directories."""
    return None if data is None else str(Path(data).expanduser().absolute())

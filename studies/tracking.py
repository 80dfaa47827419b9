"""MLflow as a view of the store. The only file that knows MLflow.

One parent run a study and one nested run a trial, found by their tags and reopened, never made twice. A
thread of its own does all the calls, so a study neither waits for tracking nor fails with it: what a
server missed is sent by the next run of the same study, from the store, with the original times.
"""

from __future__ import annotations

import logging
import os
import queue
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from analysis.figures import draw_architecture
from analysis.storage import redacted
from studies.rows import CURVE, ROW
from studies.store import Store, from_parquet

STUDY_TAG, TRIAL_TAG = "clearer.study_id", "clearer.trial_id"
_METRICS = (
    "psnr_db", "ssim", "psnr_patch_db", "degraded_psnr_db", "parameters", "flops", "fusion_columns",
    "test_time_ms", "test_time_iqr_ms", "search_seconds", "train_seconds",
)  # fmt: skip
_CURVE_METRICS = ("restoration_loss", "alpha_loss", "architecture_loss", "complexity_loss", "psnr_db")
_BATCH = 1000
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # which of its views the UI opens


class Tracking:
    """Sends a study to the tracking server at `uri`; `study` names it, `study_id` tells it from others of that name."""

    def __init__(self, uri: str, study: str, study_id: str, store: Store):
        self.uri, self.study, self.study_id, self.store = uri, study, study_id, store
        self.error: str | None = None
        self._todo: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._runs: dict[str, str] = {}
        self._parent = ""
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()
        self._todo.put(self._open)

    def progressed(self, labels: Mapping[str, str], stage: str, record: dict[str, Any]) -> None:
        """Sends one record of a curve to the runs of the trials named in `labels` (trial_id → label)."""
        self._todo.put(lambda: self._send_progress(dict(labels), stage, record))

    def ended(self, row: dict[str, Any], name: str) -> None:
        """Sends a trial's row, its whole curve and its pictures, and closes its run; nothing is sent twice."""
        self._todo.put(lambda: self._send_trial(row, name))

    def report(self, files: Iterable[str]) -> None:
        """Attaches files of the store to the study's own run, and closes it."""
        self._todo.put(lambda: self._send_report(list(files)))

    def close(self, timeout: float = 120.0) -> str | None:
        """Waits for what is under way; one line that says why something was not sent, or None."""
        self._todo.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            self.error = self.error or f"did not answer within {timeout:g} s"
        return self.error and f"tracking at {redacted(self.uri)}: {self.error}; the same command sends it again"

    def _work(self) -> None:
        while (call := self._todo.get()) is not None:
            if self.error is None:
                try:
                    call()
                except Exception as error:
                    self.error = redacted(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")[:300]

    def _open(self) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        from mlflow import MlflowClient

        for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)

        self._client = MlflowClient(tracking_uri=self.uri)
        self._experiment = self._find_experiment()
        self._ended: set[str] = set()
        for run in self._search(f"tags.`{STUDY_TAG}` = '{self.study_id}'"):
            trial_id = run.data.tags.get(TRIAL_TAG)
            if trial_id is None:
                self._parent = run.info.run_id
                continue
            self._runs[trial_id] = run.info.run_id
            if run.info.status in ("FINISHED", "FAILED"):
                self._ended.add(trial_id)
        if not self._parent:
            self._parent = self._client.create_run(
                self._experiment, tags={STUDY_TAG: self.study_id}, run_name=self.study
            ).info.run_id
        self._client.update_run(self._parent, status="RUNNING")

    def _find_experiment(self) -> str:
        found = self._client.get_experiment_by_name(self.study)
        if found is not None:
            return found.experiment_id
        artifacts = None
        if self.uri.startswith("sqlite:"):
            artifacts = Path(self.uri.removeprefix("sqlite:///")).absolute().with_name("mlartifacts").as_uri()
        return self._client.create_experiment(self.study, artifact_location=artifacts, tags=_EXPERIMENT_TAGS)

    def _search(self, query: str) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs([self._experiment], query, max_results=1000, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _run(self, trial_id: str, name: str, started_at: float | None = None) -> str:
        if trial_id not in self._runs:
            tags = {STUDY_TAG: self.study_id, TRIAL_TAG: trial_id, "mlflow.parentRunId": self._parent}
            start = None if started_at is None else int(1000 * started_at)
            self._runs[trial_id] = self._client.create_run(
                self._experiment, start_time=start, tags=tags, run_name=name
            ).info.run_id
        return self._runs[trial_id]

    def _send_progress(self, labels: Mapping[str, str], stage: str, record: dict[str, Any]) -> None:
        for trial_id, name in labels.items():
            if trial_id not in self._ended:
                run = self._run(trial_id, name, record["recorded_at"] - record["seconds"])
                self._client.log_batch(run, metrics=_curve_metrics(stage, [record]))

    def _send_trial(self, row: dict[str, Any], name: str) -> None:
        from mlflow.entities import Metric, Param, RunTag

        trial_id = row["trial_id"]
        if trial_id in self._ended:
            return
        started, ended = (
            None if row[when] is None else row[when].timestamp() for when in ("started_at", "finished_at")
        )
        run = self._run(trial_id, name, started)
        known = [column for column in ROW.names if row.get(column) is not None and column not in _METRICS]
        params = [
            Param(column, str(row[column])[:6000])
            for column in known
            if column not in ("psnr_by_image", "alpha", "error")
        ]
        stamp = int(1000 * (ended or 0))
        metrics = [Metric(column, float(row[column]), stamp, 0) for column in _METRICS if row.get(column) is not None]
        curve = from_parquet(self.store.read(f"studies/{self.study}/curves/{trial_id}.parquet"))
        for stage in ("search", "train"):
            metrics += _curve_metrics(stage, [record for record in curve if record["stage"] == stage])
        for first in range(0, len(params), 100):
            self._client.log_batch(run, params=params[first : first + 100])
        for first in range(0, len(metrics), _BATCH):
            self._client.log_batch(run, metrics=metrics[first : first + _BATCH])
        self._client.log_batch(
            run, tags=[RunTag(tag, str(row[tag])) for tag in ("kind", "architecture", "error") if row.get(tag)]
        )
        self._send_pictures(run, row)
        self._client.set_terminated(run, "FINISHED" if row["status"] == "finished" else "FAILED", stamp or None)
        self._ended.add(trial_id)

    def _send_pictures(self, run: str, row: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            if row.get("architecture"):
                draw_architecture(row["architecture"]).savefig(Path(folder, "architecture.png"), dpi=110)
            example = self.store.read(f"stages/test/{row['test_key']}/example.png") if row.get("test_key") else None
            if example is not None:
                Path(folder, "clean_degraded_restored.png").write_bytes(example)
            for picture in sorted(Path(folder).iterdir()):
                self._client.log_artifact(run, str(picture))

    def _send_report(self, files: list[str]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name in files:
                path = Path(folder, name.rsplit("/", 1)[-1])
                path.write_bytes(self.store.read(name) or b"")
                self._client.log_artifact(self._parent, str(path))
        self._client.set_terminated(self._parent)


def _curve_metrics(stage: str, records: Iterable[Mapping[str, Any]]) -> list[Any]:
    """The metrics of curve records: `search/psnr_db`, …, and `search/alpha_fusion_01` for each column."""
    from mlflow.entities import Metric

    found = []
    for record in records:
        stamp, step = int(1000 * record["recorded_at"]), record["iteration"]
        values = {name: record.get(name) for name in _CURVE_METRICS if name in CURVE.names}
        values |= {
            f"alpha_fusion_{column:02d}": value for column, value in enumerate(record.get("alpha") or [], start=1)
        }
        found += [
            Metric(f"{stage}/{name}", float(value), stamp, step) for name, value in values.items() if value is not None
        ]
    return found

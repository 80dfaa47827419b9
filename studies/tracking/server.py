"""A study's runs at a tracking server: found by their tags and completed, never made twice.

A run that holds what it should not (a point of a curve that was computed again, another start) can't be
mended, for MLflow takes nothing back: it is deleted, and sent anew.
"""

import logging
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from analysis.storage.places import redacted
from clearer.configuration import REMOVED
from studies.store.store import Store
from studies.tracking.content import NOTE_TAG, OWN_TAGS, PARENT_TAG, SENT_TAG, STUDY_TAG, TRIAL_TAG, Content, Point

_POINTS = 1000  # MLflow takes so many at once, and 100 of all else
_EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    NOTE_TAG: "One run a study, one nested run a trial: a view of a clearer-studies store, which holds the truth.",
}
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the default ones wait for minutes; a sync is the retry
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def default_uri(store: Store) -> str | None:
    """Where a study is tracked unless the user says otherwise: a database in a store that is a folder."""
    return _sqlite(Path(store.root, "mlflow.db")) if store.is_local else None


def _sqlite(file: Path) -> str:
    path = str(file).replace("%", "%25").replace("?", "%3F")
    # MLflow would make the folders of a path behind sqlite:/// without decoding it.
    return f"sqlite:///{path}" if path == str(file) else f"sqlite+pysqlite:///{path}"


def _file(uri: str) -> Path:
    """The file of a URI of SQLite."""
    return Path(unquote(uri.partition(":///")[2]))


def one_line(error: Exception) -> str:
    """An exception of MLflow in one line without secrets."""
    return redacted(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")[:300]


def _make_database(uri: str) -> None:
    """Makes the file of a `sqlite:` URI whole or not at all: MLflow can't go on with some of its tables."""
    from mlflow import MlflowClient

    path = _file(uri)
    if not uri.startswith("sqlite") or "?" in uri or path.exists():
        return
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        MlflowClient(tracking_uri=_sqlite(partial)).search_experiments(max_results=1)
        try:
            os.link(partial, path)
        except OSError:  # another driver's came first, or the file system has no links
            if not path.exists():
                partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
        partial.with_name(f"{partial.name}-journal").unlink(missing_ok=True)


class Server:
    """A study's runs at the tracking server at `uri`."""

    def __init__(self, uri: str, study: str, study_id: str):
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        _make_database(uri)
        self.client = MlflowClient(tracking_uri=uri)
        self._experiment = self._find_experiment(uri, study)
        self._runs: dict[str | None, list[Any]] = {}
        self._points: dict[str, frozenset[Point]] = {}
        for run in self._search(f"tags.`{STUDY_TAG}` = '{study_id}'"):
            self._runs.setdefault(run.data.tags.get(TRIAL_TAG), []).append(run)

    def bring(self, content: Content, parent: str | None = None, thorough: bool = True) -> tuple[str, str]:
        """Makes a run what it should be: its id, and whether it was `created`, `completed` or `unchanged`.

        A run that carries the digest of `content` was sent whole; only where `thorough` its points are read again.
        """
        run = self._run(content)
        was_sent = run is not None and run.data.tags.get(SENT_TAG) == content.digest
        have = content.points if was_sent and not thorough else self._history(run)
        if run is not None and not content.is_partial and not _mendable(run, have, content):
            self.client.delete_run(run.info.run_id)
            run, was_sent, have = None, False, frozenset()
        outcome = "created" if run is None else "completed"
        if run is None:
            tags = {**content.identity, NOTE_TAG: content.note} | ({PARENT_TAG: parent} if parent else {})
            run = self.client.create_run(self._experiment, content.started, tags, content.name)
            self._runs[content.identity.get(TRIAL_TAG)] = [run]
        run_id = run.info.run_id
        changed = self._complete(run, have, content, parent, was_sent)
        if changed:
            self._runs[content.identity.get(TRIAL_TAG)] = [self.client.get_run(run_id)]
            self._points[run_id] = have | content.points
        return run_id, outcome if changed else "unchanged"

    def _complete(self, run: Any, have: frozenset[Point], content: Content, parent: str | None, was_sent: bool) -> bool:
        from mlflow.entities import Metric, Param, RunTag

        run_id, held = run.info.run_id, run.data.tags
        wanted = {**content.identity, **content.tags} | ({PARENT_TAG: parent} if parent else {})
        note = {} if NOTE_TAG in held else {NOTE_TAG: content.note}
        params = [Param(*item) for item in sorted(content.params.items() - run.data.params.items())]
        points = [Metric(name, value, stamp, step) for name, step, stamp, value in sorted(content.points - have)]
        changes = [
            self._log(run_id, "params", params),
            self._log(run_id, "metrics", points, _POINTS),
            self._log(run_id, "tags", [RunTag(*item) for item in sorted((wanted | note).items() - held.items())]),
        ]
        for name in sorted((OWN_TAGS & held.keys()) - wanted.keys()):
            self.client.delete_tag(run_id, name)
            changes.append(1)
        if content.files_key and not was_sent:
            with tempfile.TemporaryDirectory() as folder:
                content.files(Path(folder))
                self.client.log_artifacts(run_id, folder)
            changes.append(1)
        if run.info.run_name != content.name:
            self.client.update_run(run_id, name=content.name)
            changes.append(1)
        if run.info.status != content.status or content.ended not in (None, run.info.end_time):
            if content.ended is None:
                self.client.update_run(run_id, status=content.status)
            else:
                self.client.set_terminated(run_id, content.status, content.ended)
            changes.append(1)
        if not content.is_partial and not was_sent:
            self.client.set_tag(run_id, SENT_TAG, content.digest)
            changes.append(1)
        return bool(sum(changes))

    def _log(self, run_id: str, kind: str, entities: Sequence[Any], most: int = 100) -> int:
        """Sends metrics, params or tags, as many at once as MLflow takes; how many."""
        for first in range(0, len(entities), most):
            self.client.log_batch(run_id, **{kind: entities[first : first + most]})  # type: ignore[arg-type]
        return len(entities)

    def _run(self, content: Content) -> Any | None:
        """The run with the identity of `content` as the server holds it now; of several, others are deleted."""
        found = self._runs.get(content.identity.get(TRIAL_TAG), [])
        for run in found[1:]:
            self.client.delete_run(run.info.run_id)
        del found[1:]
        return found[0] if found else None

    def _history(self, run: Any | None) -> frozenset[Point]:
        """The points that a run holds; asked for once."""
        if run is None or run.info.run_id in self._points:
            return self._points[run.info.run_id] if run else frozenset()
        histories = [self.client.get_metric_history(run.info.run_id, name) for name in run.data.metrics]
        return frozenset((m.key, m.step, m.timestamp, m.value) for history in histories for m in history)

    def _find_experiment(self, uri: str, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return found.experiment_id
        artifacts = None
        if uri.startswith("sqlite"):
            artifacts = _file(uri).absolute().with_name("mlartifacts").as_uri()
        return self.client.create_experiment(name, artifact_location=artifacts, tags=_EXPERIMENT_TAGS)

    def _search(self, query: str) -> Iterator[Any]:
        token = None
        while True:
            found = self.client.search_runs(
                [self._experiment], query, max_results=1000, order_by=["attributes.start_time"], page_token=token
            )
            yield from found
            token = found.token
            if not token:
                return


def _mendable(run: Any, have: frozenset[Point], content: Content) -> bool:
    """Whether a run holds nothing that it should not, of what can't be changed."""
    same_start = run.info.start_time == content.started
    params = {name: value for name, value in run.data.params.items() if name not in REMOVED}
    return same_start and have <= content.points and params.items() <= content.params.items()

"""A study's runs brought to a tracking server by a client of it: found by their tags and completed, never made twice.

* Runs are found in all experiments. New ones go where the study's own run is, whatever that experiment is called.
* What was deleted is restored. A name that a user gave stays.
* A run that holds what it should not (a point of a curve that was computed again, another start) can't be
  mended, for MLflow takes nothing back. It is deleted, and sent anew.
"""

import contextlib
import logging
import os
import sqlite3
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from analysis.storage.places import redacted
from clearer.configuration import REMOVED
from studies.store.store import Store
from studies.tracking.content import OWN_TAGS, STUDY_TAG, TRIAL_TAG, Content, Point, is_former

SENT_TAG, NAME_TAG = "clearer.sent", "clearer.name"
"""The digest of what a run was sent, and the name that it was given; where its name is another, a user edited it."""
PARENT_TAG, NOTE_TAG = "mlflow.parentRunId", "mlflow.note.content"
_ADDRESSES = "runs.artifact_uri experiments.artifact_location logged_models.artifact_location".split()
_ADDRESSES += "model_versions.source model_versions.storage_location".split()
_LOCATIONS = """
SELECT artifact_location, max(value IS NOT NULL) FROM experiments
LEFT JOIN experiment_tags ON experiment_tags.experiment_id = experiments.experiment_id AND value IN (?, ?)
WHERE artifact_location LIKE 'file:///%/mlartifacts' GROUP BY artifact_location
"""
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


def one_line(error: Exception) -> str:
    """An exception of MLflow in one line without secrets."""
    return redacted(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")[:300]


def _database(uri: str) -> Path | None:
    """The file of a URI of SQLite. Our experiments in it keep their files in the folder `mlartifacts` beside it."""
    path = unquote(uri.partition("?")[0].partition(":///")[2])
    return Path(path).absolute() if uri.startswith("sqlite") and path else None


def _make_database(path: Path) -> None:
    """Makes the file of a database whole or not at all: MLflow can't go on with some of its tables."""
    from mlflow import MlflowClient

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


def follow_move(uri: str) -> list[str]:
    """Makes a database that was moved name the files beside it, which MLflow has no call for; what was done."""
    path = _database(uri)
    if path is None or not path.exists():
        return []
    home, done = path.with_name("mlartifacts"), []
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as database, database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        found = database.execute(_LOCATIONS, tuple(_EXPERIMENT_TAGS.values())) if "experiments" in tables else ()
        for old, is_ours in list(found):
            folder = _local_folder(old)
            if folder is None or (folder.samefile(home) if folder.exists() and home.exists() else folder == home):
                continue
            if not is_ours and (folder.exists() or not home.exists()):
                continue  # an experiment that a user made for us, or whose texts were edited
            for table, column in (address.split(".") for address in _ADDRESSES):
                if table in tables:
                    changed = f"{column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) IN (?, ?)"
                    facts = home.as_uri(), len(old) + 1, len(old) + 1, old, f"{old}/"
                    database.execute(f"UPDATE {table} SET {changed}", facts)
            done.append(f"{path}: the files of its runs are in {home} now, no longer in {folder}")
    return done


def _local_folder(address: str) -> Path | None:
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


class Client:
    """What brings a study's runs to the tracking server at `uri`."""

    def __init__(self, uri: str, study: str, study_id: str):
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it prints what it raises, which is said
        database = _database(uri)
        if database is not None and not database.exists() and "?" not in uri:
            _make_database(database)
        self.client = MlflowClient(tracking_uri=uri)
        self._runs: dict[str | None, list[Any]] = {}
        self._strays: list[Any] = []
        self._points: dict[str, frozenset[Point]] = {}
        self._restored: set[str] = set()
        self._home = database.with_name("mlartifacts") if database else None
        self.experiment = self._find(study, study_id)
        self._check_folder()

    def bring(self, content: Content, parent: str | None = None, thorough: bool = True) -> tuple[str, str]:
        """Makes a run what it should be: its id, and whether it was `created`, `restored`, `completed` or `unchanged`.

        Points and files of a run that carries the digest of `content` are looked at again only where `thorough`.
        """
        digest, own = content.digest, content.identity | ({PARENT_TAG: parent} if parent else {})
        run, have = self._take(content, digest, thorough)
        outcome = "restored" if run and (_is_deleted(run) or run.info.run_id in self._restored) else "completed"
        if run is None:
            outcome = "created"
            run = self.client.create_run(self.experiment, content.started, own, content.name)
        elif _is_deleted(run):
            self.client.restore_run(run.info.run_id)
        run_id = run.info.run_id
        changed = self._complete(run, have, content, own, digest, thorough)
        if changed or outcome != "completed":
            run = self.client.get_run(run_id)
            self._points[run_id] = have | content.points
        self._restored.discard(run_id)
        self._runs[content.identity.get(TRIAL_TAG)] = [run]
        return run_id, outcome if changed or outcome != "completed" else "unchanged"

    def _complete(
        self, run: Any, have: frozenset[Point], content: Content, own: dict[str, str], digest: str, thorough: bool
    ) -> bool:
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        run_id, held = run.info.run_id, run.data.tags
        wanted = {**own, **content.tags, NAME_TAG: content.name}
        # A relative address, which MLflow's pages resolve; the run's own, which is known only now.
        shown = f"\n\n![{content.picture}](get-artifact?path={content.picture}&run_uuid={run_id})"
        text = content.note + (shown if content.picture and content.files_key else "")
        note = {NOTE_TAG: text} if held.get(NOTE_TAG, content.note) == content.note else {}
        params = [Param(*item) for item in sorted(content.params.items() - run.data.params.items())]
        points = [Metric(name, value, stamp, step) for name, step, stamp, value in sorted(content.points - have)]
        tags = [RunTag(*item) for item in sorted((wanted | note).items() - held.items())]
        for kind, entities, most in (("params", params, 100), ("metrics", points, 1000), ("tags", tags, 100)):
            for first in range(0, len(entities), most):  # MLflow takes so many at once
                self.client.log_batch(run_id, **{kind: entities[first : first + most]})  # type: ignore[arg-type]
        gone = sorted((OWN_TAGS & held.keys()) - wanted.keys())
        for name in gone:
            self.client.delete_tag(run_id, name)
        is_unsent = held.get(SENT_TAG) != digest
        files = get_artifact_repository(run.info.artifact_uri, tracking_uri=self.client.tracking_uri)
        lacks_files = bool(content.files_key) and (is_unsent or (thorough and not files.list_artifacts()))
        if lacks_files:
            with tempfile.TemporaryDirectory() as folder:
                content.files(Path(folder))
                files.log_artifacts(folder)
        has_old_name = content.name != run.info.run_name == held.get(NAME_TAG, run.info.run_name)
        if has_old_name:
            self.client.update_run(run_id, name=content.name)
        has_other_end = run.info.status != content.status or content.ended not in (None, run.info.end_time)
        if has_other_end and content.ended is None:
            self.client.update_run(run_id, status=content.status)
        elif has_other_end:
            self.client.set_terminated(run_id, content.status, content.ended)
        if is_unsent and not content.is_partial:
            self.client.set_tag(run_id, SENT_TAG, digest)
            return True
        return bool(params or points or tags or gone or lacks_files or has_old_name or has_other_end)

    def _take(self, content: Content, digest: str, thorough: bool) -> tuple[Any | None, frozenset[Point]]:
        """The run that can become `content`, and the points that it holds; others with its identity are deleted."""
        known = self._runs.get(content.identity.get(TRIAL_TAG), [])
        strays = [run for run in self._strays if all(map(_is_deleted, known)) and _may_be(run, content)]
        taken, points = None, frozenset[Point]()
        sent = {run.info.run_id for run in known + strays if run.data.tags.get(SENT_TAG) == digest}
        runs = sorted(known + strays, key=lambda run: run.info.experiment_id != self.experiment)
        for run in sorted(runs, key=lambda run: (_is_deleted(run), run.info.run_id not in sent)):
            if taken is None:
                have = content.points if run.info.run_id in sent and not thorough else self._history(run)
                if content.is_partial or _mendable(run, have, content):
                    taken, points = run, have
                    continue
            if run in known and not _is_deleted(run):
                if SENT_TAG in run.data.tags:  # with its experiment it may come back, beside the run in its place
                    self.client.delete_tag(run.info.run_id, SENT_TAG)
                self.client.delete_run(run.info.run_id)
        self._strays = [run for run in self._strays if run is not taken]
        return taken, points

    def _history(self, run: Any) -> frozenset[Point]:
        """The points that a run holds; asked for once."""
        if run.info.run_id in self._points:
            return self._points[run.info.run_id]
        histories = [self.client.get_metric_history(run.info.run_id, name) for name in run.data.metrics]
        return frozenset((m.key, m.step, m.timestamp, m.value) for history in histories for m in history)

    def _find(self, study: str, study_id: str) -> str:
        """Finds the study's runs in all experiments; the experiment of its own run, restored or made if need be."""
        from mlflow.entities import ViewType

        listed = _paged(lambda most, page: self.client.search_experiments(ViewType.ALL, most, page_token=page))
        experiments = {experiment.experiment_id: experiment for experiment in listed}
        query = f"tags.`{STUDY_TAG}` = '{study_id}'"
        found = self._search(list(experiments), query)
        own = sorted((run for run in found if not _is_trial(run)), key=_is_deleted)
        named = [experiment.experiment_id for experiment in experiments.values() if experiment.name == study]
        likely = [run.info.experiment_id for run in own] + named + [run.info.experiment_id for run in found]
        if not likely:
            artifacts = self._home.as_uri() if self._home else None
            return self.client.create_experiment(study, artifact_location=artifacts, tags=_EXPERIMENT_TAGS)
        home = likely[0]
        if experiments[home].lifecycle_stage == "deleted":
            self._restored = {run.info.run_id for run in found if _is_deleted(run)}
            self.client.restore_experiment(home)
            found = self._search(list(experiments), query)
        for run in found:
            place = run.info.experiment_id
            if _is_told(run) and (place == home or experiments[place].lifecycle_stage == "active"):
                self._runs.setdefault(run.data.tags.get(TRIAL_TAG), []).append(run)
        self._strays = [run for run in self._search([home]) if not _is_told(run) and not _is_deleted(run)]
        return home

    def _check_folder(self) -> None:
        """MLflow would make a folder again that was moved away with all that it held."""
        runs = [run for runs in self._runs.values() for run in runs if SENT_TAG in run.data.tags]
        folders = [_local_folder(run.info.artifact_uri) for run in runs if run.info.status == "FINISHED"]
        for kept in {folder.parents[1] for folder in folders if folder} - {self._home}:
            if not kept.exists():
                mend = "bring the folder back, or make it empty and all files are sent again"
                raise FileNotFoundError(f"{kept}: the files of the runs were there, and it is gone; {mend}")

    def _search(self, experiments: list[str], query: str = "") -> list[Any]:
        """Runs, deleted ones too."""
        from mlflow.entities import ViewType

        about, order = (experiments, query, ViewType.ALL), ["attributes.start_time"]
        return _paged(lambda most, page: self.client.search_runs(*about, most, order, page)) if experiments else []


def _paged(search: Callable[[int, str | None], Any]) -> list[Any]:
    from mlflow.utils import get_results_from_paginated_fn

    return get_results_from_paginated_fn(search, 1000)


def _is_deleted(run: Any) -> bool:
    return run.info.lifecycle_stage == "deleted"


def _is_trial(run: Any) -> bool:
    """Tags may be taken away; params, which trials alone have, stay."""
    return TRIAL_TAG in run.data.tags or bool(run.data.params)


def _is_told(run: Any) -> bool:
    """Whether a run has the tags that say whose it is."""
    return STUDY_TAG in run.data.tags and _is_trial(run) == (TRIAL_TAG in run.data.tags)


def _may_be(run: Any, content: Content) -> bool:
    """Whether the tags that a run has left are those of `content`."""
    left = content.identity | {name: run.data.tags[name] for name in content.identity if name in run.data.tags}
    return _is_trial(run) == (TRIAL_TAG in content.identity) and left == content.identity


def _mendable(run: Any, have: frozenset[Point], content: Content) -> bool:
    """Whether a run holds nothing that it should not, of what can't be changed."""
    same_start = run.info.start_time == content.started
    params = {name: value for name, value in run.data.params.items() if name not in REMOVED}
    strange = {point for point in have - content.points if not is_former(point[0])}
    return same_start and not strange and params.items() <= content.params.items()

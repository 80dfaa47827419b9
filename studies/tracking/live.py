"""Sends a study to MLflow while it runs. What a trial's run holds in the end is `studies.tracking.sync`'s, from the store alone.

Curves are sent early, from a thread of its own and only once they are safe in the store, so that nothing is sent that
the store may come to say otherwise. A study neither waits for tracking nor fails with it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from analysis.storage.places import redacted
from studies.store.store import Store
from studies.store.study_file import read_study
from studies.tracking.content import curve_points, running_content, study_content, trial_content
from studies.tracking.server import Server, one_line
from studies.tracking.sync import sync_study
from studies.work.learning import load_curve
from studies.work.trials import Trial


class Tracking:
    """Sends a study of a store to the tracking server at `uri`. After a failure it waits for the end to try again."""

    def __init__(self, uri: str, study: str, store: Store):
        self.uri, self.study, self.store = uri, study, store
        self.error: str | None = None
        self._todo: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._unsaved: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
        self._opened: dict[str, str] = {}
        self._is_open = False
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def progressed(self, trials: Sequence[Trial], stage: str, key: str, record: dict[str, Any]) -> None:
        """Takes a record of the curve of a stage that `trials` share, to send it when a checkpoint holds it."""
        self._todo.put(lambda: self._send_saved(trials, stage, key, record))

    def stage_ended(self, trials: Sequence[Trial], stage: str, key: str) -> None:
        """Sends the curve of a finished stage."""
        self._todo.put(lambda: self._send(trials, load_curve(self.store, stage, key)))

    def trial_failed(self, trial: Trial) -> None:
        """Sends what a trial that failed has left."""
        self._todo.put(lambda: self._send_failed(trial))

    def synchronise(self) -> None:
        """Brings everything up to date from the store, whatever has failed before."""
        self._todo.put(self._synchronise)

    def close(self, timeout: float = 120.0) -> str | None:
        """Waits for what is under way; one line that says why something was not sent, or None."""
        self._todo.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            self.error = self.error or f"did not answer within {timeout:g} s"
        again = "the same command sends it again, and so does python -m studies.tracking.sync"
        return self.error and f"tracking at {redacted(self.uri)}: {self.error}; {again}"

    def _work(self) -> None:
        while (call := self._todo.get()) is not None:
            if self.error is None or call == self._synchronise:
                try:
                    if not self._is_open and call != self._synchronise:
                        self._open()  # not before there is something to send: the start of a study is slow enough
                    call()
                    self.error = None
                except Exception as error:  # MLflow's client and its databases raise many kinds
                    self.error = one_line(error)

    def _open(self) -> None:
        self._study_id = read_study(self.store, self.study)["study_id"]
        self._server = Server(self.uri, self.study, self._study_id)
        self._parent = self._server.open(study_content(self.store, self.study))
        self._is_open = True

    def _send_saved(self, trials: Sequence[Trial], stage: str, key: str, record: dict[str, Any]) -> None:
        waiting = self._unsaved.setdefault((stage, key), {})
        waiting[record["iteration"]] = record
        safe = self.store.saved_iteration(stage, key)
        self._send(trials, [waiting.pop(iteration) for iteration in sorted(waiting) if iteration <= safe])

    def _send(self, trials: Sequence[Trial], records: Sequence[dict[str, Any]]) -> None:
        points = list(curve_points(records))
        for trial in trials if points else ():
            if trial.trial_id not in self._opened:
                content = running_content(self._study_id, trial.configuration, trial.started_at)
                self._opened[trial.trial_id] = self._server.open(content, self._parent)
            self._server.log_points(self._opened[trial.trial_id], points)

    def _send_failed(self, trial: Trial) -> None:
        for row in self.store.rows(self.study, {trial.trial_id}):
            server = Server(self.uri, self.study, self._study_id)
            server.bring(trial_content(self.store, self._study_id, row, trial.configuration), self._parent)

    def _synchronise(self) -> None:
        sync_study(self.store, self.study, self.uri, thorough=False)

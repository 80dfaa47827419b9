"""A study's runs at a tracking server, from the store: once (`sync_study`), or again and again while the study runs.

What is there and right stays; a second time changes nothing. A study neither waits for tracking nor fails with it.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from analysis.storage.places import redacted
from studies.store.store import Store
from studies.store.study_file import read_study, readable
from studies.tracking.content import UnderWay, study_content, trial_content
from studies.tracking.server import Server, one_line

EVERY_SECONDS = 10.0
Ids = Collection[str]


def sync_study(store: Store, study: str, uri: str, thorough: bool = True) -> Counter[str]:
    """Makes a server's runs of a study what the store says; how many were `created`, `completed`, `unchanged`.

    Raises:
        StorageError: no such study.
        Exception: of MLflow, where the server can't be reached or fails.
    """
    return _bring(store, study, Server(uri, study, read_study(store, study)["study_id"]), thorough)


def _bring(
    store: Store, study: str, server: Server, thorough: bool, under_way: Sequence[UnderWay] = (), known: Ids = ()
) -> Counter[str]:
    """As `sync_study`; trials that have neither ended nor are `under_way` keep what was sent, `known` ones all."""
    about = read_study(store, study)
    whole = study_content(store, study)
    parent, outcome = server.bring(replace(whole, files_key="") if under_way else whole, thorough=thorough)
    outcomes = Counter([outcome])
    ended = (store.trial_ids(study) & set(about["trials"])) - set(known)
    for row in store.rows(study, ended) if ended else ():
        configuration = readable(about["trials"][row["trial_id"]])
        if configuration is not None:
            content = trial_content(store, about["study_id"], configuration, row)
            outcomes[server.bring(content, parent, thorough)[1]] += 1
    for trial in under_way:
        if trial.configuration.trial_id not in ended:
            server.bring(trial_content(store, about["study_id"], trial.configuration, trial), parent)
    return outcomes


class Tracking:
    """A thread that brings a study's runs at the server at `uri` up to date while the study runs, and at its end.

    `under_way` gives the trials that have begun. After a failure it waits for the end to try again.
    """

    def __init__(self, uri: str, study: str, store: Store, under_way: Callable[[], Sequence[UnderWay]]):
        self.uri, self.study, self.store, self._under_way = uri, study, store, under_way
        self.error: str | None = None
        self._ended_before = store.trial_ids(study)
        self._sent: set[str] = set()
        self._server: Server | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def close(self, timeout: float = 120.0) -> str | None:
        """Brings everything up to date, whatever has failed before; in a line why something was not sent, or None."""
        self._closing.set()
        self._thread.join(timeout)
        if self._thread.is_alive():
            self.error = self.error or f"did not answer within {timeout:g} s"
        again = "the same command sends it again, and so does python -m studies sync"
        return self.error and f"tracking at {redacted(self.uri)}: {self.error}; {again}"

    def _work(self) -> None:
        while not self._closing.wait(EVERY_SECONDS):
            if self.error is None:
                self._attempt(self._update)
        self.error = None
        self._attempt(lambda: sync_study(self.store, self.study, self.uri, thorough=False))

    def _attempt(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:  # MLflow's client and its databases raise many kinds
            self.error = one_line(error)

    def _update(self) -> None:
        """Sends what is under way, and what has ended since the last time."""
        under_way, known = list(self._under_way()), self._ended_before | self._sent
        ended = self.store.trial_ids(self.study) - known
        if not under_way and not ended:
            return
        if self._server is None:
            self._server = Server(self.uri, self.study, read_study(self.store, self.study)["study_id"])
        _bring(self.store, self.study, self._server, False, under_way, known)
        self._sent |= ended

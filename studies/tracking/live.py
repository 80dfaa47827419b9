"""A study's runs at a tracking server, from the store: once (`sync_study`), or again and again while the study runs.

What is there and right stays; a second time changes nothing. A study neither waits for tracking nor fails with it.
"""

import shlex
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from analysis.storage.places import redacted
from studies.store.store import Store
from studies.store.study_file import planned_trials, read_study
from studies.tracking.client import Client, default_uri, follow_move, one_line
from studies.tracking.content import UnderWay, run_names, study_content, trial_content

EVERY_SECONDS = 10.0
Ids = Collection[str]


def sync_study(
    store: Store, study: str, uri: str, thorough: bool = True, say: Callable[[str], None] = lambda line: None
) -> Counter[str]:
    """Makes a server's runs of a study what the store says; how many were `created`, `restored`, `completed` …

    `say` takes a line about each database that was moved with its store, and where MLflow shows the runs.
    Raises StorageError: no such study. Raises what MLflow does where the server can't be reached or fails.
    """
    client = _client(store, study, uri, say)
    outcomes = _bring(store, study, client, thorough)
    say(f"{'MLflow':<20}{runs_page(uri, client.experiment)}")
    return outcomes


def runs_page(uri: str, experiment: str) -> str:
    """Where a browser finds an experiment's runs. MLflow's pages are about language models unless told otherwise."""
    page = f"#/experiments/{experiment}/runs?workflowType=machine_learning"
    if uri.startswith("http"):
        return f"{redacted(uri).rstrip('/')}/{page}"
    if uri.startswith("sqlite"):
        server = shlex.join([sys.orig_argv[0], "-m", "mlflow", "ui", "--backend-store-uri", redacted(uri)])
        return f"{server}   # then open http://127.0.0.1:5000/{page}"
    return redacted(uri)


def _client(store: Store, study: str, uri: str, say: Callable[[str], None] = lambda line: None) -> Client:
    """A client of the server at `uri`, which may show the database in the store."""
    study_id = read_study(store, study)["study_id"]
    for address in filter(None, (uri, default_uri(store))):
        for line in follow_move(address):
            say(line)
    return Client(uri, study, study_id)


def _bring(
    store: Store, study: str, client: Client, thorough: bool, under_way: Sequence[UnderWay] = (), known: Ids = ()
) -> Counter[str]:
    """As `sync_study`; trials that have neither ended nor are `under_way` keep what was sent, `known` ones all."""
    planned, study_id = planned_trials(store, study), read_study(store, study)["study_id"]
    names = run_names(planned.values())
    whole = study_content(store, study)
    parent, outcome = client.bring(replace(whole, files_key="") if under_way else whole, thorough=thorough)
    outcomes = Counter([outcome])
    ended = (store.trial_ids(study) & planned.keys()) - set(known)
    for row in store.rows(study, ended):
        content = trial_content(store, study_id, planned[row["trial_id"]], row, names[row["trial_id"]])
        outcomes[client.bring(content, parent, thorough)[1]] += 1
    for trial in under_way:
        c = trial.configuration
        if c.trial_id not in ended:
            client.bring(trial_content(store, study_id, c, trial, names.get(c.trial_id, "")), parent)
    return outcomes


class Tracking:
    """A thread that brings a study's runs at the server at `uri` up to date; after a failure again at the end."""

    def __init__(self, uri: str, study: str, store: Store, under_way: Callable[[], Sequence[UnderWay]]):
        self.uri, self.study, self.store, self._under_way = uri, study, store, under_way
        self.error: str | None = None
        self.said: list[str] = []
        self._known = store.trial_ids(study)
        """The trials that had ended before, or were sent at their end."""
        self._client: Client | None = None
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
        self._attempt(lambda: sync_study(self.store, self.study, self.uri, thorough=False, say=self.said.append))

    def _attempt(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:  # MLflow's client and its databases raise many kinds
            self.error = one_line(error)

    def _update(self) -> None:
        """Sends what is under way, and what has ended since the last time."""
        under_way, ended = list(self._under_way()), self.store.trial_ids(self.study) - self._known
        if not under_way and not ended:
            return
        if self._client is None:
            self._client = _client(self.store, self.study, self.uri)
        _bring(self.store, self.study, self._client, False, under_way, self._known)
        self._known |= ended

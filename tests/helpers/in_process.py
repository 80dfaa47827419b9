"""A cluster without Ray: packs are computed in threads of the test's process, by the real code."""

import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clearer.command import console
from studies.driver.options import Options
from studies.driver.session import Session
from studies.nodes.exchange import Exchange
from studies.nodes.scheduling import Time, Timed
from studies.work import stages
from studies.work.jobs import Event, Pack, References, Started, failure_of
from studies.work.learning import compute_pack
from studies.work.place import Place

Compute = Callable[[Pack, Place], Iterator[list[Event]]]


def compute_learning(pack: Pack, place: Place) -> Iterator[list[Event]]:
    """As in studies, but that references, which take seconds, are of the noisy input alone."""
    with pytest.MonkeyPatch.context() as patch:
        if isinstance(pack.jobs[0], References):
            patch.setattr("clearer.references.available", lambda task: {})
        yield from compute_pack(pack, place)


class InProcess:
    """What a study asks of `studies.nodes.scheduling.Cluster`; `packs` are those that were computed, in order."""

    def __init__(self, slots: int = 2, compute: Compute = compute_learning, host: str = "here", threads: int = 1):
        self._slots, self._compute, self._host, self._threads = slots, compute, host, threads
        self.packs: list[Pack] = []

    def slots(self, threads: int) -> int:
        """As many as were said."""
        return self._slots

    def check_request(self, threads: int) -> None:
        """Holds anything."""

    def timing_node(self, threads: int, device: str = "") -> dict[str, Any]:
        """A node of the name that was given."""
        return {"NodeManagerHostname": self._host}

    @contextmanager
    def workers(self, place: Place) -> Iterator[Exchange]:
        """Workers that are threads."""
        exchange = Exchange()
        threads = [threading.Thread(target=self._work, args=(exchange, place)) for _ in range(self._threads)]
        for thread in threads:
            thread.start()
        try:
            yield exchange
        finally:
            exchange.close()
            for thread in threads:
                thread.join()

    def _work(self, exchange: Exchange, place: Place) -> None:
        while not exchange.is_closed:
            pack = exchange.next_pack()
            if pack is None:
                time.sleep(0.001)
                continue
            self.packs.append(pack)
            exchange.tell(Started(pack))
            try:
                for events in self._compute(pack, place):
                    for event in events:
                        exchange.tell(event)
            except Exception as error:
                exchange.tell(error)
                return

    def time_networks(
        self, timed: Sequence[Timed], place: Place, device: str = "", say: Callable[[str], None] = print
    ) -> Iterator[Time]:
        """Times each network here."""
        for trial, architecture in timed:
            try:
                yield stages.compute_time(trial, architecture, trial.train_key(architecture), place), None
            except Exception as error:
                yield None, failure_of(error).reason


def session_of(storage: Path, cluster: InProcess | None = None, **options: Any) -> Session:
    """A session over a folder on an in-process cluster; what it prints is in `said(session)`."""
    out = console(file=io.StringIO(), width=200)
    session = Session(Options(storage=str(storage), **{"tracking_uri": "none", **options}), out)
    session.cluster = cluster or InProcess()  # type: ignore[assignment]
    return session


def said(session: Session) -> str:
    """What a session has printed."""
    return session.console.file.getvalue()  # type: ignore[attr-defined]

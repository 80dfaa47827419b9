"""Who computes what: studies that use one store at the same time leave each other's stages alone.

    drivers/<id>    one file a driver: its host and process, and the names of all that it has claimed

A claim holds while its driver lives. It rewrites its file every 15 seconds, and whenever its claims change, and removes
it at its end. One that has written nothing for 90 seconds by the store's clock counts as dead, and one whose process on
this machine is gone at once.

To get a name, a driver writes that it wants it, then reads what the others want. It has the name if nobody else wants
it. Of two that want it, the one with the greater id gives way; the other waits a moment.

This is the one-bit algorithm for mutual exclusion (L. Lamport, The mutual exclusion problem, part II, J. ACM 33, 1986).
It needs no clock and no create-if-absent, which pyarrow.fs lacks on S3, but a store in which what was written is read
at once. Where that fails (a network folder's cache, a driver that slept for minutes) two drivers compute one stage:
both write the same, and what is finished stays as it is.
"""

import contextlib
import hashlib
import json
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from studies.store.store import Store

FOLDER = "drivers"
HEARTBEAT_SECONDS = 15.0
DEAD_SECONDS = 90.0
POLL_SECONDS = 2.0
SETTLE_SECONDS = 1.0
READS = 10
SAME_SECONDS = 10.0
"""Clocks are set meanwhile: a process is another one if it began so much earlier or later."""


@dataclass(frozen=True)
class Driver:
    """Another driver that lives: its id, who it is for people, and the names that it has claimed."""

    id: str
    who: str
    names: frozenset[str]


class Claims:
    """The claims of this driver in a store, from `with` to its end."""

    def __init__(self, store: Store):
        self.store, self.id = store, uuid.uuid4().hex
        self._file = f"{FOLDER}/{self.id}"
        self._names: set[str] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="claims", daemon=True)

    def __enter__(self) -> Self:
        self._publish()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self.store.remove(self._file)

    def take(self, wanted: Mapping[str, Collection[str]]) -> set[str]:
        """Claims for each key of `wanted` all of its names or none; the keys that it has now. Ask again for others.

        A store that can't be written refuses nothing: what is computed meanwhile fails by itself, and says why.
        """
        taken = _names(self.others())
        free = {key: set(names) for key, names in wanted.items() if taken.isdisjoint(names)}
        if not free or not self._publish(add=set().union(*free.values())):
            return set(free)
        others = self.others()
        left = self._without(free, _names(driver for driver in others if driver.id < self.id))
        if not _names(others).isdisjoint(set().union(*left.values())):
            time.sleep(SETTLE_SECONDS)  # for those with a greater id to give way
            others = self.others()
        return set(self._without(left, _names(driver for driver in others if driver.id > self.id)))

    def _without(self, asked: dict[str, set[str]], taken: set[str]) -> dict[str, set[str]]:
        """Those of `asked` that have none of the names `taken`; the names of the others are given up."""
        kept = {key: names for key, names in asked.items() if taken.isdisjoint(names)}
        if len(kept) < len(asked):
            self.release(set().union(*asked.values()) - set().union(*kept.values()))
        return kept

    def release(self, names: Collection[str]) -> None:
        self._publish(drop=set(names))

    @contextlib.contextmanager
    def alone(self, name: str, waiting: Callable[[str], None]) -> Iterator[None]:
        """Waits until this driver has `name`, and keeps it meanwhile; `waiting` is told once who has it."""
        if not self.take({name: {name}}):
            waiting(self.owners({name}))
            while not self.take({name: {name}}):
                time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            self.release({name})

    def owners(self, names: Collection[str]) -> str:
        """The drivers that have claimed any of `names`, for people."""
        found = sorted({driver.who for driver in self.others() if not driver.names.isdisjoint(names)})
        return ", ".join(found) or "another study"

    def others(self) -> list[Driver]:
        """The other drivers that live; the files of those that do not are removed."""
        living, dead = self.survey()
        for file in dead:
            self.store.remove(f"{FOLDER}/{file}")
        return living

    def survey(self) -> tuple[list[Driver], list[str]]:
        """The other drivers that live, and the ids of those that do not but have left their files."""
        found = self.store.listing(FOLDER).items()
        written = {name: info.mtime_ns for name, info in found if re.fullmatch("[0-9a-f]+", name)}
        now = written.pop(self.id, None)
        living, dead = [], []
        for file in sorted(written):
            about = self._read(file)
            if about is None:
                continue
            silent = now is not None and now - written[file] > 1e9 * DEAD_SECONDS
            if silent or (about and _process_is_gone(about)):
                dead.append(file)
            elif about:
                who = f"process {about['process']} on {about['host']}"
                living.append(Driver(file, who, frozenset(about["names"])))
        return living, dead

    def _read(self, file: str) -> dict[str, Any] | None:
        """What a driver has written; None where its file is gone, nothing of a damaged one. Raises OSError: no store.

        pyarrow asks S3 for an object's length and then for its bytes. One that is rewritten in between is read cut off,
        with other memory behind it, or not at all: hence the hash, and another try.
        """
        for tries_left in reversed(range(READS)):
            try:
                data = self.store.read(f"{FOLDER}/{file}")
                if data is None:
                    return None
                written, _, text = data.partition(b"\n")
                if written == _hash(text):
                    return json.loads(text)
            except OSError:
                if not tries_left:
                    raise
            time.sleep(0.05)
        return {}

    def _publish(self, add: Collection[str] = (), drop: Collection[str] = ()) -> bool:
        """Changes the claims and writes them; whether they could be written."""
        with self._lock:
            self._names = (self._names | set(add)) - set(drop)
            try:
                self.store.write(self._file, sealed(_this_process() | {"names": sorted(self._names)}), is_durable=False)
            except OSError:
                return False
        return True

    def _beat(self) -> None:
        while not self._closed.wait(HEARTBEAT_SECONDS):
            self._publish()


def _names(drivers: Iterable[Driver]) -> set[str]:
    return set().union(*(driver.names for driver in drivers))


def timing_name(host: str) -> str:
    """What a driver claims while it takes times on a machine: two that do so at once would disturb each other."""
    return f"time/{host}"


def sealed(about: Mapping[str, Any]) -> bytes:
    """A driver's file: the SHA-256 of what follows, and its process and claims as JSON."""
    text = json.dumps(about).encode()
    return _hash(text) + b"\n" + text


def _hash(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()


def _this_process() -> dict[str, Any]:
    own = psutil.Process()
    return {"host": socket.gethostname(), "machine": _machine(), "process": own.pid, "born": own.create_time()}


def _machine() -> str | None:
    """Names this boot of this machine, and the namespace that process numbers are of; None where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _process_is_gone(about: Mapping[str, Any]) -> bool:
    """Whether a driver ran on this machine and has ended; False where only its heartbeat can tell."""
    if about["machine"] in (None, "") or about["machine"] != _machine() or not isinstance(about["born"], float):
        return False
    try:
        process = psutil.Process(about["process"])
        is_dead = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return is_dead or abs(process.create_time() - about["born"]) > SAME_SECONDS
    except psutil.NoSuchProcess:
        return True

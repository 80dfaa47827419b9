"""The jobs that learn, searches and trainings: computed as packs, from the newest checkpoint to the stored result.

A pack is computed as one network (`clearer.packing`), but each of its members has checkpoints and a result of
its own, under its own key: members that were left go on in whatever company, of equal width.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from clearer.checkpoint import DamagedError, pack_state, unpack_state
from clearer.graphs import how
from clearer.machine import device_name
from clearer.runs import DivergedError, Member
from studies.store.rows import curve_table
from studies.store.store import Store, as_parquet
from studies.work import stages
from studies.work.gpu import Energy, is_free, take_memory
from studies.work.jobs import Ended, Event, Failure, Job, Learning, Pack, Progressed, failure_of
from studies.work.place import Place

ATTEMPTS = 3
"""How often one job alone asks a shared GPU for memory."""
TICK_SECONDS = 2.0
"""The longest time between two answers of a pack that learns, so that it can be stopped in between."""

Leave = Callable[[], bool]
"""Asked after every iteration: whether the pack has to be left now."""
Events = list[Event]


def compute_pack(pack: Pack, place: Place, leave: Leave = lambda: False) -> Generator[Events]:
    """Computes what is missing of a pack, and tells so step by step; each job ends by an event of its own.

    A failure of one leaves the others alone. Whoever closes the iterator leaves a checkpoint of what was under way.
    """
    ended: set[str] = set()
    learning = [job for job in pack.jobs if isinstance(job, Learning)]
    try:
        for events in _learn(learning, pack.width, place, leave, ATTEMPTS):
            ended |= {event.key for event in events if isinstance(event, Ended)}
            yield events
    except Exception as error:
        failure = _failure(error, place)
        yield [Ended(job.key, failure) for job in pack.jobs if job.key not in ended]
        return
    for job in pack.jobs:
        if job.key not in ended:
            try:
                job.compute(place)
                yield [Ended(job.key)]
            except Exception as error:
                yield [Ended(job.key, _failure(error, place))]


def _failure(error: Exception, place: Place) -> Failure:
    """What an error of a job stands for: where others have of its share of a GPU, memory may do another time."""
    lacked = isinstance(error, torch.OutOfMemoryError) and 0 < place.gpus < 1 and not is_free(place.gpus)
    return replace(failure_of(error), permanent=False) if lacked else failure_of(error)


def _learn(jobs: Sequence[Learning], width: int, place: Place, leave: Leave, attempts: int) -> Iterator[Events]:
    """Computes jobs of one shape as one pack; its halves one after the other, where a GPU's memory does not hold it.

    What is alone and does not find the memory of a shared GPU tries again: its neighbours end, too.
    """
    store = Store(place.storage)
    missing = [job for job in jobs if store.result(job.stage, job.key) is None]
    if not missing:
        return
    torch.set_num_threads(missing[0].configuration.threads)  # sums, hence bits, depend on it
    try:
        yield from _Members(missing, width, place, store).events(leave)
        return
    except torch.OutOfMemoryError:
        if width == 1 and (attempts == 1 or not 0 < place.gpus < 1):
            raise
    take_memory(place.gpus)  # here the error is gone, which held the run
    half = (width + 1) // 2
    for part in (missing[:half], missing[half:]):
        yield from _learn(part, half, place, leave, attempts - (width == 1))


class _Members:
    """Some jobs under way as one run."""

    def __init__(self, jobs: Sequence[Learning], width: int, place: Place, store: Store):
        self.jobs, self.place, self.store = jobs, place, store
        first = jobs[0]
        sets = stages.unchanged_sets(first.configuration, first.data, place.folder)
        self.run = first.begin([job.configuration for job in jobs], sets, place.device, width)
        self._told = [0] * len(jobs)
        """How many rows of each curve events have told."""
        self._ended: set[str] = set()
        self._saved = 0
        self._energy = Energy(0.0, 0.0)

    def events(self, leave: Leave) -> Iterator[Events]:
        """Goes on from where all members have a checkpoint; saves one every `checkpoint_seconds`, and when left."""
        self._resume()
        self._energy = Energy(self.place.gpus, self._seconds)
        saved = told = time.monotonic()
        try:
            for _ in self.run.advance(every=1):
                now = time.monotonic()
                if now - saved >= self.place.checkpoint_seconds:
                    self._save()
                    saved = now
                events = [*self._rows(), *self._ends()]
                if leave() or events or now - told >= TICK_SECONDS:
                    yield events
                    told = now
        except DivergedError:
            pass  # of all members; each has its own as `problem`
        except GeneratorExit:
            self._save()
            raise
        if left := list(self._ends()):  # all had diverged before they were resumed
            yield left

    def _resume(self) -> None:
        run = self.run
        states = [dict(_states(self.store, job, self.place.device, run.width)) for job in self.jobs]
        common = max(set.intersection(*map(set, states)), default=0)
        for job in self.jobs:
            self.store.forget_checkpoints(job.stage, job.key, after=common)
        if common:
            run.load_state_dicts([found[common] for found in states])
        self._told = [len(member.curve) for member in run.members]
        self._saved = common

    def _save(self) -> None:
        """Keeps a checkpoint of every member, unless the newest is of this iteration or all have ended."""
        if self._saved == self.run.iteration or self.run.ended:
            return
        self._saved = self.run.iteration
        for job, member in zip(self.jobs, self.run.members, strict=True):
            if not member.has_ended or member.problem:  # what diverged, too: a pack goes on from what all have
                state = pack_state(self.run.state_dict(member))
                self.store.save_checkpoint(job.stage, job.key, self.run.iteration, state)

    @property
    def _seconds(self) -> float:
        """What all members have taken."""
        return sum(member.seconds for member in self.run.members)

    def _rows(self) -> Iterator[Event]:
        """The rows of curves that were not told yet."""
        run, seconds = self.run, self._seconds
        for number, (job, member) in enumerate(zip(self.jobs, run.members, strict=True)):
            for record in member.curve[self._told[number] :]:
                yield Progressed(job.key, record, run.iterations, seconds)
            self._told[number] = len(member.curve)

    def _ends(self) -> Iterator[Event]:
        """Keeps what members have found that have ended since the last time; a training has its tests to come."""
        for job, member in zip(self.jobs, self.run.members, strict=True):
            if member.has_ended and job.key not in self._ended:
                self._ended.add(job.key)
                if member.problem is not None:
                    yield Ended(job.key, failure_of(member.problem), tuple(member.curve))
                    continue
                self._finish(job, member)
                if len(job.stages) == 1:
                    yield Ended(job.key)

    def _finish(self, job: Learning, member: Member) -> None:
        """Keeps what a member has found, with what it took and on what; of a pack, its share of the seconds."""
        run, first = self.run, member.curve[0]
        found, files = job.found(run, member)
        result = {
            **found,
            **how(run.steps, run.device),
            "iterations": member.iteration,
            "seconds": member.seconds,
            "pack": run.width,
            "device": device_name(self.place.device),
            "gpus": self.place.gpus,
            "energy_wh": self._energy.of(member.seconds, self._seconds),
            "host": socket.gethostname(),
            "started_at": first["recorded_at"] - first["seconds"] * len(run.members),
            "finished_at": time.time(),
        }
        curve = as_parquet(curve_table(member.curve))
        self.store.finish(job.stage, job.key, result, {**files, "curve.parquet": curve})


def _states(store: Store, job: Job, device: str, width: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The states in the checkpoints of a job that are whole, of a width, by iteration, newest first."""
    for data in store.checkpoints(job.stage, job.key):
        with contextlib.suppress(DamagedError):
            state = unpack_state(data, device)
            if state["width"] == width:
                yield state["iteration"], state

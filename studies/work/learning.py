"""The stages that learn, searches and trainings: computed as packs, from the newest checkpoint to the result in the store.

A pack is computed as one network (`clearer.packing`), but each of its members has checkpoints and a result of its own, under
its own key: members that were left go on in whatever company, of the same width.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import torch

from clearer.architecture import Architecture
from clearer.checkpoint import DamagedError, pack_network, pack_state, unpack_state
from clearer.graphs import how
from clearer.members import Member
from clearer.runs import DivergedError, Run
from clearer.search import Search
from clearer.timing import device_name
from clearer.training import Training
from studies.planning import halving
from studies.store.rows import curve_table
from studies.store.store import Store, as_parquet, from_parquet
from studies.work import oneshot, stages
from studies.work.jobs import Event, Failure, Job, Pack, failure_of, finished
from studies.work.stages import Place

TICK_SECONDS = 2.0
"""The longest time between two events of a pack that learns, so that it can be stopped in between."""

Leave = Callable[[], bool]
"""Asked after every iteration: whether the pack has to be left now."""


def run_pack(pack: Pack, place: Place, leave: Leave = lambda: False) -> Generator[Event]:
    """Computes what is missing of a pack; each job ends by an event of its own. A failure of one leaves the others alone.

    An event may be empty. Whoever closes the iterator leaves a checkpoint of what was under way.
    """
    ended: set[str] = set()
    try:
        if pack.jobs[0].stage in ("search", "train"):
            for event in _learn(pack.jobs, pack.width, place, leave):
                ended |= set(event.get("ended", ()))
                yield event
    except Exception as error:
        yield from (finished(job, failure_of(error)) for job in pack.jobs if job.key not in ended)
        return
    for job in pack.jobs:
        if job.key not in ended:
            yield finished(job, _failure_after_learning(job, place))


def _failure_after_learning(job: Job, place: Place) -> Failure | None:
    """Computes what is missing of a job that does not learn, or that has learnt."""
    try:
        if job.stage == "reference":
            stages.run_references(job.configuration, job.key, place)
        elif job.stage == oneshot.STAGE:
            oneshot.run_oneshot(job.configuration, job.architectures, job.key, job.data, place)
        for key, configuration in job.tests:
            stages.run_test(configuration, key, job.key, job.data, place)
    except Exception as error:
        return failure_of(error)
    return None


def _learn(jobs: Sequence[Job], width: int, place: Place, leave: Leave) -> Iterator[Event]:
    """Computes searches, or trainings of one architecture, as one pack, and keeps what each found as soon as it has ended.

    Every row of a curve is an event, and so is the end of a search, and the failure of any; a training has its tests to
    come. Where the memory of a GPU does not hold the pack, its halves are computed one after the other.
    """
    store = Store(place.storage)
    missing = [job for job in jobs if store.result(job.stage, job.key) is None]
    if not missing:
        return
    torch.set_num_threads(missing[0].configuration.threads)  # sums, hence bits, depend on it
    try:
        yield from _Learning(missing, width, place, store).events(leave)
    except torch.OutOfMemoryError:
        if width == 1:
            raise
        half = (width + 1) // 2
    else:
        return
    torch.cuda.empty_cache()
    for part in (missing[:half], missing[half:]):
        yield from _learn(part, half, place, leave)


class _Learning:
    """Some jobs under way as one run."""

    def __init__(self, jobs: Sequence[Job], width: int, place: Place, store: Store):
        self.jobs, self.place, self.store = jobs, place, store
        first, configurations = jobs[0], [job.configuration for job in jobs]
        sets = stages.unchanged_sets(first.configuration, first.data, place.folder)
        self.run: Run
        if first.stage == "search":
            self.run = Search(configurations, sets[0], sets[1], place.device, width)
        else:
            architecture = Architecture.parse(first.architecture)
            self.run = Training(configurations, architecture, sets[0], sets[1], place.device, width)
        self.rungs = first.rungs
        self._told = [0] * len(jobs)
        """How many rows of each curve events have told."""
        self._ended: set[str] = set()

    def events(self, leave: Leave) -> Iterator[Event]:
        """Goes on from where all members have a checkpoint; saves one at rungs, whenever `checkpoint_seconds` have passed, and when left.

        What has rungs is told as it was found, so that it can be judged by its curve before it goes on.
        """
        self._resume()
        try:
            yield from self._rows(lambda record: record["iteration"] in self.rungs)
            self._told = [len(member.curve) for member in self.run.members]
            with contextlib.suppress(DivergedError):  # of all members; each has its own as `problem`
                yield from self._iterations(leave)
        except GeneratorExit:
            self._save()
            raise

    def _iterations(self, leave: Leave) -> Iterator[Event]:
        run = self.run
        saved = told = time.monotonic()
        for _ in run.advance(every=1):
            now = time.monotonic()
            if run.iteration in self.rungs or now - saved >= self.place.checkpoint_seconds:
                self._save()
                saved = now
            for event in (*self._rows(), *self._ends()):
                yield event
                told = now
            if leave() or now - told >= TICK_SECONDS:
                yield {}
                told = now

    def _resume(self) -> None:
        run = self.run
        states = [dict(_states(self.store, job.stage, job.key, self.place.device, run.width)) for job in self.jobs]
        common = max(set.intersection(*map(set, states)), default=0)
        for job in self.jobs:
            self.store.forget_checkpoints(job.stage, job.key, after=common)
        if common:
            run.load_state_dicts([found[common] for found in states])
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

    def _rows(self, wanted: Callable[[dict[str, Any]], bool] = lambda record: True) -> Iterator[Event]:
        """The rows of curves that were not told yet."""
        run = self.run
        if all(len(member.curve) == self._told[member.place] for member in run.members):
            return
        new: dict[int, dict[str, Any]] = {}
        for member in run.members:
            for record in filter(wanted, member.curve[self._told[member.place] :]):
                new.setdefault(record["iteration"], {})[self.jobs[member.place].key] = record
            self._told[member.place] = len(member.curve)
        seconds = sum(member.seconds for member in run.members)
        spent = {self.jobs[member.place].key: self._spent(member) for member in run.members}
        for iteration, records in sorted(new.items()):
            about = {"iteration": iteration, "iterations": run.iterations, "seconds": seconds, "spent": spent}
            yield {**about, "records": records, halving.METRIC: next(iter(records.values()))[halving.METRIC]}

    def _ends(self) -> Iterator[Event]:
        """Keeps what members that have ended since the last time have found."""
        for member in self.run.members:
            job = self.jobs[member.place]
            if member.has_ended and job.key not in self._ended:
                self._ended.add(job.key)
                if member.problem is not None:
                    yield finished(job, failure_of(member.problem))
                    continue
                self._finish(job, member)
                if job.stage == "search":
                    yield finished(job, None)

    def _spent(self, member: Member) -> dict[str, Any]:
        """What a member has taken so far, and on what; of a pack, its share of the seconds."""
        return {
            "iterations": member.iteration, "seconds": member.seconds, "pack": self.run.width,
            "device": device_name(self.place.device), "gpus": self.place.gpus, "host": socket.gethostname(),
        }  # fmt: skip

    def _finish(self, job: Job, member: Member) -> None:
        run, c = self.run, job.configuration
        if isinstance(run, Search):
            found: dict[str, Any] = {
                "architecture": str(run.architecture(member)),
                "alpha": run.alpha(member)[:, 1].tolist(),
            }
            files = {"supernet.pt": pack_state(run.weights_of(member))}
        else:
            assert isinstance(run, Training)
            found = {"architecture": job.architecture}
            network = pack_network(run.network_of(member), task=c.task, sigma=c.sigma, protocol=c.protocol)
            files = {"network.safetensors": network}
        first = member.curve[0]
        result = {
            **found, **self._spent(member), **how(run.steps, run.device), "finished_at": time.time(),
            "started_at": first["recorded_at"] - first["seconds"] * len(run.members),
        }  # fmt: skip
        curve = as_parquet(curve_table(member.curve))
        self.store.finish(job.stage, job.key, result, {**files, "curve.parquet": curve})


def load_curve(store: Store, stage: str, key: str) -> list[dict[str, Any]]:
    """The curve of a search or training: whole where it is finished, else up to the newest checkpoint."""
    whole = store.read(f"stages/{stage}/{key}/curve.parquet")
    if whole is not None:
        return from_parquet(whole)
    return load_unfinished_curve(store, stage, key)


def load_unfinished_curve(store: Store, stage: str, key: str) -> list[dict[str, Any]]:
    """The curve of a search or training that was left, up to its newest checkpoint; empty where there is none."""
    return next((state["curve"] for _, state in _states(store, stage, key, "cpu")), [])


def _states(
    store: Store, stage: str, key: str, device: str, width: int | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The states in the checkpoints that are whole, of a width or of any, by iteration, newest first."""
    for data in store.checkpoints(stage, key):
        with contextlib.suppress(DamagedError):
            state = unpack_state(data, device)
            if width in (None, state["width"]):
                yield state["iteration"], state

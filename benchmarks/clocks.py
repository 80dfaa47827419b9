"""Clocks around the parts of a pack's work, in the process that computes it; `benchmarks.orchestration` reads them.

A module of its own, and no part of a script: a worker imports it when it unpickles a pack.
"""

import functools
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from clearer.runs import Run
from clearer.search import Search
from studies.nodes import tuning
from studies.work import learning
from studies.work.jobs import Job, Pack
from studies.work.place import Place

_TIMED: dict[str, list[tuple[Any, str]]] = {
    "steps": [(Search, "_iterate")],
    "reports": [(Run, "_report")],
    "data, network": [(learning._Members, "__init__")],
    "checkpoints": [(learning._Members, "_resume"), (learning._Members, "_save")],
    "results": [(learning._Members, "_finish")],
}
_spent: dict[str, float] = defaultdict(float)


class MeasuredPack(Pack):
    """A pack that is measured where it runs: unpickled there, it puts clocks around the parts of its work."""

    def __reduce__(self) -> Any:
        return _unpickled, (self.jobs, self.width)


def _unpickled(jobs: tuple[Job, ...], width: int) -> MeasuredPack:
    _put_clocks()
    return MeasuredPack(jobs, width)


@functools.cache
def _put_clocks() -> None:
    for part, places in _TIMED.items():
        for owner, name in places:
            setattr(owner, name, _clocked(part, getattr(owner, name)))
    tuning.compute_pack = _recorded(tuning.compute_pack)  # type: ignore[assignment]


def _clocked(part: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return call(*arguments, **named)
        finally:
            _spent[part] += time.perf_counter() - started

    return timed


def _recorded(compute: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Of each pack a line in a file of the process; while it waits for Tune to take events it is in `reports`."""

    def recorded(pack: Pack, place: Place, leave: learning.Leave) -> Iterator[Any]:
        _spent.clear()
        began = time.time()
        for events in compute(pack, place, leave):
            told = time.perf_counter()
            yield events
            _spent["reports"] += time.perf_counter() - told
        line = {"began": began, "ended": time.time(), "spent": dict(_spent)}
        with Path(place.storage, f"clock-{os.getpid()}").open("a") as file:
            file.write(json.dumps(line) + "\n")

    return recorded

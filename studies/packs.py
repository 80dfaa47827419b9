"""Which jobs are computed as one network, and how wide its pack is (`clearer.packing`).

A result's bits depend on the width of its pack, so widths follow from the trials that the study wants, never from what
happens to be missing, from the number of cores, or from a clock. Short packs are filled up.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clearer.architecture import Architecture
from clearer.configuration import Configuration, digest
from clearer.packing import full_width
from clearer.runs import shape
from studies.jobs import Job, Pack
from studies.probe import step_bytes

WIDEST = 8
NARROW_CHANNELS = 16
"""Up to so many channels C a pack is faster on a CPU."""
_FURTHER = 0.4
"""What each further member of a pack adds to its time, where a search alone takes 1: `python -m benchmarks.search_step --pack 1,4,8`, C = 4 and 8."""
_SLOTS = 2
"""Packs of searches that are taken to run at once: the smallest machine's."""
CPU_BYTES, GPU_BYTES = 2 << 30, 32 << 30
"""What the activations of one pack may take: of a process, and of a whole GPU."""


@dataclass(frozen=True)
class Packing:
    """How wide packs are: `asked` for, or None for `auto`; `gpus` is the share of a GPU that a pack takes."""

    asked: int | None = None
    gpus: float = 0.0

    def searches(self, wanted: Iterable[Configuration]) -> dict[str, int]:
        """The widths of the packs of searches, by shape, for the configurations of all the study's searches."""
        distinct = {digest(c.of_stage("search")): c for c in wanted}
        counts = Counter(shape(c, "search") for c in distinct.values())
        slots = _SLOTS if len(counts) == 1 else 1
        return {shape(c, "search"): self._width("search", c, counts, slots) for c in distinct.values()}

    def trainings(self, wanted: Iterable[tuple[Configuration, Architecture]]) -> dict[str, int]:
        """The widths of the packs of trainings, by shape and architecture, for all that the study trains."""
        distinct = {
            digest([c.of_stage("train"), str(architecture)]): (c, str(architecture)) for c, architecture in wanted
        }
        counts = Counter(_training(c, architecture) for c, architecture in distinct.values())
        return {_training(c, text): self._width("train", c, counts, 1, text) for c, text in distinct.values()}

    def _width(
        self, stage: str, c: Configuration, counts: Mapping[str, int], slots: int, architecture: str = ""
    ) -> int:
        """The width with which so many take least time, `slots` packs at once; the narrowest of equals."""
        count = counts[_training(c, architecture) if architecture else shape(c, stage)]
        if self.asked is not None and stage == "search":
            return full_width(self.asked, c.channels, c.precision)
        most = WIDEST if self.asked is None else self.asked
        if most == 1 or (not self.gpus and c.channels > NARROW_CHANNELS):
            return 1
        memory = GPU_BYTES * min(self.gpus, 1.0) if self.gpus else CPU_BYTES
        most = min(most, int(memory / step_bytes(stage, c)))
        widths = {1, *(full_width(k, c.channels, c.precision) for k in range(2, most + 1))}
        return min(
            sorted(k for k in widths if k <= max(most, 1)),
            key=lambda k: math.ceil(count / k / slots) * (1 + _FURTHER * (k - 1)),
        )


def packs(jobs: Sequence[Job], widths: Mapping[str, int]) -> list[Pack]:
    """The jobs in packs of the widths of their shapes, in order; one that is not in `widths` is alone."""
    groups: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        groups[_group(job, widths)].append(job)
    found = []
    for name, members in groups.items():
        width = widths.get(name, 1)
        found += [Pack(tuple(members[first : first + width]), width) for first in range(0, len(members), width)]
    return found


def _group(job: Job, widths: Mapping[str, int]) -> str:
    name = job.key
    if job.stage == "search":
        name = shape(job.configuration, "search")
    elif job.stage == "train" and not job.rungs:
        name = _training(job.configuration, job.architecture)
    return name if name in widths else job.key


def _training(c: Configuration, architecture: str) -> str:
    return f"{shape(c, 'train')} {architecture}"

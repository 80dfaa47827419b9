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
from clearer.runs import shape
from studies.jobs import Job, Pack
from studies.probe import step_bytes

WIDEST = 8
NARROW_CHANNELS = 16
"""Up to so many channels C a pack is faster on a CPU: `python -m benchmarks.packs`."""
CPU_BYTES, GPU_BYTES = 2 << 30, 32 << 30
"""What the activations of one pack may take: of a process, and of a whole GPU."""


@dataclass(frozen=True)
class Packing:
    """How wide packs are: `asked` for searches, or None for `auto`; `gpus` is the share of a GPU that a pack takes."""

    asked: int | None = None
    gpus: float = 0.0

    def searches(self, wanted: Iterable[Configuration]) -> dict[str, int]:
        """The widths of the packs of searches, by shape, for the configurations of all the study's searches.

        `auto` makes at least two packs of them, for the cores of the smallest machine, and no pack wider than it gains by.
        """
        distinct = {digest(c.of_stage("search")): c for c in wanted}
        counts = Counter(shape(c, "search") for c in distinct.values())
        examples = {shape(c, "search"): c for c in distinct.values()}
        if self.asked is not None:
            return dict.fromkeys(counts, self.asked)
        packs = {name: math.ceil(count / self._widest("search", examples[name])) for name, count in counts.items()}
        if sum(packs.values()) == 1:
            packs = dict.fromkeys(packs, 2)
        return {name: math.ceil(count / packs[name]) for name, count in counts.items()}

    def trainings(self, wanted: Iterable[tuple[Configuration, Architecture]]) -> dict[str, int]:
        """The widths of the packs of trainings, by shape and architecture: as many as share both, and no more than gain by it."""
        distinct = {
            digest([c.of_stage("train"), str(architecture)]): (c, str(architecture)) for c, architecture in wanted
        }
        counts = Counter(_training(c, architecture) for c, architecture in distinct.values())
        examples = {_training(c, architecture): c for c, architecture in distinct.values()}
        widths = {}
        for name, count in counts.items():
            most = min(self.asked or WIDEST, self._widest("train", examples[name]))
            widths[name] = math.ceil(count / math.ceil(count / most))
        return widths

    def _widest(self, stage: str, c: Configuration) -> int:
        if not self.gpus and c.channels > NARROW_CHANNELS:
            return 1
        memory = GPU_BYTES * min(self.gpus, 1.0) if self.gpus else CPU_BYTES
        return max(1, min(WIDEST, int(memory / step_bytes(stage, c))))


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

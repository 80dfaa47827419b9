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
from clearer.members import shape
from clearer.packing import full_width
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
        names = {key: shape(c, "search") for key, c in distinct.items()}
        counts, examples = Counter(names.values()), {names[key]: c for key, c in distinct.items()}
        slots = _SLOTS if len(counts) == 1 else 1
        return {name: self._of_searches(examples[name], count, slots) for name, count in counts.items()}

    def trainings(self, wanted: Iterable[tuple[Configuration, Architecture]]) -> dict[str, int]:
        """The widths of the packs of trainings, by shape and architecture, for all that the study trains."""
        distinct = {
            digest([c.of_stage("train"), str(architecture)]): (c, str(architecture)) for c, architecture in wanted
        }
        names = {key: _training(c, text) for key, (c, text) in distinct.items()}
        counts, examples = Counter(names.values()), {names[key]: c for key, (c, _) in distinct.items()}
        most = WIDEST if self.asked is None else self.asked
        return {name: self._fastest("train", examples[name], count, 1, most) for name, count in counts.items()}

    def _of_searches(self, c: Configuration, count: int, slots: int) -> int:
        if self.asked is not None:
            return full_width(self.asked, c.channels, c.precision)
        return self._fastest("search", c, count, slots, WIDEST)

    def _fastest(self, stage: str, c: Configuration, count: int, slots: int, most: int) -> int:
        """The width with which `count` take least time, `slots` packs at once; the narrowest of equals."""
        if 1 in (count, most) or (not self.gpus and c.channels > NARROW_CHANNELS):
            return 1
        memory = GPU_BYTES * min(self.gpus, 1.0) if self.gpus else CPU_BYTES
        most = max(1, min(most, int(memory / step_bytes(stage, c))))
        widths = {1, *(full_width(k, c.channels, c.precision) for k in range(2, most + 1))}
        return min(
            sorted(k for k in widths if k <= most),
            key=lambda k: math.ceil(count / k / slots) * (1 + _FURTHER * (k - 1)),
        )


def packs(jobs: Sequence[Job], widths: Mapping[str, int]) -> list[Pack]:
    """The jobs in packs of the widths of their shapes, the fullest first; one that is not in `widths` is alone."""
    groups: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        groups[_group(job, widths)].append(job)
    found = []
    for name, members in groups.items():
        width = widths.get(name, 1)
        found += [Pack(tuple(members[first : first + width]), width) for first in range(0, len(members), width)]
    return sorted(found, key=lambda pack: -len(pack.jobs))  # the longest last would run beside idle cores


def _group(job: Job, widths: Mapping[str, int]) -> str:
    name = job.key
    if job.stage == "search":
        name = shape(job.configuration, "search")
    elif job.stage == "train" and not job.rungs:
        name = _training(job.configuration, job.architecture)
    return name if name in widths else job.key


def _training(c: Configuration, architecture: str) -> str:
    return f"{shape(c, 'train')} {architecture}"

"""Which jobs share a pack, and how wide it is: what a study decides (`clearer.packing` computes packs as one network).

A result's bits depend on the width of its pack. So widths follow from the trials that a study plans, never from what
happens to be missing, from the number of cores, or from a clock. Short packs are filled up; order changes no bit.

On GPUs they follow from the number of slots, too: that of `--slots`, or the cluster's at the first run, which
`study.json` keeps. A pack saves time within a slot, and no slot may be idle for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clearer.configuration import Configuration
from studies.work.jobs import Job, Learning, Pack, Search, Train

WIDEST = 8
NARROW_CHANNELS = 16
"""Up to so many channels C a pack is faster on a CPU. Of GPUs nothing is measured."""
_FURTHER = 0.4
"""What each further member adds to a pack's time, where a search alone takes 1, at C = 4 and 8.

Measured by `python -m benchmarks.search_step --pack 1,4,8`.
"""
_SLOTS = 2
"""Packs of searches that are taken to run at once on CPUs: the smallest machine's."""
CPU_BYTES, GPU_BYTES = 2 << 30, 16 << 30
"""What activations of one pack may take of a process; the memory of a GPU, half of which they may, where unknown."""


@dataclass(frozen=True)
class Packing:
    """How wide packs are: `asked` for, or None for `auto`; `gpus` is the share of a GPU of each of `slots` packs."""

    asked: int | None = None
    gpus: float = 0.0
    slots: int | None = None
    gpu_bytes: int = GPU_BYTES

    def searches(self, planned: Iterable[Search]) -> dict[str, int]:
        """The width of each search's pack, by its name, for all searches of a study."""
        if self.asked is not None:
            return {job.name: self._full(self.asked, job.configuration) for job in planned}
        return self._all(planned, _SLOTS, WIDEST)

    def trainings(self, planned: Iterable[Train]) -> dict[str, int]:
        """The width of each training's pack, by its name; only trainings of one architecture share a pack."""
        return self._all(planned, 1, WIDEST if self.asked is None else self.asked)

    def _all(self, planned: Iterable[Learning], on_cpus: int, most: int) -> dict[str, int]:
        """The widths of jobs, whose shapes have the slots in equal parts: full packs first, then the rest."""
        shapes: dict[str, dict[str, Learning]] = defaultdict(dict)
        for job in planned:
            shapes[job.shape][job.name] = job
        slots = max(1, (self.slots if self.gpus and self.slots else on_cpus) // max(1, len(shapes)))
        found: dict[str, int] = {}
        for named in shapes.values():
            widths = self._fastest(list(named.values()), slots, most)
            found |= dict(zip(named, (width for width in widths for _ in range(width)), strict=False))
        return found

    def _full(self, width: int, c: Configuration) -> int:
        from clearer.packing import full_width  # here, so that to plan a finished study needs no torch

        return full_width(width, c.channels, c.precision)

    def _fastest(self, jobs: Sequence[Learning], slots: int, most: int) -> list[int]:
        """The widths of the packs in which `jobs` take least time, `slots` packs at once; the narrowest of equals."""
        c, count = jobs[0].configuration, len(jobs)
        if 1 in (count, most) or c.channels > NARROW_CHANNELS:
            return [1] * count
        from clearer.probe import step_bytes

        memory = self.gpu_bytes * self.gpus / 2 if self.gpus else CPU_BYTES
        most = max(1, min(most, int(memory / step_bytes(jobs[0].stage, c))))
        widths = {1, *(self._full(k, c) for k in range(2, most + 1))}
        splits = [self._split(count, k, c) for k in sorted(widths) if k <= most]
        return min(splits, key=lambda split: _time(split, slots))

    def _split(self, count: int, width: int, c: Configuration) -> list[int]:
        """The widths of full packs and of one that holds what they leave of `count`, the widest first."""
        whole, rest = divmod(count, width)
        return [width] * whole + ([self._full(rest, c)] if rest else [])


def _time(widths: Sequence[int], slots: int) -> float:
    """How long packs take, the widest first, where `slots` run at once and a search alone takes 1."""
    busy = [0.0] * slots
    for width in widths:
        busy[busy.index(min(busy))] += pack_time(width)
    return max(busy)


def pack_time(width: int) -> float:
    """How long a pack takes where one job alone takes 1."""
    return 1 + _FURTHER * (width - 1)


def packs(jobs: Sequence[Job], widths: Mapping[str, int]) -> list[Pack]:
    """The jobs in packs of the widths of their names; one without a width is alone.

    First comes what others wait for, then what takes longest: the longest last would run beside idle cores.
    """
    groups: dict[tuple[str, int], list[Job]] = defaultdict(list)
    for job in jobs:
        width = widths.get(job.name) if isinstance(job, Learning) else None
        groups[(job.shape, width) if isinstance(job, Learning) and width else (job.key, 1)].append(job)
    found = []
    for (_, width), members in groups.items():
        found += [Pack(tuple(members[first : first + width]), width) for first in range(0, len(members), width)]
    return sorted(found, key=_urgency, reverse=True)


def _urgency(pack: Pack) -> tuple[bool, float]:
    first = pack.jobs[0]
    operations = first.operations * pack_time(pack.width) if isinstance(first, Learning) else 0.0
    return first.others_wait, operations

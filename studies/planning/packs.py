"""Which jobs are computed as one network, and how wide its pack is (`clearer.packing`).

A result's bits depend on the width of its pack, so widths follow from the trials that the study wants, never from what
happens to be missing, from the number of cores, or from a clock. Short packs are filled up. In which order packs run changes no bit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clearer.architecture import FUSION, PARALLEL, Architecture
from clearer.configuration import Configuration, digest
from clearer.members import shape
from clearer.packing import full_width
from studies.planning.probe import step_bytes
from studies.work.jobs import Job, Pack

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
        """The width of the pack of each search, by `search_name`, for the configurations of all the study's searches."""
        shapes: dict[str, dict[str, Configuration]] = defaultdict(dict)
        for c in wanted:
            shapes[shape(c, "search")][search_name(c)] = c
        slots = _SLOTS if len(shapes) == 1 else 1
        return {n: k for named in shapes.values() for n, k in self._widths("search", named, slots, WIDEST).items()}

    def trainings(self, wanted: Iterable[tuple[Configuration, Architecture]]) -> dict[str, int]:
        """The same for all that the study trains, by `training_name`; only trainings of one architecture share a pack."""
        shapes: dict[str, dict[str, Configuration]] = defaultdict(dict)
        for c, architecture in wanted:
            shapes[f"{shape(c, 'train')} {architecture}"][training_name(c, str(architecture))] = c
        most = WIDEST if self.asked is None else self.asked
        return {n: k for named in shapes.values() for n, k in self._widths("train", named, 1, most).items()}

    def _widths(self, stage: str, named: Mapping[str, Configuration], slots: int, most: int) -> dict[str, int]:
        """A width for each of some jobs of one shape: the first are in full packs, the rest in one that just holds them."""
        example = next(iter(named.values()))
        if stage == "search" and self.asked is not None:
            return dict.fromkeys(named, full_width(self.asked, example.channels, example.precision))
        widths = self._fastest(stage, example, len(named), slots, most)
        return dict(zip(named, (width for width in widths for _ in range(width)), strict=False))

    def _fastest(self, stage: str, c: Configuration, count: int, slots: int, most: int) -> list[int]:
        """The widths of the packs in which `count` take least time, `slots` packs at once; the narrowest of equals."""
        if 1 in (count, most) or (not self.gpus and c.channels > NARROW_CHANNELS):
            return [1] * count
        memory = GPU_BYTES * min(self.gpus, 1.0) if self.gpus else CPU_BYTES
        most = max(1, min(most, int(memory / step_bytes(stage, c))))
        widths = {1, *(full_width(k, c.channels, c.precision) for k in range(2, most + 1))}
        splits = [_split(count, k, c) for k in sorted(widths) if k <= most]
        return min(splits, key=lambda split: _time(split, slots))


def _split(count: int, width: int, c: Configuration) -> list[int]:
    """The widths of full packs and of one that holds what they leave of `count`, the widest first."""
    whole, rest = divmod(count, width)
    return [width] * whole + ([full_width(rest, c.channels, c.precision)] if rest else [])


def _time(widths: Sequence[int], slots: int) -> float:
    """How long packs take, the widest first, where `slots` run at once and a search alone takes 1."""
    busy = [0.0] * slots
    for width in widths:
        busy[busy.index(min(busy))] += 1 + _FURTHER * (width - 1)
    return max(busy)


def search_name(c: Configuration) -> str:
    """The same for configurations whose searches are one."""
    return digest(c.of_stage("search"))


def training_name(c: Configuration, architecture: str) -> str:
    """The same for configurations whose trainings of an architecture are one."""
    return digest([c.of_stage("train"), architecture])


def packs(jobs: Sequence[Job], widths: Mapping[str, int]) -> list[Pack]:
    """The jobs in packs of the widths of their names, what takes longest first; one that is not in `widths` is alone."""
    groups: dict[tuple[str, int], list[Job]] = defaultdict(list)
    for job in jobs:
        groups[_group(job, widths)].append(job)
    found = []
    for (_, width), members in groups.items():
        found += [Pack(tuple(members[first : first + width]), width) for first in range(0, len(members), width)]
    return sorted(found, key=_operations, reverse=True)  # the longest last would run beside idle cores


def _group(job: Job, widths: Mapping[str, int]) -> tuple[str, int]:
    """Jobs of one group can share packs of its width."""
    c = job.configuration
    if job.stage == "search" and search_name(c) in widths:
        return shape(c, "search"), widths[search_name(c)]
    if job.stage == "train" and not job.rungs and training_name(c, job.architecture) in widths:
        return f"{shape(c, 'train')} {job.architecture}", widths[training_name(c, job.architecture)]
    return job.key, 1


def _operations(pack: Pack) -> float:
    """About how long a pack takes, to put packs in order: multiplications of what learns, as those of a pack's first member."""
    c, first = pack.configuration, pack.jobs[0]
    modules = {"search": PARALLEL + FUSION, "train": ""}.get(first.stage)
    if modules is None:
        return 0.0
    columns = c.columns_by_cell
    letters = [Architecture.from_letters(letter * sum(columns), columns) for letter in modules]
    a_pixel = sum(
        a.flops_per_pixel(c.channels, c.image_channels) for a in letters or [Architecture.parse(first.architecture)]
    )
    steps = 2 * c.search_iterations - c.warmup_iterations if first.stage == "search" else c.train_iterations
    return steps * c.batch_size * c.patch_size**2 * a_pixel * (1 + _FURTHER * (pack.width - 1))

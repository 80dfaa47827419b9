"""What stages cost, in time and in space: measured where the store has their shape, else a probe of a few steps."""

import functools
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from clearer.architecture import Architecture, supernet_parameters
from clearer.configuration import Configuration, cost_fields, digest
from clearer.fields import as_text
from clearer.images.datasets import DATASETS
from clearer.machine import device_name, without_threads
from clearer.tasks.known import task_of
from studies.planning.packs import Packing, pack_time
from studies.planning.plan import STAGES, Device, Need, Plan
from studies.work.jobs import Learning
from studies.work.place import Place

ROW_BYTES = 40_000
"""A row and its curve."""
_STAGE_BYTES = {"search": 50_000, "train": 50_000, "test": 250_000, "time": 1_000, "reference": 300_000}
_FLOAT_BYTES = 4
_PIXELS, _USUAL_IMAGES = 150_000, 100
"""Of a test image, and in a folder of which nothing is known, where no test was measured."""
_SCORE_SECONDS, _REFERENCE_SECONDS = 0.05, 2.0
"""What scoring an image takes, and tuning and scoring the classical methods for one, about."""
_CHECKPOINTS = 2
"""Kept of a stage under way."""
_SAMPLE, _RESULTS = 200, 8
"""Rows of a study, and results of tests and references, that are read one by one at most."""
SAME = {stage: cost_fields(stage) for stage in STAGES}
"""The fields that are equal where the cost of a stage, or of a step of it, compares."""
_LENGTHS = {"search": ("search_iterations", "warmup_iterations"), "train": ("train_iterations",)}
_KEYS = {"search": "search_key", "train": "train_key", "test": "test_key", "time": "train_key"}
_FIGURES = (
    "search_device train_device device search_seconds train_seconds search_pack train_pack gpu_seconds "
    "search_iterations search_stopped_at warmup_iterations train_iterations test_time_ms test_set_seconds"
).split()
Row = Mapping[str, Any]


class Cost(NamedTuple):
    """Seconds of one slot, and what they rest on."""

    seconds: float
    basis: str


@dataclass(frozen=True)
class Expected:
    """The jobs of a stage that are expected, and the seconds of one slot that each takes."""

    jobs: float
    seconds: float


def _distinct(stage: str, need: Need) -> float:
    """How many different jobs the missing stages of a kind are likely to be."""
    known: Counter[str] = Counter()
    drawn: dict[str, list[Configuration]] = defaultdict(list)
    for key, c in need.missing.items():
        if isinstance(key, tuple) and c.kind == "searched":
            # The key of a test has that of its training, which has the group.
            drawn[key[0][1] if stage == "test" else key[1]].append(c)
        elif stage in ("train", "test", "time"):
            known[digest(c.of_stage("train" if stage == "test" else stage))] += 1
    found = float(len(need.missing) - sum(map(len, drawn.values())))
    for group, searches in drawn.items():
        space = 2.0 ** sum(searches[0].columns_by_cell)
        found += max(0.0, space - known[group]) * -math.expm1(len(searches) * math.log1p(-1 / space))
    return found


class Costs:
    """What a plan needs, and what that costs, from the rows of its store and its finished stages.

    Times at a trial's share of a GPU count, else at any. `elsewhere`: this machine does not see the trials' GPUs.
    `device` is as in `Plan.needs`.
    """

    def __init__(self, plan: Plan, place: Place, elsewhere: bool, device: Device | None = None):
        self.plan, self.needs, self.place = plan, plan.needs(device), place
        self._store, self._finished, self._elsewhere = plan.store, plan.finished, elsewhere
        self._rows: dict[tuple[Any, ...], dict[str, Row]] = defaultdict(dict)
        self._known: dict[tuple[Any, ...], Cost] = {}
        self._bytes: dict[tuple[Any, ...], float] = {}
        self._probes: dict[tuple[str, Configuration, str], float] = {}
        wanted = {*_FIGURES, *_KEYS.values(), *(name for names in SAME.values() for name in names)}
        for row in plan.store.sampled_rows(wanted, _SAMPLE):
            for stage, key in _KEYS.items():
                if row.get(key) is not None:
                    self._rows[stage, *(row.get(name) for name in SAME[stage])][row[key]] = row

    def outlook(self, packing: Packing) -> dict[str, Expected]:
        """What is missing, stage by stage.

        How many trainings follow from searches is not known. As many are expected as there would be different ones if
        each search found an architecture by chance.
        """
        widths = self.plan.widths(packing)
        shares: dict[str, list[float]] = defaultdict(list)
        for task in self.plan.tasks().values():
            width = widths.get(task.job.name, 1) if isinstance(task.job, Learning) else 1
            shares[task.job.stage].append(pack_time(width) / width)
        found = {}
        for stage, need in self.needs.items():
            each = [self.of(stage, c).seconds for c in need.missing.values()]
            if each:
                share = statistics.fmean(shares[stage]) if shares[stage] else 1.0
                found[stage] = Expected(_distinct(stage, need), share * statistics.fmean(each))
        return found

    def of(self, stage: str, c: Configuration) -> Cost:
        """The cost of one stage of a configuration."""
        case = _case(stage, c)
        if case not in self._known:
            self._known[case] = self._learning(stage, c) if stage in _LENGTHS else self._measured(stage, c)
        return self._known[case]

    def bytes_of(self, stage: str, c: Configuration) -> float:
        """What one stage of a configuration takes in the store; probes nothing."""
        case = _case(stage, c)
        if case not in self._bytes:
            sizes = [self._finished[stage][key] for key in self._like(stage, c) if key in self._finished[stage]]
            self._bytes[case] = statistics.fmean(sizes) if sizes else stage_bytes(stage, c)
        return self._bytes[case]

    def needed_bytes(self, slots: int) -> float:
        """What is missing takes in the store at most, with the checkpoints of `slots` stages under way."""
        each = (self.bytes_of(stage, c) for stage, need in self.needs.items() for c in need.missing.values())
        trials = self.plan.trials
        checkpoint = max((stage_bytes("checkpoint", trial.configuration) for trial in trials), default=0.0)
        return sum(each) + ROW_BYTES * len(trials) + min(slots, len(trials)) * _CHECKPOINTS * checkpoint

    @property
    def probe_device(self) -> str:
        """What a probe runs on: a GPU where trials take one and this machine has one."""
        return "cuda" if self.place.gpus and _gpu() else "cpu"

    def _like(self, stage: str, c: Configuration) -> dict[str, Row]:
        """The rows of trials whose stage costs what that of `c` does, by their keys."""
        own = {name: getattr(c, name) for name in SAME[stage]}
        own |= {"columns": as_text(c.columns_by_cell)} if "columns" in own else {}
        own |= {"test_set": c.test_set or c.dataset} if "test_set" in own else {}
        return self._rows.get((stage, *own.values()), {})

    def _measured(self, stage: str, c: Configuration) -> Cost:
        """The mean of what stages like one took, and on what."""
        rows = self._like(stage, c)
        if stage == "time":
            calls = c.time_series * (c.time_calls + 1) * c.time_images
            here = [row for row in rows.values() if row["test_time_ms"] and self._is_its_device(row["device"], c)]
            found = [(calls * r["test_time_ms"] / 1000 + (r["test_set_seconds"] or 0), r["device"]) for r in here]
        else:
            keys = sorted(self._finished["reference"] if stage == "reference" else rows)[:_RESULTS]
            results = [result for key in keys if (result := self._store.result(stage, key)) and "seconds" in result]
            if stage == "reference":
                fields = {name: getattr(c, name) for name in (*SAME["reference"], "dataset")}.items()
                found = [(r["seconds"], "some device") for r in results if fields <= r.get("fields", {}).items()]
            else:
                found = [(r["seconds"], r["device"]) for r in results if self._is_its_device(r["device"], c)]
        if not found:
            return self._reckoned(stage, c)
        mean = statistics.fmean(seconds for seconds, _ in found)
        return Cost(mean, f"measured: {len(found)} of this shape on {found[0][1]}")

    def _reckoned(self, stage: str, c: Configuration) -> Cost:
        """From the pace of a training: a pass forward takes a third of one forward and back."""
        known = DATASETS.get(c.test_set or c.dataset)
        images = (known.folders.get("test") or known.images) if known else _USUAL_IMAGES
        images = min(images, c.test_limit or images)
        if stage == "reference":
            each = _REFERENCE_SECONDS if task_of(c).methods() else 0.5
            return Cost(each * (c.reference_images + images), f"assumed: {each:g} s an image")
        rate = self._learning("train", c).seconds / c.train_iterations / (3 * c.batch_size * c.patch_size**2)
        image = rate * _PIXELS * c.self_ensemble
        if stage == "test":
            return Cost(images * (image + _SCORE_SECONDS), f"reckoned: {images} images of {_PIXELS:,} pixels")
        calls = c.time_series * (c.time_calls + 1) * c.time_images + (images if c.time_set else 0)
        return Cost(calls * image, f"reckoned: {calls} images of {_PIXELS:,} pixels")

    def _learning(self, stage: str, c: Configuration) -> Cost:
        """From the pace of searches or trainings of a shape, else from that of a probe."""
        rows = [row for row in self._like(stage, c).values() if row[f"{stage}_seconds"]]
        here = [row for row in rows if self._is_its_device(row[f"{stage}_device"] or "", c)]
        here = [row for row in here if _share(row) == round(self.place.gpus, 3)] or here
        steps = _passes(stage, c.values())
        if here:
            shares = sorted({_share(row) for row in here})
            shared = f", {', '.join(f'{share:g}' for share in shares)} GPU a trial" if shares[-1] else ""
            about = f"measured: {len(here)} of this shape on {here[0][f'{stage}_device']}{shared}"
            return Cost(steps * statistics.fmean(_alone(stage, row) / _passes(stage, row) for row in here), about)
        shape = Configuration(**{name: getattr(c, name) for name in SAME["search"]})  # each shape is probed once
        from clearer.probe import PROBE_STEPS, step_seconds  # here, so that what was measured is said without torch

        of = " of a network at half fusion" if stage == "train" else ""
        basis = f"probe: {PROBE_STEPS} steps{of} on {device_name(self.probe_device, c.threads)}"
        case = stage, shape, self.probe_device
        if case not in self._probes:
            self._probes[case] = step_seconds(*case)
        return Cost(steps * self._probes[case], basis)

    def _is_its_device(self, name: str, c: Configuration) -> bool:
        """Whether a trial of `c` would run on the device of that name; any GPU, where the cluster's are not known."""
        if not self.place.gpus:
            return name == _cpu(c.threads)
        if self._elsewhere or not _gpu():
            return bool(name) and without_threads(name) == name
        return name == _gpu()


def _case(stage: str, c: Configuration) -> tuple[Any, ...]:
    """What is equal where one stage costs what another does."""
    return stage, *(getattr(c, name) for name in (*SAME[stage], "dataset", *_LENGTHS.get(stage, ())))


def _gpu() -> str:
    """The name of this machine's GPU; nothing where torch finds none."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


_cpu = functools.cache(functools.partial(device_name, "cpu"))


def _passes(stage: str, row: Row) -> int:
    """Passes of a batch, forward and back: one an iteration, and after its warm-up a search has one more, for α."""
    search = row.get("search_stopped_at") or row["search_iterations"] or 0
    return 2 * search - (row["warmup_iterations"] or 0) if stage == "search" else row["train_iterations"]


def _alone(stage: str, row: Row) -> float:
    """The seconds that a search or a training would have taken alone; a row has its share of its pack's."""
    width = row.get(f"{stage}_pack") or 1
    return row[f"{stage}_seconds"] * width / pack_time(width)


def _share(row: Row) -> float:
    """The share of a GPU that a row's trial had."""
    return round((row["gpu_seconds"] or 0) / ((row["search_seconds"] or 0) + (row["train_seconds"] or 0)), 3)


def stage_bytes(stage: str, c: Configuration) -> float:
    """What one stage takes in the store, as its weights say; a checkpoint has each weight and two moments."""
    weights = _weights(c.columns_by_cell, c.channels, c.image_channels)
    if stage == "checkpoint":
        return 3 * _FLOAT_BYTES * max(weights.values())
    return _STAGE_BYTES[stage] + _FLOAT_BYTES * weights.get(stage, 0)


@functools.cache
def _weights(columns: tuple[int, ...], *shape: int) -> dict[str, int]:
    """How many weights a search and a training have."""
    middle = Architecture.repeating("PF", columns)
    return {"search": supernet_parameters(columns, *shape), "train": middle.parameters(*shape)}

"""What stages cost, in time and in space: measured in the store where the same shape was run, else a probe of a few steps."""

from __future__ import annotations

import functools
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from clearer.architecture import supernet_parameters
from clearer.configuration import Configuration, cost_fields
from clearer.fields import as_text
from clearer.probe import PROBE_STEPS, half_fusion, step_seconds
from clearer.timing import device_name
from studies.planning.plan import STAGES, Plan
from studies.store.store import Store
from studies.work.stages import Place
from studies.work.trials import Trial

ROW_BYTES = 40_000
"""A row and its curve."""
_STAGE_BYTES = {"search": 50_000, "train": 50_000, "test": 250_000, "time": 1_000, "reference": 300_000}
ROW_BYTES = 40_000
"""A row and its curve."""
_FLOAT_BYTES = 4
_SAMPLE = 200
"""Rows of a study that are read one by one, where its compacted copy lacks them."""
_RESULTS = 8
"""Results of tests and of references that are read."""

SAME = {stage: cost_fields(stage) for stage in STAGES}
"""The fields that are equal where the cost of a stage, or of a step of it, compares."""
_LENGTHS = {"search": ("search_iterations", "warmup_iterations"), "train": ("train_iterations",)}
_KEYS = {"search": "search_key", "train": "train_key", "test": "test_key", "time": "train_key"}
_FIGURES = (
    "search_device train_device device search_seconds train_seconds gpu_seconds search_iterations search_stopped_at "
    "warmup_iterations train_iterations test_time_ms test_set_seconds"
).split()


@dataclass(frozen=True)
class Cost:
    """Seconds of one slot, None where nothing says; what they rest on; bytes in the store."""

    seconds: float | None
    basis: str
    bytes: float


class Costs:
    """The cost of stages, from the rows of a store and its `finished` stages (kind → key → bytes).

    Where a trial takes a share of a GPU, times measured at the same share count, and at any other where there is none.
    `elsewhere`: trials run on a cluster whose GPUs this machine does not see.
    """

    def __init__(self, store: Store, place: Place, finished: Mapping[str, Mapping[str, int]], elsewhere: bool):
        self._store, self._place, self._finished, self._elsewhere = store, place, finished, elsewhere
        self._rows: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = defaultdict(dict)
        self._known: dict[tuple[Any, ...], Cost] = {}
        self._probe = functools.cache(step_seconds)
        wanted = {*_FIGURES, *_KEYS.values(), *(name for names in SAME.values() for name in names)}
        for row in store.sampled_rows(wanted, _SAMPLE):
            for stage, key in _KEYS.items():
                if row.get(key) is not None:
                    self._rows[stage, *(row.get(name) for name in SAME[stage])][row[key]] = row

    def of(self, stage: str, c: Configuration) -> Cost:
        """The cost of one stage of a configuration."""
        case = stage, *(getattr(c, name) for name in (*SAME[stage], "dataset", *_LENGTHS.get(stage, ())))
        if case not in self._known:
            rows = self._alike(stage, c)
            self._known[case] = Cost(*self._seconds(stage, c, rows), self.bytes_of(stage, c))
        return self._known[case]

    def bytes_of(self, stage: str, c: Configuration) -> float:
        """What one stage of a configuration takes in the store; probes nothing."""
        rows = self._alike(stage, c)
        sizes = [self._finished[stage][key] for key in rows if key in self._finished[stage]]
        return statistics.fmean(sizes) if sizes else stage_bytes(stage, c)

    def _alike(self, stage: str, c: Configuration) -> dict[str, dict[str, Any]]:
        return self._rows.get((stage, *(_as_in_a_row(c, name) for name in SAME[stage])), {})

    def _seconds(self, stage: str, c: Configuration, rows: Mapping[str, Mapping[str, Any]]) -> tuple[float | None, str]:
        """Seconds of one stage, and what they rest on."""
        if stage in ("search", "train"):
            return self._learning_seconds(stage, c, rows)
        if stage == "time":
            here = [row for row in rows.values() if row["device"] and self._is_its_device(row["device"], c)]
            return _mean([_timing_seconds(c, row) for row in here], here[0]["device"] if here else "")
        found = self._references(c) if stage == "reference" else self._tests(rows, c)
        return _mean([result["seconds"] for result in found], found[0].get("device", "some device") if found else "")

    def _learning_seconds(
        self, stage: str, c: Configuration, rows: Mapping[str, Mapping[str, Any]]
    ) -> tuple[float, str]:
        here = [
            row
            for row in rows.values()
            if row[f"{stage}_seconds"] and self._is_its_device(row[f"{stage}_device"] or "", c)
        ]
        here = [row for row in here if _share(row) == round(self._place.gpus, 3)] or here
        steps = _passes(stage, c.search_iterations, c.warmup_iterations, c.train_iterations)
        if here:
            paces = [row[f"{stage}_seconds"] / _row_passes(stage, row) for row in here]
            shares = sorted({_share(row) for row in here})
            shared = f", {', '.join(f'{share:g}' for share in shares)} GPU a trial" if shares[-1] else ""
            about = f"measured: {len(here)} of this shape on {here[0][f'{stage}_device']}{shared}"
            return steps * statistics.fmean(paces), about
        device = self.probe_device
        pace = self._probe(stage, _shape_only(c), device)
        of = " of a network at half fusion" if stage == "train" else ""
        return steps * pace, f"probe: {PROBE_STEPS} steps{of} on {device_name(device, c.threads)}"

    @property
    def probe_device(self) -> str:
        """What a probe runs on: a GPU where trials take one and this machine has one."""
        return "cuda" if self._place.gpus and torch.cuda.is_available() else "cpu"

    def _is_its_device(self, name: str, c: Configuration) -> bool:
        """Whether a trial of `c` would run on the device of that name; any GPU, where those of the cluster are not known."""
        if not self._place.gpus:
            return name == _cpu(c.threads)
        if self._elsewhere or not torch.cuda.is_available():
            return bool(name) and re.search(r"\d+ threads?$", name) is None
        return name == torch.cuda.get_device_name()

    def _tests(self, rows: Mapping[str, Mapping[str, Any]], c: Configuration) -> list[dict[str, Any]]:
        results = [self._store.result("test", key) for key in sorted(rows)[:_RESULTS]]
        return [r for r in results if r is not None and "seconds" in r and self._is_its_device(r["device"], c)]

    def _references(self, c: Configuration) -> list[dict[str, Any]]:
        results = [self._store.result("reference", key) for key in sorted(self._finished["reference"])[:_RESULTS]]
        wanted = {name: getattr(c, name) for name in (*SAME["reference"], "dataset")}
        return [r for r in results if r is not None and wanted.items() <= r.get("fields", {}).items()]


def stage_bytes(stage: str, c: Configuration) -> float:
    """What one stage takes in the store, as its weights say; a checkpoint has each weight and two moments."""
    if stage == "checkpoint":
        return 3 * _FLOAT_BYTES * max(_weights("search", c), _weights("train", c))
    return _STAGE_BYTES[stage] + _FLOAT_BYTES * _weights(stage, c)


@functools.cache
def _cpu(threads: int) -> str:
    return device_name("cpu", threads)


def _as_in_a_row(c: Configuration, name: str) -> Any:
    if name == "columns":
        return as_text(c.columns_by_cell)
    return c.test_set or c.dataset if name == "test_set" else getattr(c, name)


def _weights(stage: str, c: Configuration) -> int:
    """How many weights a stage keeps; a training's, at half fusion."""
    if stage == "search":
        return supernet_parameters(c.columns_by_cell, c.channels, c.image_channels)
    return half_fusion(c.columns_by_cell).parameters(c.channels, c.image_channels) if stage == "train" else 0


def _passes(stage: str, search: int, warmup: int, train: int) -> int:
    """Passes of a batch, forward and back: one an iteration, and after its warm-up a search has one more, for α."""
    return 2 * search - warmup if stage == "search" else train


def _row_passes(stage: str, row: Mapping[str, Any]) -> int:
    search = row.get("search_stopped_at") or row["search_iterations"] or 0
    return _passes(stage, search, row["warmup_iterations"] or 0, row["train_iterations"])


def _share(row: Mapping[str, Any]) -> float:
    """The share of a GPU that a row's trial had."""
    return round((row["gpu_seconds"] or 0) / ((row["search_seconds"] or 0) + (row["train_seconds"] or 0)), 3)


def _timing_seconds(c: Configuration, row: Mapping[str, Any]) -> float:
    calls = c.time_series * (c.time_calls + 1)
    return calls * c.time_images * row["test_time_ms"] / 1000 + (row["test_set_seconds"] or 0)


def _mean(seconds: list[float], device: str) -> tuple[float | None, str]:
    if not seconds:
        return None, "not counted: none of this kind was measured"
    return statistics.fmean(seconds), f"measured: {len(seconds)} of this shape on {device}"


def _shape_only(c: Configuration) -> Configuration:
    """One configuration for all of a shape, so that each shape is probed once."""
    shape = {name: getattr(c, name) for name in SAME["search"]}
    return Configuration(**shape)


_CHECKPOINTS = 2
"""Kept of a stage under way."""


def bytes_at_most(trials: Sequence[Trial], slots: int) -> float:
    """What trials take in a store as if none shared a stage with another and the store had none; costs nothing to say.

    `slots` is how many stages are under way at once.
    """
    shapes = Counter(map(_weights_follow_from, trials))
    each = {_weights_follow_from(t): t.configuration for t in trials}
    sizes = {shape: sum(stage_bytes(stage, c) for stage in STAGES) + ROW_BYTES for shape, c in each.items()}
    return sum(count * sizes[shape] for shape, count in shapes.items()) + _under_way(trials, slots)


def needed_bytes(trials: Sequence[Trial], place: Place, slots: int) -> float:
    """The dry run's estimate, and the checkpoints of what is under way at once."""
    store = Store(place.storage)
    plan = Plan(store, trials)
    costs = Costs(store, place, plan.finished, True)
    each = (costs.bytes_of(stage, c) for stage, need in plan.needs().items() for c in need.missing.values())
    return sum(each) + ROW_BYTES * len(trials) + _under_way(trials, slots)


def _under_way(trials: Sequence[Trial], slots: int) -> float:
    configurations = {_weights_follow_from(t): t.configuration for t in trials}.values()
    return min(slots, len(trials)) * _CHECKPOINTS * max(stage_bytes("checkpoint", c) for c in configurations)


def _weights_follow_from(trial: Trial) -> tuple[object, ...]:
    c = trial.configuration
    return c.columns_by_cell, c.channels, c.image_channels

"""How much space what is missing of a study takes in the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from studies.planning.costs import ROW_BYTES, Costs, stage_bytes
from studies.planning.plan import STAGES, plan
from studies.store.store import Store
from studies.work.stages import Place
from studies.work.trials import Trial

_CHECKPOINTS = 2
"""Kept of a stage under way."""


def bytes_at_most(trials: Sequence[Trial], slots: int) -> float:
    """As if no trial shared a stage with another and the store had none; costs nothing to say.

    `slots` is how many stages are under way at once.
    """
    shapes = Counter(map(_shape, trials))
    each = {_shape(t): t.configuration for t in trials}
    sizes = {shape: sum(stage_bytes(stage, c) for stage in STAGES) + ROW_BYTES for shape, c in each.items()}
    return sum(count * sizes[shape] for shape, count in shapes.items()) + _under_way(trials, slots)


def needed_bytes(trials: Sequence[Trial], place: Place, slots: int) -> float:
    """The dry run's estimate, and the checkpoints of what is under way at once."""
    store = Store(place.storage)
    wanted = plan(trials, store, None)
    costs = Costs(store, place, wanted.finished, True)
    each = (costs.bytes_of(stage, c) for stage in STAGES for c in wanted.stages[stage].todo.values())
    return sum(each) + ROW_BYTES * len(trials) + _under_way(trials, slots)


def _under_way(trials: Sequence[Trial], slots: int) -> float:
    largest = max(stage_bytes("checkpoint", c) for c in {_shape(t): t.configuration for t in trials}.values())
    return min(slots, len(trials)) * _CHECKPOINTS * largest


def _shape(trial: Trial) -> tuple[object, ...]:
    """What the number of weights depends on."""
    c = trial.configuration
    return c.columns_by_cell, c.channels, c.image_channels

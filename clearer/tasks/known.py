"""The tasks that there are, by name, and the fields of a configuration that belong to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clearer.tasks import own
from clearer.tasks.deblur import BlurFields, Deblur
from clearer.tasks.denoise import Denoise, NoiseFields
from clearer.tasks.derain import Derain
from clearer.tasks.jpeg import CompressionFields, Jpeg
from clearer.tasks.own import OwnFields
from clearer.tasks.pairs import PairFields, Pairs
from clearer.tasks.super_resolve import ScaleFields, SuperResolve
from clearer.tasks.task import Task

_OURS = Denoise(), Derain(), Jpeg(), Deblur(), SuperResolve(), Pairs()
TASKS: Mapping[str, Task] = {task.name: task for task in _OURS}
USUAL = next(iter(TASKS))
"""The paper's first."""


@dataclass(frozen=True, kw_only=True)
class TaskFields(OwnFields, PairFields, ScaleFields, BlurFields, CompressionFields, NoiseFields):
    """The fields of all tasks; one that the task of a configuration does not read is at its default."""


OF_TASKS = {name for task in (*TASKS.values(), own.Absent()) for name in task.fields}


def task_of(c: Any) -> Task:
    """The task of a configuration."""
    return TASKS.get(c.task) or own.named(c.task, c.task_source)


def departures(name: str) -> Mapping[str, Mapping[str, Any]]:
    """What a task needs otherwise than the presets have it; nothing where there is no such task."""
    return (TASKS.get(name) or own.named(name, own.hash_of(name))).departures

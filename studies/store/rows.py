"""The columns of a trial's row and of its curve, and what follows from a configuration alone.

A column that is a field of the configuration says in its metadata which stages follow from the field, and
what else it is about (`clearer.fields.setting`): readers need no list of fields.
"""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from analysis.rows.columns import COUNT, FLAG, FOUND, IDENTITY, NUMBER, NUMBERS, TEXT, columns
from analysis.storage.files import FORMAT
from clearer.architecture import Architecture
from clearer.configuration import SEARCH_ONLY, Configuration, field_types, fields_about
from clearer.fields import ALWAYS, as_text
from clearer.tasks.known import OF_TASKS, TASKS, task_of

_ARROW = {bool: FLAG, int: COUNT, float: NUMBER, str: TEXT, tuple[int, ...]: TEXT, tuple[float, ...]: NUMBERS}


def _configured() -> list[pa.Field]:
    """A column for each field of the configuration."""
    found = []
    for field in dataclasses.fields(Configuration):
        about = {"stages": " ".join(field.metadata["stages"])} | dict.fromkeys(field.metadata["about"], "1")
        if field.metadata["before"] is not ALWAYS:
            about["before"] = json.dumps(field.metadata["before"])
        if field.name in OF_TASKS:
            about["tasks"] = " ".join(task.name for task in TASKS.values() if field.name in task.fields)
        if field.metadata["said"]:
            about["said"] = field.metadata["said"]
        found.append(pa.field(field.name, _ARROW[field_types()[field.name]], metadata=about))
    return found


ROW = pa.schema([*IDENTITY, *_configured(), *FOUND], metadata={"format": str(FORMAT)})
"""Every column of a trial row; one that was not measured, or does not apply, is null."""

CURVE = pa.schema(
    [
        *columns(TEXT, "trial_id stage"),
        *columns(COUNT, "iteration"),
        *columns(NUMBER, "restoration_loss alpha_loss architecture_loss complexity_loss"),
        *columns(NUMBERS, "alpha"),
        *columns(NUMBER, "psnr_db seconds recorded_at"),
    ]
)
"""Every column of a curve: `alpha` is α^f by column, `seconds` the stage's own, `recorded_at` seconds since 1970."""


def configuration_columns(c: Configuration) -> dict[str, Any]:
    """The configuration's fields as a row holds them; those that a trial does not read are null."""
    values: dict[str, Any] = {name: getattr(c, name) for name in field_types()}
    if c.kind != "searched":
        values |= dict.fromkeys(SEARCH_ONLY)
    values |= dict.fromkeys((OF_TASKS - {*task_of(c).reads(c)}) & fields_about("pixels"))
    values |= {"columns": as_text(c.columns_by_cell), "test_set": c.test_set or c.dataset}
    if c.kind == "searched":
        threshold = c.polarisation_threshold
        values |= {"lambda1_multiple": c.lambda1 / threshold if threshold else None}
    return values


def architecture_columns(c: Configuration, architecture: Architecture) -> dict[str, Any]:
    """What follows from an architecture alone."""
    shape = c.channels, c.image_channels
    return {
        "architecture": str(architecture),
        "fusion_columns": architecture.fusion_columns,
        "parameters": architecture.parameters(*shape),
        "flops": architecture.flops_per_pixel(*shape),
    }


def row_table(row: dict[str, Any]) -> pa.Table:
    """One row with every column of `ROW`. Raises KeyError: a value for which there is no column."""
    unknown = set(row) - set(ROW.names)
    if unknown:
        raise KeyError(f"no such column: {', '.join(sorted(unknown))}")
    return pa.Table.from_pylist([row], schema=ROW)


def curve_table(records: Sequence[dict[str, Any]], trial_id: str | None = None) -> pa.Table:
    """Curve records as a table with every column of `CURVE`."""
    return pa.Table.from_pylist([{**record, "trial_id": trial_id} for record in records], schema=CURVE)

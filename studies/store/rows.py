"""The columns of a trial's row and of its curve, and what follows from a configuration alone.

A column that is a field of the configuration says in its metadata which stages follow from the field, and
what else it is about (`clearer.fields.setting`): readers need no list of fields.
"""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from analysis.storage.files import FORMAT
from clearer.architecture import Architecture
from clearer.configuration import SEARCH_ONLY, Configuration, field_types
from clearer.fields import ALWAYS, as_text
from clearer.losses import polarisation_threshold

_NUMBERS = pa.list_(pa.float64())
_TEXT, _COUNT, _NUMBER, _FLAG, _TIME = pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us", "UTC")
_ARROW = {bool: _FLAG, int: _COUNT, float: _NUMBER, str: _TEXT, tuple[int, ...]: _TEXT, tuple[float, ...]: _NUMBERS}


def _columns(kind: pa.DataType, names: str) -> list[pa.Field]:
    return [pa.field(name, kind) for name in names.split()]


def _configured() -> list[pa.Field]:
    """A column for each field of the configuration."""
    found = []
    for field in dataclasses.fields(Configuration):
        about = {"stages": " ".join(field.metadata["stages"])} | dict.fromkeys(field.metadata["about"], "1")
        if field.metadata["before"] is not ALWAYS:
            about["before"] = json.dumps(field.metadata["before"])
        found.append(pa.field(field.name, _ARROW[field_types()[field.name]], metadata=about))
    return found


ROW = pa.schema(
    [
        *_columns(_TEXT, "study trial_id replicate_id status error"),
        *_configured(),
        *_columns(_COUNT, "fusion_columns parameters test_images test_time_images"),
        *_columns(_COUNT, "search_pack train_pack search_stopped_at"),
        *_columns(_NUMBER, "lambda1_multiple flops psnr_db ssim psnr_patch_db degraded_psnr_db ssim_zero_padded"),
        *_columns(
            _NUMBER,
            "psnr_y_db ssim_y validation_psnr_db test_time_ms test_time_iqr_ms test_time_spread test_set_seconds",
        ),
        *_columns(_NUMBER, "search_seconds train_seconds gpu_seconds energy_wh"),
        *_columns(_NUMBERS, "psnr_by_image alpha"),
        *_columns(_FLAG, "search_reused train_reused"),
        *_columns(_TEXT, "test_time_size test_time_error device search_device train_device"),
        *_columns(_TEXT, "search_key train_key test_key data_sha256 test_pixels_sha256 host commit versions"),
        *_columns(_TIME, "started_at finished_at"),
    ],
    metadata={"format": str(FORMAT)},
)
"""Every column of a trial row; one that was not measured, or does not apply, is null."""

CURVE = pa.schema(
    [
        *_columns(_TEXT, "trial_id stage"),
        *_columns(_COUNT, "iteration"),
        *_columns(_NUMBER, "restoration_loss alpha_loss architecture_loss complexity_loss"),
        *_columns(_NUMBERS, "alpha"),
        *_columns(_NUMBER, "psnr_db seconds recorded_at"),
    ]
)
"""Every column of a curve: `alpha` is α^f by column, `seconds` the stage's own, `recorded_at` seconds since 1970."""


def configuration_columns(configuration: Configuration) -> dict[str, Any]:
    """The configuration's fields as a row holds them; those that a trial does not read are null."""
    c = configuration
    values: dict[str, Any] = {name: getattr(c, name) for name in field_types()}
    if c.kind != "searched":
        values |= dict.fromkeys(SEARCH_ONLY)
    if c.task == "derain":
        values |= {"sigma": None, "protocol": None}
    values |= {"columns": as_text(c.columns_by_cell), "test_set": c.test_set or c.dataset}
    if c.kind == "searched":
        threshold = polarisation_threshold(sum(c.columns_by_cell), c.alpha_weight_decay)
        values |= {"lambda1_multiple": c.lambda1 / threshold if threshold else None}
    return values


def architecture_columns(configuration: Configuration, architecture: Architecture) -> dict[str, Any]:
    """What follows from an architecture alone."""
    shape = configuration.channels, configuration.image_channels
    return {
        "architecture": str(architecture),
        "fusion_columns": architecture.fusion_columns,
        "parameters": architecture.parameters(*shape),
        "flops": architecture.flops_per_pixel(*shape),
    }


def row_table(row: dict[str, Any]) -> pa.Table:
    """One row with every column of `ROW`.

    Raises:
        KeyError: a value for which there is no column.
    """
    unknown = set(row) - set(ROW.names)
    if unknown:
        raise KeyError(f"no such column: {', '.join(sorted(unknown))}")
    return pa.Table.from_pylist([row], schema=ROW)


def curve_table(records: Sequence[dict[str, Any]], trial_id: str | None = None) -> pa.Table:
    """Curve records as a table with every column of `CURVE`."""
    rows = records if trial_id is None else [{**record, "trial_id": trial_id} for record in records]
    return pa.Table.from_pylist(list(rows), schema=CURVE)

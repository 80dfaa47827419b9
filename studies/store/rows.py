"""The columns of a trial's row and of its curve, and how a row comes out of the stages' results."""

from __future__ import annotations

import dataclasses
from typing import Any

import pyarrow as pa

from clearer.architecture import Architecture
from clearer.configuration import SEARCH_ONLY, Configuration, field_types
from clearer.fields import as_text
from clearer.losses import polarisation_threshold

_NUMBERS = pa.list_(pa.float64())
_ARROW = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    tuple[int, ...]: pa.string(),
    tuple[float, ...]: _NUMBERS,
}
_TEXT, _COUNT, _NUMBER, _FLAG, _TIME = pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us", "UTC")

ROW = pa.schema(
    {"study": _TEXT, "trial_id": _TEXT, "replicate_id": _TEXT, "kind": _TEXT, "status": _TEXT, "error": _TEXT}
    | {name: _ARROW[hint] for name, hint in field_types().items() if name != "kind"}
    | {
        "lambda1_multiple": _NUMBER, "fusion_columns": _COUNT, "parameters": _COUNT, "flops": _NUMBER,
        "psnr_db": _NUMBER, "ssim": _NUMBER, "psnr_patch_db": _NUMBER, "degraded_psnr_db": _NUMBER,
        "ssim_zero_padded": _NUMBER, "psnr_y_db": _NUMBER, "ssim_y": _NUMBER, "psnr_by_image": _NUMBERS, "test_images": _COUNT,
        "test_time_ms": _NUMBER, "test_time_iqr_ms": _NUMBER, "test_time_spread": _NUMBER, "test_time_images": _COUNT, "test_time_size": _TEXT, "test_set_seconds": _NUMBER,
        "test_time_error": _TEXT, "device": _TEXT, "alpha": _NUMBERS, "search_device": _TEXT, "train_device": _TEXT, "search_pack": _COUNT, "train_pack": _COUNT,
        "search_stopped_at": _COUNT, "train_stopped_at": _COUNT, "search_seconds": _NUMBER, "train_seconds": _NUMBER, "gpu_seconds": _NUMBER, "energy_wh": _NUMBER,
        "search_reused": _FLAG, "train_reused": _FLAG, "search_key": _TEXT, "train_key": _TEXT, "test_key": _TEXT, "data_sha256": _TEXT, "test_pixels_sha256": _TEXT,
        "started_at": _TIME, "finished_at": _TIME, "host": _TEXT, "commit": _TEXT, "versions": _TEXT,
    }
)  # fmt: skip
"""Every column of a trial row; one that was not measured, or does not apply, is null: `…_stopped_at` where a stage ran to its end."""

CURVE = pa.schema({
    "trial_id": _TEXT, "stage": _TEXT, "iteration": _COUNT, "restoration_loss": _NUMBER, "alpha_loss": _NUMBER, "architecture_loss": _NUMBER,
    "complexity_loss": _NUMBER, "alpha": _NUMBERS, "psnr_db": _NUMBER, "seconds": _NUMBER, "recorded_at": _NUMBER,
})  # fmt: skip
"""Every column of a curve: `alpha` is α^f by column, `seconds` the stage's own, `recorded_at` seconds since 1970."""


def configuration_columns(configuration: Configuration) -> dict[str, Any]:
    """The configuration's fields as a row holds them; those that a trial does not read are null."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(configuration):
        value = getattr(configuration, field.name)
        if configuration.kind != "searched" and field.name in SEARCH_ONLY:
            value = None
        if configuration.task == "derain" and field.name in ("sigma", "protocol"):
            value = None
        values[field.name] = list(value) if field.name == "module_times_ms" and value is not None else value
    values["columns"] = as_text(configuration.columns_by_cell)
    values["test_set"] = configuration.test_set or configuration.dataset
    if configuration.kind == "searched":
        values["lambda1_multiple"] = (
            configuration.lambda1
            / polarisation_threshold(sum(configuration.columns_by_cell), configuration.alpha_weight_decay)
            if configuration.alpha_weight_decay
            else None
        )
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


def curve_table(records: list[dict[str, Any]], trial_id: str | None = None) -> pa.Table:
    """Curve records as a table with every column of `CURVE`."""
    rows = records if trial_id is None else [{**record, "trial_id": trial_id} for record in records]
    return pa.Table.from_pylist(rows, schema=CURVE)

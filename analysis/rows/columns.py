"""The columns of a row that are no fields of the configuration, and their types.

One that was not measured, or does not apply, is null; so is one that a version wrote no value of.
"""

import pyarrow as pa

NUMBERS = pa.list_(pa.float64())
TEXT, COUNT, NUMBER, FLAG, TIME = pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us", "UTC")


def columns(kind: pa.DataType, names: str) -> list[pa.Field]:
    """Columns of one type."""
    return [pa.field(name, kind) for name in names.split()]


IDENTITY = columns(TEXT, "study trial_id replicate_id status error")
FOUND = [
    *columns(COUNT, "fusion_columns parameters test_images test_time_images"),
    *columns(COUNT, "search_pack train_pack search_stopped_at"),
    *columns(NUMBER, "lambda1_multiple flops psnr_db ssim psnr_patch_db degraded_psnr_db ssim_zero_padded"),
    *columns(
        NUMBER, "psnr_y_db ssim_y validation_psnr_db test_time_ms test_time_iqr_ms test_time_spread test_set_seconds"
    ),
    *columns(NUMBER, "search_seconds train_seconds gpu_seconds energy_wh"),
    *columns(NUMBERS, "psnr_by_image alpha"),
    *columns(FLAG, "search_reused train_reused"),
    *columns(TEXT, "test_time_size test_time_error device search_device train_device"),
    *columns(TEXT, "search_key train_key test_key data_sha256 test_pixels_sha256 host commit versions"),
    *columns(TIME, "started_at finished_at"),
]

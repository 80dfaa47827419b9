"""The columns of a row: what was found, and the fields of the configuration with what they determine.

A value that was not measured, or does not apply, is null; so is one that a version wrote no value of.

A row file says itself what follows from a field, so no list of field names is kept by hand. In its Parquet schema, a
column that is a field of the configuration has the metadata `stages`, the names of the stages that follow from it (out
of search, train, test, time and reference; none for a field that determines nothing), `pixels` where the pixels that
are scored follow from it, and `shape` where the network's do. A task's fields have `said`, the form in which a caption
says their values: nothing here knows which tasks there are. Reading rows records their fields, later ones too.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

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
    *columns(NUMBER, "psnr_y_db ssim_y validation_psnr_db"),
    *columns(NUMBER, "test_time_ms test_time_iqr_ms test_time_spread test_set_seconds"),
    *columns(NUMBER, "search_seconds train_seconds gpu_seconds energy_wh"),
    *columns(NUMBERS, "psnr_by_image alpha"),
    *columns(FLAG, "search_reused train_reused"),
    *columns(TEXT, "test_time_size test_time_error device search_device train_device"),
    *columns(TEXT, "search_key train_key test_key data_sha256 test_pixels_sha256 host commit versions"),
    *columns(TIME, "started_at finished_at"),
]


@dataclass(frozen=True)
class Field:
    """What follows from a field of the configuration."""

    stages: frozenset[str]
    is_pixels: bool = False
    is_shape: bool = False
    said: str = ""


def _first_format() -> dict[str, Field]:
    """The fields of the first format of rows, whose files say nothing of them."""
    pixels, shape = _FIRST["pixels"].split(), _FIRST["shape"].split()
    found = {name: frozenset(words.split()) for words, names in _FIRST["stages"].items() for name in names.split()}
    ordered = dict.fromkeys([*pixels, *shape, *found])
    said = {"sigma": "σ = {}", "protocol": "protocol {}"}
    return {name: Field(found[name], name in pixels, name in shape, said.get(name, "")) for name in ordered}


_FIRST = tomllib.loads(Path(__file__).with_name("first_format.toml").read_text(encoding="utf-8"))
_known = _first_format()
_REPLICATE = {"seed", "report_iterations", "threads"}
"""Rows that differ in these alone are replicates: whose draw, how often it was reported on, how its sums were split."""
_WATCHED = {"alpha_split"}
"""A training only watches these images, for its curve; a search learns α from them."""


def record(schema: pa.Schema) -> None:
    """Takes note of what the file of a row, with this schema, says of its fields."""
    for column in schema:
        about = column.metadata or {}
        if b"stages" in about:
            stages = frozenset(about[b"stages"].decode().split())
            said = about.get(b"said", b"").decode() or getattr(_known.get(column.name), "said", "")
            _known[column.name] = Field(stages, about.get(b"pixels") == b"1", about.get(b"shape") == b"1", said)


def configured() -> list[pa.Field]:
    """A column for each field of the first format, for rows of versions that had no such field."""
    kinds = dict.fromkeys(_FIRST["texts"].split(), pa.string()) | {"module_times_ms": pa.list_(pa.float64())}
    return [pa.field(name, kinds.get(name, pa.float64())) for name in _first_format()]


def said_fields() -> dict[str, str]:
    """The fields that say how a task degrades an image, with the form in which a caption says their values."""
    return {name: field.said for name, field in _known.items() if field.said}


def pixel_fields() -> list[str]:
    """What the scored pixels follow from, beside the number of test images."""
    return [name for name, field in _known.items() if field.is_pixels]


def shape_fields() -> list[str]:
    """What the network's shape, the space of its architectures, follows from."""
    return [name for name, field in _known.items() if field.is_shape]


def scoring_fields() -> list[str]:
    """How a network is scored on given pixels. (What came of `test_limit` a row says in `test_images`.)"""
    tested = {name: field for name, field in _known.items() if "test" in field.stages and "train" not in field.stages}
    return [name for name, field in tested.items() if not field.is_pixels and name != "test_limit"]


def training_fields() -> list[str]:
    """What a network's shape, training and scoring follow from, beside architecture, replicate and pixels."""
    learnt = [name for name, field in _known.items() if "train" in field.stages and name not in _REPLICATE | _WATCHED]
    both = dict.fromkeys([*shape_fields(), *learnt, *scoring_fields()])
    return [name for name in both if not _known[name].is_pixels]


def search_fields() -> list[str]:
    """What the architecture that a search finds follows from, beside λ1, λ2, replicate, pixels and training."""
    others = {"lambda1", "lambda2", *_REPLICATE, *training_fields(), *pixel_fields()}
    return [name for name, field in _known.items() if "search" in field.stages and name not in others]

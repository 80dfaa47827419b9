"""What the fields of a configuration determine, so that no list of field names is kept by hand.

A row file says it itself. In its Parquet schema, a column that is a field of the configuration has the metadata
`stages`, the names of the stages that follow from it (out of search, train, test, time and reference; none for a field
that determines nothing), `pixels` where the pixels that are scored follow from it, and `shape` where the network's do.
A task's fields have `said`, the form in which a caption says their values: nothing here knows which tasks there are.
Reading rows records what their files say, so a field that a later version adds takes its place at once.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa


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


def columns() -> list[pa.Field]:
    """A column for each field, for rows of versions that had no such field."""
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

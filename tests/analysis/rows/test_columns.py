"""What fields determine: the first format's table, and what row files say of fields that came later."""

import pyarrow as pa
import pytest

from analysis.rows import columns
from studies.store.rows import ROW


@pytest.fixture(autouse=True)
def first_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been read yet."""
    monkeypatch.setattr(columns, "_known", columns._first_format())


def told(name: str, **about: str) -> pa.Schema:
    return pa.schema([pa.field(name, pa.int64(), metadata=about or None)])


def test_what_compares_in_the_first_format() -> None:
    pixels = "task test_set sigma protocol image_channels grayscale test_border".split()
    assert columns.pixel_fields() == pixels
    assert set(columns.shape_fields()) == {"cells", "columns", "channels", "image_channels"}
    assert columns.scoring_fields() == ["self_ensemble"]
    assert set(columns.training_fields()) == {
        *"cells columns channels dataset pairing weights_split batch_size patch_size clip_norm initial_std".split(),
        *"train_iterations train_epoch_iterations train_learning_rate train_learning_rate_end".split(),
        *"precision self_ensemble".split(),
    }
    assert {"mixing", "complexity", "alpha_learning_rate", "alpha_split"} <= set(columns.search_fields())


def test_what_is_a_replicate_or_has_a_list_of_its_own_is_in_no_other() -> None:
    held = [*columns.training_fields(), *columns.search_fields()]
    assert not {"seed", "report_iterations", "threads", "lambda1", "lambda2", *columns.pixel_fields()} & set(held)
    assert len(held) == len(set(held))


@pytest.mark.parametrize(
    ("about", "lists"),
    [
        ({"stages": "search train"}, {"training_fields"}),
        ({"stages": "search"}, {"search_fields"}),
        ({"stages": "test time"}, {"scoring_fields", "training_fields"}),
        ({"stages": "train test", "pixels": "1"}, {"pixel_fields"}),
        ({"stages": "search", "shape": "1"}, {"shape_fields", "training_fields"}),
        ({"stages": "time"}, set()),
        ({"stages": ""}, set()),
        ({}, set()),
    ],
)
def test_a_field_that_a_later_version_adds_takes_its_place(about: dict[str, str], lists: set[str]) -> None:
    columns.record(told("later", **about))
    every = ("pixel_fields", "shape_fields", "scoring_fields", "training_fields", "search_fields")
    assert {name for name in every if "later" in getattr(columns, name)()} == lists


def test_a_file_s_word_stands_for_the_first_format_s() -> None:
    columns.record(told("precision", stages=""))
    assert "precision" not in columns.training_fields()
    columns.record(told("channels"))
    assert "channels" in columns.shape_fields(), "a file that says nothing changes nothing"


def test_the_rows_that_are_written_now_mean_what_the_first_format_meant() -> None:
    """A field whose meaning changes is a new field: rows of both versions lie in one store."""
    first = {name: field for name, field in columns._known.items() if name in ROW.names and name != "train_halving"}
    columns.record(ROW)
    assert {name: columns._known[name] for name in first} == first

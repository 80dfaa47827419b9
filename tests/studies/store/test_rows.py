"""Rows and curves have every column, of one type, whatever the trial."""

import dataclasses
import json
import math
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from small import put_row

from analysis.storage.files import FORMAT
from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.fields import ALWAYS
from clearer.tasks.known import OF_TASKS, TASKS
from studies.store.rows import ROW, architecture_columns, configuration_columns, curve_table, row_table
from studies.store.store import Store


def test_a_row_has_every_column_and_what_is_missing_is_null() -> None:
    table = row_table({"study": "s", "trial_id": "t", "status": "failed"})
    assert table.schema == ROW
    assert table.to_pylist()[0]["psnr_db"] is None


def test_a_value_without_a_column_is_refused() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        row_table({"nonsense": 1})


def test_a_configuration_is_in_its_row_with_columns_as_text() -> None:
    row = configuration_columns(Configuration(lambda1=0.1))
    assert row["lambda1"] == 0.1
    assert row["columns"] == "4-4-4"
    assert row_table(row).to_pylist()[0]["columns"] == "4-4-4"


def test_a_trial_without_a_search_has_no_search_settings() -> None:
    row = configuration_columns(Configuration(kind="given", architecture="FPFP-FPFF-PFFP"))
    assert row["lambda1"] is row["search_iterations"] is None
    assert (row["cells"], row["columns"], row["train_iterations"]) == (3, "4-4-4", 100_000)


def test_architecture_columns_are_the_exact_counts() -> None:
    row = architecture_columns(Configuration(), Architecture.parse("FPFP-FPFF-PFFP"))
    assert row == {"architecture": "FPFP-FPFF-PFFP", "fusion_columns": 7, "parameters": 6_307_968, "flops": 973_696}


def test_a_curve_of_a_training_has_the_columns_of_a_search() -> None:
    rows = curve_table([{"stage": "train", "iteration": 5, "psnr_db": 20.0}], "t").to_pylist()
    assert rows[0]["trial_id"] == "t"
    assert rows[0]["alpha"] is None


def test_a_column_of_a_field_says_which_stages_follow_from_it_and_what_it_is_about() -> None:
    for field in dataclasses.fields(Configuration):
        column = ROW.field(field.name)
        about = {name.decode(): text.decode() for name, text in (column.metadata or {}).items()}
        assert about.pop("stages").split() == list(field.metadata["stages"])
        before = about.pop("before", None)
        assert before == (None if field.metadata["before"] is ALWAYS else json.dumps(field.metadata["before"]))
        readers = {name for name, task in TASKS.items() if field.name in task.fields}
        assert ("tasks" in about) == (field.name in OF_TASKS)
        assert set(about.pop("tasks", "").split()) == readers
        assert about.pop("said", "") == field.metadata["said"]
        assert about.keys() == field.metadata["about"]
    assert ROW.field("psnr_db").metadata is None
    assert ROW.metadata == {b"format": str(FORMAT).encode()}


def test_what_columns_say_is_read_again(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    put_row(store, "s", Configuration(), found="FPFP-FPFF-PFFP")
    read = pq.read_schema(tmp_path / f"studies/s/trials/{Configuration().trial_id}.parquet")
    assert read.field("lambda1").metadata == ROW.field("lambda1").metadata


def test_noise_is_none_of_a_derained_trial() -> None:
    rain = configuration_columns(Configuration(task="derain", dataset="rain800", image_channels=3))
    assert rain["sigma"] is rain["protocol"] is None
    assert configuration_columns(Configuration(test_set="set12"))["test_set"] == "set12"
    assert configuration_columns(Configuration())["test_set"] == "bsds500"


def test_a_lambda_is_a_multiple_of_its_threshold_where_there_is_one() -> None:
    c = Configuration(lambda1=0.1)
    assert configuration_columns(c)["lambda1_multiple"] == pytest.approx(0.1 / (2 * 12 * 1e-3 * math.log(10)))
    assert configuration_columns(Configuration(alpha_weight_decay=0.0))["lambda1_multiple"] is None

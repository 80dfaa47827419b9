"""Rows and curves have every column, of one type, whatever the trial."""

from __future__ import annotations

import pytest

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from studies.store.rows import ROW, architecture_columns, configuration_columns, curve_table, row_table


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

"""Reading what a study wrote, without torch or Ray, whichever version wrote it."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from running import ROOT

import analysis
from analysis.rows import columns
from analysis.rows.load import finished, lacking, read_about, whole
from analysis.storage.files import FORMAT
from analysis.storage.places import StorageError

WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "ray", "mlflow", "clearer", "studies"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import analysis, analysis.report.report
print(len(analysis.load(sys.argv[1])))
"""


def test_results_are_read_where_torch_and_ray_are_not(study_storage: Path) -> None:
    arguments = [sys.executable, "-c", WITHOUT, str(study_storage)]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=True)
    assert int(done.stdout) == len(analysis.load(study_storage))


def test_a_study_and_all_studies_are_the_same_rows_where_there_is_one(study_storage: Path) -> None:
    one, all_ = analysis.load(study_storage, "lambda_pareto"), analysis.load(str(study_storage))
    assert one.equals(all_)
    assert str(one["seed"].dtype) == "Int64"


def written(storage: Path, name: str, schema: pa.Schema | None = None, study: str = "s", **values: object) -> None:
    """A row of a study as a file; the trial is `name`, a hex digit, twelve times."""
    name = 12 * name
    folder = storage / "studies" / study / "trials"
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([{"trial_id": name, "status": "finished", **values}], schema)
    pq.write_table(table, folder / f"{name}.parquet")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=str(tmp_path)):
        analysis.load(tmp_path)
    written(tmp_path, "a")
    with pytest.raises(StorageError, match="no study cells; it holds s"):
        analysis.load(tmp_path, "cells")
    written(tmp_path, "a", study="lambda_pareto")
    told = r"no study lamda_pareto \(did you mean lambda_pareto\?\); it holds lambda_pareto, s$"
    with pytest.raises(StorageError, match=told):
        analysis.load(tmp_path, "lamda_pareto")
    assert len(analysis.load_curves(tmp_path)) == len(finished(analysis.load_timings(tmp_path))) == 0
    assert read_about(tmp_path, "s") == {}
    (tmp_path / "studies/s/study.json").write_text("{")
    with pytest.raises(StorageError, match=r"studies/s/study\.json is damaged"):
        read_about(tmp_path, "s")


def test_a_folder_that_is_not_there_is_told_from_one_without_studies(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(StorageError, match=r"runs: holds no studies$"):
        analysis.load(tmp_path / "runs")
    with pytest.raises(StorageError, match=r"run: no such folder \(did you mean runs\?\)$"):
        analysis.load(tmp_path / "run")
    for name in ("elsewhere", "neither/this"):
        with pytest.raises(StorageError, match=f"{name}: no such folder$"):
            analysis.load(tmp_path / name)


LATER = pa.schema(
    [
        pa.field("trial_id", pa.string()),
        pa.field("status", pa.string()),
        pa.field("blur", pa.float64(), metadata={"stages": "search train", "before": "1.5"}),
    ]
)


def test_rows_of_two_versions_lie_in_one_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that a later version added stands in older rows at what it means without it, and is compared."""
    monkeypatch.setattr(columns, "_known", columns._first_format())
    for name, schema, values in (("a", None, {}), ("b", LATER, {"blur": 1.5}), ("c", LATER, {"blur": 2.0})):
        written(tmp_path, name, schema, **values)
    assert analysis.load(tmp_path)["blur"].tolist() == [1.5, 1.5, 2.0]
    assert "blur" in columns.training_fields()
    written(tmp_path, "d", study="another")
    assert analysis.load(tmp_path)["blur"].tolist() == [1.5, 1.5, 1.5, 2.0]


def test_rows_of_a_newer_format_are_refused_in_one_line(tmp_path: Path) -> None:
    written(tmp_path, "a", LATER.with_metadata({"format": str(FORMAT)}))
    assert len(analysis.load(tmp_path)) == 1
    written(tmp_path, "b", LATER.with_metadata({"format": str(FORMAT + 1)}))
    with pytest.raises(StorageError, match=f"^[^\n]*one of its rows has format {FORMAT + 1}[^\n]*$"):
        analysis.load(tmp_path)


def test_counts_and_flags_stay_what_they_are_where_some_are_null(tmp_path: Path) -> None:
    written(tmp_path, "a", seed=1, is_on=True)
    written(tmp_path, "b", seed=None, is_on=None)
    frame = analysis.load(tmp_path)
    assert [str(frame[name].dtype) for name in ("seed", "is_on")] == ["Int64", "boolean"]
    assert finished(pd.concat([frame, frame.assign(status="failed")]))["trial_id"].tolist() == [12 * "a", 12 * "b"]


def test_rows_that_do_not_say_which_network_they_are_of_are_told_from_whole_ones() -> None:
    frame = pd.DataFrame({"status": ["finished"] * 3 + ["failed"], "kind": ["given", None, "given", None]})
    frame = frame.assign(seed=pd.array([0, None, 1, 2], dtype="Int64"), architecture=["PP", "PP", None, None])
    assert lacking(frame).to_dict() == {1: "kind, seed", 2: "architecture"}
    assert whole(frame).index.tolist() == [0]
    assert len(lacking(frame[:1])) == len(whole(frame[:0])) == len(whole(pd.DataFrame())) == 0

"""Reading what a study wrote, without torch or Ray."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT

import analysis
from analysis.storage.places import StorageError

WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "ray", "mlflow", "clearer", "studies"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import analysis, analysis.figures, analysis.report
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


def test_what_is_not_there_is_named(study_storage: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no study cells; it holds lambda_pareto"):
        analysis.load(study_storage, "cells")
    with pytest.raises(StorageError, match=str(tmp_path)):
        analysis.load(tmp_path)

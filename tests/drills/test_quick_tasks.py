"""The quick preset on the tasks that make their own images: a newcomer's first command for each."""

import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT

import analysis

pytestmark = pytest.mark.drill(minutes=12)


@pytest.mark.parametrize("task", ["jpeg", "deblur", "super_resolve"])
def test_networks_beat_their_input_and_the_classical_methods(task: str, tmp_path: Path) -> None:
    script = str(ROOT / "studies" / "random_baseline.py")
    subprocess.run([sys.executable, script, "--random", "4", "--set", f"task={task}"], cwd=tmp_path, check=True)
    rows, references = analysis.load(tmp_path / "runs"), analysis.load_references(tmp_path / "runs")
    print(rows[["architecture", "psnr_db", "degraded_psnr_db"]], references[["method", "psnr_db"]], sep="\n")
    assert (rows["psnr_db"] > rows["degraded_psnr_db"]).all()
    assert rows["psnr_db"].median() > references["psnr_db"].max()

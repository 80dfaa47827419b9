"""The main job as a newcomer runs it: no arguments at all."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import ROOT

import analysis

pytestmark = pytest.mark.drill(minutes=5)


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """The command without arguments, in an empty folder; prints how long it took."""
    started = time.monotonic()
    arguments = [sys.executable, str(ROOT / "studies/lambda_pareto.py")]
    done = subprocess.run(
        arguments, capture_output=True, text=True, cwd=folder, env=os.environ | {"COLUMNS": "160"}, check=False
    )
    print(f"\n{done.stdout[-1500:]}\nseconds: {time.monotonic() - started:.0f}")
    assert done.returncode == 0, done.stderr
    return done


def test_the_quick_study_ends_and_its_networks_restore(tmp_path: Path) -> None:
    run(tmp_path)
    rows = analysis.load(tmp_path / "runs")
    assert (rows["status"] == "finished").all()
    assert rows["kind"].value_counts().to_dict() == {"searched": 12, "random": 6, "given": 4}
    assert set(rows.loc[rows["kind"] == "searched", "search_pack"]) == {4, 8}
    gain = rows["psnr_db"] - rows["degraded_psnr_db"]
    print(f"gain over the noisy input: mean {gain.mean():.2f} dB, smallest {gain.min():.2f} dB")
    assert gain.min() >= 8
    classical = analysis.load_references(tmp_path / "runs").set_index("method")["psnr_db"]
    searched = rows[rows["kind"] == "searched"]
    print(f"{classical}\nmedian searched {searched['psnr_db'].median():.2f} dB, best {rows['psnr_db'].max():.2f} dB")
    assert searched["psnr_db"].median() >= classical["total variation"]
    assert rows["psnr_db"].max() >= classical.max()
    trainings = rows.drop_duplicates("train_key")
    assert trainings.groupby("architecture")["psnr_db"].std().max() <= 0.2
    parameters = searched.groupby(searched["lambda2"] > 0)["parameters"].mean()
    assert parameters[True] < parameters[False]
    assert len(list((tmp_path / "runs/stages/train").iterdir())) == len(rows.drop_duplicates(["architecture", "seed"]))
    written = sorted((tmp_path / "runs/stages").rglob("*"))
    assert "0 to run" in run(tmp_path).stdout
    assert sorted((tmp_path / "runs/stages").rglob("*")) == written

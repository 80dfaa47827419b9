"""The page on ablation statistics: its example runs, on a store of rows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from running import ROOT


def test_the_example_runs_and_finds_what_is_in_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    shared = {
        "status": "finished", "task": "denoise", "test_set": "embedded", "sigma": 30.0, "protocol": "clip8", "test_pixels_sha256": "p",
        "search_seconds": 25.0, "train_seconds": 10.0,
    }  # fmt: skip
    rows = [
        {**shared, "kind": "searched", "replicate_id": f"{lambda1} {lambda2}", "lambda1": lambda1, "lambda2": lambda2, "seed": seed,
         "architecture": "FP-FP", "psnr_db": 30 + 50 * lambda1 + seed + generator.normal(0, 0.01)}
        for lambda1 in (0.0, 0.01) for lambda2 in (0.0, 0.1) for seed in range(3)
    ] + [
        {**shared, "kind": "random", "replicate_id": text, "seed": seed, "architecture": text, "psnr_db": 29 + seed + generator.normal(0, 0.1)}
        for text in ("FF-FF", "PP-PP", "PF-PF") for seed in range(3)
    ]  # fmt: skip
    folder = tmp_path / "runs" / "studies" / "lambda_pareto" / "trials"
    folder.mkdir(parents=True)
    pd.DataFrame(rows).assign(trial_id=[f"{i:012x}" for i in range(len(rows))]).to_parquet(folder / "0.parquet")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "ablation.md").read_text(), re.DOTALL)
    exec(compile(example, "docs/ablation.md", "exec"), {})
    first = capsys.readouterr().out.splitlines()[0]
    found = re.fullmatch(r"([+-][\d.]+) dB, 95 %: (.*) to (.*) \(Student's t over seeds, paired; 3 seeds\)", first)
    assert found
    difference, low, high = map(float, found.groups())
    assert low <= difference <= high
    assert difference == pytest.approx(0.5, abs=0.05)

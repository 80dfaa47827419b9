"""The page on the space and on α: its examples run, on a finished study."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from running import ROOT

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "space_and_alpha.md").read_text(), re.DOTALL)


@pytest.mark.parametrize(
    ("example", "said", "figures"),
    [
        (EXAMPLES[0], "architectures=", {"pareto_in_space.png", "space.png"}),
        (EXAMPLES[1], "decided_by", {"gaps.png", "final_alpha.png", "trajectories.png"}),
    ],
    ids=["space", "alpha"],
)
def test_the_example_runs(
    example: str, said: str, figures: set[str], study_storage: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.copytree(study_storage / "studies", tmp_path / "runs" / "studies")
    for file in (tmp_path / "runs").rglob("trials/*.parquet"):
        row = pd.read_parquet(file)  # times that add up, whatever the machine was busy with
        row.assign(test_time_ms=row["parameters"] / 1e3).to_parquet(file)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/space_and_alpha.md", "exec"), {})
    assert re.search(said, capsys.readouterr().out)
    assert figures <= {path.name for path in tmp_path.glob("*.png")}

"""The study of tasks over tasks that make their own images: rows, transfer, report, restored panels."""

import itertools
from pathlib import Path

import pytest
from in_process import InProcess
from small import ASSIGNED

import analysis
from clearer.fields import as_text
from studies.driver.command_line import main
from studies.tasks import STUDY

TASKS = ("jpeg", "deblur", "super_resolve")


def test_architectures_are_transferred_between_all_tasks(
    in_process: InProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [f"{name}={as_text(values[0])}" for name, values in ASSIGNED.items()]
    asked = ["--storage", str(tmp_path), "--tracking-uri", "none", "--set", f"task={','.join(TASKS)}", *small]
    assert main(STUDY, None, asked) == 0
    printed = capsys.readouterr().out
    rows = analysis.load(tmp_path)
    assert set(rows["task"]) == set(TASKS)
    assert rows["sigma"].isna().all()
    found = dict(rows[rows["kind"] == "searched"][["task", "architecture"]].to_numpy())
    trained = set(map(tuple, rows[["task", "architecture"]].to_numpy()))
    assert {(target, found[source]) for source, target in itertools.product(TASKS, TASKS)} <= trained
    for name in ("jpeg 20", "deblur gaussian 25 1.6 2", "super_resolve 2"):
        assert f"{name}: its own architecture gains" in printed
    results = analysis.Results(tmp_path, "tasks")
    captions = " ".join(text for text, _ in results.groups)
    for said in (
        "jpeg, quality 20",
        "deblur, gaussian blur, size 25, std 1.6, noise σ = 2",
        "super_resolve, ×2 bicubic",
    ):
        assert said in captions
    report = {path.name for path in (tmp_path / "studies/tasks/report").iterdir()}
    assert "index.html" in report
    assert {f"figure_panel_{number}.png" for number in (1, 2, 3)} <= report

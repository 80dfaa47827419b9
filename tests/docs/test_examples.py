"""The Python of the pages runs as it stands there, on a finished study in `runs`."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from running import ROOT

import analysis
from tests.docs.pages import WRITTEN, blocks, named

OWN_STUDY, OWN_TASK = (ROOT / "docs" / "how_to" / f"own_{name}.md" for name in ("study", "task"))
"""The pages whose examples run a study."""
FINDINGS = ROOT / "docs" / "findings"
"""Their examples are run by `test_findings`, on rows of their own."""
_ELSEWHERE = {OWN_STUDY, OWN_TASK, *FINDINGS.glob("*.md")}
EXAMPLES = [page for page in WRITTEN if blocks(page, "python") and page not in _ELSEWHERE]
DRAWN = {
    "best_network_under_a_budget": "network.onnx",
    "draw_figures": (
        "against_random.pdf architecture.pdf attainment.pdf differences.pdf effects.pdf panel.pdf probability.pdf"
    ),
    "space_and_alpha": "final_alpha.png gaps.png pareto_in_space.png space.png trajectories.png",
    "results_in_jupyter": "front.pdf",
}
"""The files that the examples of a page write."""


@pytest.fixture(scope="module")
def runs(study_storage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study whose testing times add up, whatever the machine was busy with."""
    folder = tmp_path_factory.mktemp("examples") / "runs"
    folder.mkdir()
    shutil.copytree(study_storage / "studies", folder / "studies")
    (folder / "stages").symlink_to(study_storage / "stages")
    for file in folder.rglob("trials/*.parquet"):
        row = pd.read_parquet(file)
        row.assign(test_time_ms=row["parameters"] / 1e3).to_parquet(file)
    return folder


def run_examples(page: Path) -> None:
    """Runs the Python blocks of a page one after another, as the cells of a notebook."""
    known: dict[str, object] = {}
    for block in blocks(page, "python"):
        exec(compile(block, named(page), "exec"), known)


@pytest.mark.parametrize("page", EXAMPLES, ids=named)
def test_the_examples_of_a_page_run(
    page: Path, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    for name in ("runs", "runs_before"):
        (tmp_path / name).symlink_to(runs)
    monkeypatch.chdir(tmp_path)
    run_examples(page)
    written = {path.name for path in tmp_path.iterdir()} - {"runs", "runs_before"}
    assert written == set(DRAWN.get(page.stem, "").split())
    if page.name == "README.md":
        shown = blocks(page, "text")[0].splitlines()
        printed = capsys.readouterr().out.splitlines()
        assert [line.split() for line in printed[:2]] == [line.split() for line in shown[:2]]


def test_the_pages_that_have_examples_are_these() -> None:
    assert {page.stem for page in EXAMPLES} >= {"README", "results_in_jupyter", "how_sure", *DRAWN}


SHORT = (
    "channels=2 cells=1 columns=2 batch_size=2 search_iterations=4 warmup_iterations=2 train_iterations=4 "
    "report_iterations=2 reference_images=1 time_series=1 time_calls=1 test_limit=2"
)


def run_python(folder: Path, *arguments: str) -> str:
    """What a Python process prints in a folder."""
    command, environment = [sys.executable, *arguments], os.environ | {"COLUMNS": "200"}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=500, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_study_of_ones_own_runs(tmp_path: Path) -> None:
    values = {name: int(value) for name, value in (text.split("=") for text in SHORT.split())}
    shorter = f"from clearer.presets import QUICK\nQUICK.update({values})\n"
    example, whole = blocks(OWN_STUDY, "python")
    printed = run_python(tmp_path, "-c", shorter + example)
    assert re.search(r"searched +16 +[\d.]+\n +32 +[\d.]+", printed)
    assert (tmp_path / "runs" / "studies" / "patch_size" / "report" / "index.html").exists()
    (tmp_path / "mine.py").write_text(whole)
    (tmp_path / "quick.py").write_text(f"{shorter}import runpy\nrunpy.run_path('mine.py', run_name='__main__')\n")
    printed = run_python(tmp_path, "quick.py", "--storage", "runs")
    assert "what was found asks for" in printed
    assert "wider by" in printed


def test_the_task_of_ones_own_runs(tmp_path: Path) -> None:
    (example,) = blocks(OWN_TASK, "python")
    assert len(example.splitlines()) <= 30
    (tmp_path / "salt_and_pepper.py").write_text(example)
    printed = run_python(tmp_path, "salt_and_pepper.py", "--set", *SHORT.split())
    assert "salt_and_pepper, strength 0.05, centre64" in printed
    rows, references = analysis.load(tmp_path / "runs"), analysis.load_references(tmp_path / "runs")
    assert (rows["status"] == "finished").all()
    assert set(rows["task"]) == {"salt_and_pepper"}
    assert rows.groupby("strength")["degraded_psnr_db"].first().is_monotonic_decreasing
    assert rows["task_source"].nunique() == 1
    scores = references.pivot_table(index="strength", columns="method", values="psnr_db")
    assert (scores["median filter"] > scores["degraded input"] + 8).all()
    figures = analysis.Results(tmp_path / "runs", "salt_and_pepper").figures()
    assert any("panel" in name for name in figures), "restored images beside each other"


def test_the_page_on_certainty_finds_what_is_in_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    shared = {
        "status": "finished", "task": "denoise", "test_set": "embedded", "sigma": 30.0, "protocol": "clip8",
        "test_pixels_sha256": "p", "search_seconds": 25.0, "train_seconds": 10.0, "parameters": 1000,
    }  # fmt: skip
    rows = [
        {**shared, "kind": "searched", "replicate_id": f"{lambda1} {lambda2}", "lambda1": lambda1, "lambda2": lambda2,
         "seed": seed, "architecture": "FP-FP", "psnr_db": 30 + 5 * lambda1 + seed + generator.normal(0, 0.01)}
        for lambda1 in (0.0, 0.1) for lambda2 in (0.0, 0.1) for seed in range(3)
    ] + [
        {**shared, "kind": "random", "replicate_id": text, "seed": seed, "architecture": text,
         "psnr_db": 29 + seed + generator.normal(0, 0.1)}
        for text in ("FF-FF", "PP-PP", "PF-PF") for seed in range(3)
    ]  # fmt: skip
    folder = tmp_path / "runs" / "studies" / "lambda_pareto" / "trials"
    folder.mkdir(parents=True)
    for number, row in enumerate(rows):
        pd.DataFrame([{**row, "trial_id": f"{number:012x}"}]).to_parquet(folder / f"{number:012x}.parquet")
    monkeypatch.chdir(tmp_path)
    every = blocks(ROOT / "docs" / "explanation" / "how_sure.md", "python")
    exec(compile(next(one for one in every if "paired_difference" in one), "how_sure.md", "exec"), {})
    first = capsys.readouterr().out.splitlines()[0]
    found = re.fullmatch(r"([+-][\d.]+) dB, 95 %: (.*) to (.*) \(Student's t over seeds, paired\)", first)
    assert found
    difference, low, high = map(float, found.groups())
    assert low <= difference <= high
    assert difference == pytest.approx(0.5, abs=0.05)

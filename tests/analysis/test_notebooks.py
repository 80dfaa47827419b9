"""The notebooks: kept without results, and every cell runs and draws on the store of a real study."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from running import ROOT

NOTEBOOKS = sorted((ROOT / "analysis" / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks_on_the_front_on_ablations_and_on_luck() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["ablations", "lambda_pareto", "random_baseline"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_results(path: Path) -> None:
    kept = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in kept.cells), "results depend on the store"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path: Path, study_storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARER_STORAGE", str(study_storage))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": path.parent}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pictures = [output for output in shown if "image/png" in output.get("data", {})]
    assert len(pictures) >= (1 if path.stem == "random_baseline" else 2), "drawn without a magic line"
    if folder := os.environ.get("NOTEBOOKS"):
        nbformat.write(notebook, Path(folder) / f"{path.stem}.ipynb")
    assert not [output for output in shown if output.get("name") == "stderr"], "no warning"

"""The notebooks: both forms of each say the same, and every cell runs on the store of a real study."""

from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient
from running import ROOT

NOTEBOOKS = sorted((ROOT / "analysis" / "notebooks").glob("*.py"))


def cells(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def test_there_are_notebooks_on_the_front_on_ablations_and_on_luck() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["ablations", "lambda_pareto", "random_baseline"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_both_forms_are_one_notebook_without_results(path: Path) -> None:
    text, paired = jupytext.read(path), nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    assert cells(text) == cells(paired), f"run `jupytext --sync {path.relative_to(ROOT)}`"
    assert not any(cell.get("outputs") for cell in paired.cells), "results depend on the reader's store"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path: Path, study_storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARER_STORAGE", str(study_storage))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = jupytext.read(path)
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": path.parent}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any(output.output_type == "execute_result" for output in shown)
    assert not [output for output in shown if output.get("name") == "stderr"], "no warning"

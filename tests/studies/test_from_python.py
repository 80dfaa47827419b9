"""Studies from Python: a script that is interrupted and goes on, and the cell of a notebook."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from running import UNSWEPT

SCRIPT = f"""
from studies import Study, run
from studies.driver.options import parse_assignments

short = parse_assignments({[text for text in UNSWEPT if not text.startswith("search_iterations")]!r})
study = Study("mine", axes={{"quick": {{"lambda1": [0.0, 0.1]}}}})
results = run(study, storage="runs", tracking_uri="none", set=short | {{"search_iterations": [LENGTH]}})
print(results.counts, type(results).__module__)
"""
"""A study of one preset, without random architectures."""


def started(folder: Path, length: int) -> subprocess.Popen[str]:
    (folder / "script.py").write_text(SCRIPT.replace("LENGTH", str(length)))
    environment = os.environ | {"COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "script.py"]
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_a_script_that_is_stopped_goes_on(tmp_path: Path) -> None:
    first = started(tmp_path, 400)
    assert first.stdout is not None
    for line in first.stdout:
        if line.startswith("  done"):
            break
    first.send_signal(signal.SIGINT)
    output, errors = first.communicate(timeout=300)
    assert "Stopped. What was finished is kept; call run again to go on." in output, output + errors
    assert errors.rstrip().endswith("KeyboardInterrupt")
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/stages/*/*/result.json")}
    assert kept
    output, errors = started(tmp_path, 400).communicate(timeout=500)
    assert "4 trials finished analysis.study_results" in output, output + errors
    assert errors == ""
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "what was there was not computed again"


def test_a_cell_of_a_notebook_says_how_far_it_is(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(text) for text in (SCRIPT.replace("LENGTH", "400"), "results")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for output in notebook.cells[0].outputs if output.output_type == "display_data"]
    texts = ["".join(output["data"].get("text/plain", "")) for output in shown]
    assert any("done" in text and ("left" in text or "ends soon" in text) for text in texts), texts
    assert "4 trials finished" in notebook.cells[1].outputs[0]["data"]["text/plain"]

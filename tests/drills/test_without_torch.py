"""`analysis` in an environment of its own, in which torch, Ray and MLflow are not installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT

pytestmark = pytest.mark.drill

QUESTIONS = """
import importlib.util, sys
import analysis
assert not any(importlib.util.find_spec(name) for name in ("torch", "ray", "mlflow"))
results = analysis.Results(sys.argv[1], "lambda_pareto")
print(len(results.frame), len(results.front()), len(results.save(sys.argv[2])))
"""


def test_the_report_is_written_where_only_its_requirements_are(study_storage: Path, tmp_path: Path) -> None:
    python = tmp_path / "environment" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "environment"], check=True)
    install = [
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "-c",
        ROOT / "constraints.txt",
        "-r",
        ROOT / "analysis" / "requirements.txt",
    ]
    subprocess.run(install, check=True)
    asked = [python, "-W", "error", "-c", QUESTIONS, study_storage, tmp_path / "report"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(asked, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    rows, front, files = map(int, done.stdout.split())
    assert rows >= front > 0
    assert files == len(list((tmp_path / "report").iterdir()))

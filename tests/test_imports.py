from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "clearer": {"ray", "mlflow", "optuna", "studies", "analysis"},
    "analysis": {"torch", "ray", "clearer", "studies"},
}
ELSEWHERE = {
    "studies",
    "tests",
    "benchmarks",
    "build",
    "runs",
}  # tests and benchmarks look at the machinery from outside


def imported(source):
    """The top-level packages that a Python text imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def importers(folder, packages):
    """`file: package` for every import of one of `packages` under `folder`."""
    files = sorted(folder.rglob("*.py"))
    return [
        f"{file.relative_to(ROOT)}: {package}"
        for file in files
        for package in sorted(imported(file.read_text()) & packages)
    ]


def test_imports_are_found_at_any_depth():
    source = "import ray.tune as t, json\nfrom . import modules\ndef f():\n    from mlflow.entities import Run\n    import optuna"
    assert imported(source) == {"ray", "json", "mlflow", "optuna"}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_go_one_way(package):
    assert any((ROOT / package).rglob("*.py"))
    assert importers(ROOT / package, FORBIDDEN[package]) == []


def test_no_part_of_the_product_but_studies_imports_studies():
    folders = [
        folder
        for folder in ROOT.iterdir()
        if folder.is_dir() and folder.name not in ELSEWHERE and not folder.name.startswith(".")
    ]
    assert {"clearer", "analysis"} <= {folder.name for folder in folders}
    assert [line for folder in folders for line in importers(folder, {"studies"})] == []

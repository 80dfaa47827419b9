"""Who may import whom: a table of arrows between packages, and no circle of files anywhere."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("clearer", "studies", "analysis")
FORBIDDEN = {
    "clearer": {"ray", "mlflow", "optuna", "studies", "analysis"},
    "analysis": {"torch", "ray", "clearer", "studies"},
}
BELOW = {
    "clearer": {"clearer.images", "clearer.tasks", "clearer.using"},
    "clearer.tasks": {"clearer", "clearer.images"},
    "clearer.using": {"clearer", "clearer.images"},
    "clearer.images": {"clearer"},
    "analysis": {
        "analysis.report", "analysis.figures", "analysis.tables", "analysis.statistics", "analysis.predictions"
    },
    "analysis.report": {"analysis.figures", "analysis.tables", "analysis.statistics", "analysis.predictions"},
    "analysis.figures": {"analysis.tables", "analysis.statistics", "analysis.predictions"},
    "analysis.tables": {"analysis.statistics"},
    "analysis.statistics": set[str](),
    "analysis.predictions": set[str](),
    "analysis.rows": {"analysis.storage"},
    "analysis.storage": set[str](),
    "studies": {
        "studies.driver", "studies.nodes", "studies.tracking", "studies.planning", "studies.work", "studies.store"
    },
    "studies.driver": {"studies.nodes", "studies.tracking", "studies.planning", "studies.work", "studies.store"},
    "studies.nodes": {"studies.planning", "studies.work", "studies.store"},
    "studies.tracking": {"studies.work", "studies.store"},
    "studies.planning": {"studies.work", "studies.store"},
    "studies.work": {"studies.store"},
    "studies.store": set[str](),
}  # fmt: skip
"""The packages that a package may import of its own distribution; all of `analysis` may import rows and storage."""
GROUND = {"clearer.streams", "clearer.fields", "clearer.command"}
"""What `clearer.images` uses of the method."""


ASKED_FOR = {("analysis/study_results.py", "clearer")}
"""`network(row).module()` loads a network, where torch is installed and a reader asks for it."""


OF_GPUS = {"pynvml": ["nvidia-ml-py"]}
"""What tests are not installed with."""


def named(requirements: list[str]) -> set[str]:
    """The distributions that requirements name, as the standard spells them."""
    found = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {re.sub(r"[-_.]+", "-", each.group()).lower() for each in found if each}


def modules() -> dict[str, Path]:
    """Every module of the product, by its dotted name."""
    found = {}
    for package in PRODUCT:
        for file in sorted((ROOT / package).rglob("*.py")):
            if "notebooks" not in file.parts:
                name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
                found[name.removesuffix(".__init__")] = file
    return found


def imported(source: str) -> Iterator[str]:
    """The dotted names that a Python text imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def arrows() -> dict[str, set[str]]:
    """Which modules of the product each of them imports."""
    known = modules()
    found: dict[str, set[str]] = {}
    for name, file in known.items():
        wanted = [n if n in known else n.rpartition(".")[0] for n in imported(file.read_text())]
        found[name] = {n for n in wanted if n in known and n != name}
    return found


def package(module: str) -> str:
    """The package that a module lies in; a package lies in itself."""
    return module if (ROOT / module.replace(".", "/")).is_dir() else module.rpartition(".")[0]


def test_imports_are_found_at_any_depth() -> None:
    source = (
        "import ray.tune as t, json\nfrom x import modules\n"
        "def f():\n    from mlflow.entities import Run\n    import optuna"
    )
    assert set(imported(source)) == {"ray.tune", "json", "x.modules", "mlflow.entities.Run", "optuna"}


def test_what_is_imported_is_declared_and_at_need_alone_where_an_extra_has_it() -> None:
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = about["optional-dependencies"]
    always = named(about["dependencies"])
    at_need = named([*extras["energy"], *extras["export"], "ipython"])  # a notebook brings it
    providers = importlib.metadata.packages_distributions()
    for file in modules().values():
        tree = ast.parse(file.read_text())
        tops = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        for texts, declared in ((tops, always), ([ast.unparse(tree)], always | at_need)):
            wanted = {name.partition(".")[0] for text in texts for name in imported(text)}
            for name in wanted - sys.stdlib_module_names - {*PRODUCT, "__future__"}:
                distributions = named(providers.get(name, OF_GPUS.get(name, [])))
                assert distributions & declared, f"{file.relative_to(ROOT)} imports {name}: pyproject.toml lacks it"


@pytest.mark.parametrize("name", FORBIDDEN)
def test_imports_go_one_way(name: str) -> None:
    files = sorted((ROOT / name).rglob("*.py"))
    assert files
    found = {(file, n.partition(".")[0]) for file in files for n in imported(file.read_text())}
    wrong = {(file.relative_to(ROOT).as_posix(), other) for file, other in found if other in FORBIDDEN[name]}
    assert wrong - ASKED_FOR == set()


def test_what_is_imported_when_asked_for_is_imported_inside_a_function() -> None:
    for file, other in ASKED_FOR:
        tops = [
            node for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert tops
        assert other not in {name.partition(".")[0] for node in tops for name in imported(ast.unparse(node))}


def test_nothing_but_studies_imports_studies() -> None:
    others = {name: wanted for name, wanted in arrows().items() if not name.startswith("studies")}
    assert {"clearer.search", "analysis.rows.load"} <= set(others)
    assert [name for name, wanted in others.items() if any(n.startswith("studies") for n in wanted)] == []


def test_arrows_between_packages_go_down() -> None:
    wrong = []
    for name, wanted in arrows().items():
        own = package(name)
        for other in wanted:
            there, top = package(other), own.partition(".")[0]
            if there == own or there.partition(".")[0] != top:
                continue
            always = {"analysis.rows", "analysis.storage"} if top == "analysis" and own != "analysis.storage" else set()
            if there not in BELOW[own] | always or (own == "clearer.images" and other not in GROUND):
                wrong.append(f"{name} -> {other}")
    assert wrong == []


def test_there_is_no_circle() -> None:
    tuple(TopologicalSorter(arrows()).static_order())  # raises CycleError, which names one

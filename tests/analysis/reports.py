"""Reports of stores that hold some rows of a study."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.report.__main__ import main

STUDY = "lambda_pareto"


def report(storage: Path, study: str = STUDY) -> int:
    """Runs the command; its exit status."""
    try:
        return main([str(storage), study])
    except SystemExit as ended:
        return int(ended.code or 0)


def page(storage: Path) -> str:
    """The page's text, without the library that it carries."""
    html = (storage / "studies" / STUDY / "report" / "index.html").read_text()
    return re.sub(r"<script>/\*\*.*?</script>", "", html, flags=re.DOTALL)


def with_trials(storage: Path, folder: Path, rows: Iterable[dict]) -> Path:
    """A copy of a store's study that holds other rows."""
    kept = folder / "runs"
    shutil.copytree(storage / "studies", kept / "studies", ignore=shutil.ignore_patterns("trials*", "report"))
    trials = kept / "studies" / STUDY / "trials"
    trials.mkdir()
    for row in rows:
        pq.write_table(pa.Table.from_pylist([row], schema=schema(storage)), trials / f"{row['trial_id']}.parquet")
    return kept


def schema(storage: Path) -> pa.Schema:
    return pq.read_schema(next((storage / "studies" / STUDY / "trials").glob("*.parquet")))


def rows_of(storage: Path) -> list[dict]:
    files = sorted((storage / "studies" / STUDY / "trials").glob("*.parquet"))
    return [pq.read_table(file).to_pylist()[0] for file in files]

"""Copies what is kept of a finished study into examples/: rows, curves, references, one-shot scores and study.json.

    python -m docs.generate.examples runs/studies/NAME [examples/studies/NAME]

The values are those of the study's files. The files are smaller. They have no dictionaries and no statistics, and what
the columns are about stands in the first file of a kind alone: readers take it for all rows.
"""

import shutil
import sys
from pathlib import Path

import pyarrow.parquet as pq

from docs.generate.findings import ROOT

KINDS = ("trials", "curves", "references", "oneshot")
SMALL = {"use_dictionary": False, "write_statistics": False, "write_page_checksum": True}


def copy_study(study: Path, target: Path) -> None:
    """Copies a study's folder; what `target` held of these kinds is replaced."""
    for kind in KINDS:
        shutil.rmtree(target / kind, ignore_errors=True)
        for number, file in enumerate(sorted((study / kind).glob("*.parquet"))):
            (target / kind).mkdir(parents=True, exist_ok=True)
            pq.write_table(pq.read_table(file), target / kind / file.name, store_schema=not number, **SMALL)
    shutil.copy(study / "study.json", target / "study.json")


if __name__ == "__main__":
    source = Path(sys.argv[1])
    copy_study(source, Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "examples" / "studies" / source.name)

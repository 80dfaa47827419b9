"""Copies what is kept of a finished study into examples/: rows, curves, references, one-shot scores and study.json.

    python -m docs.generate.examples runs/studies/NAME [examples/studies/NAME]

The values are those of the study's files. The files are smaller. They have no dictionaries and no statistics, and what
the columns are about stands in the first file of a kind alone: readers take it for all rows.
"""

import shutil
import sys
from pathlib import Path

import pyarrow.parquet as pq

from clearer.command import OneLineParser, path
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


def main() -> int:
    """Copies the study that the command line names."""
    parser = OneLineParser(prog="python -m docs.generate.examples")
    parser.add_argument("study", type=path, help="the folder of a study: runs/studies/NAME")
    parser.add_argument("target", type=path, nargs="?", help="default: examples/studies/NAME")
    o = parser.parse_args()
    target = o.target or ROOT / "examples" / "studies" / o.study.name
    if not (o.study / "study.json").is_file() or o.study.resolve() == target.resolve():  # before anything is replaced
        parser.error(f"{o.study}: no folder of a study, or the target itself")
    copy_study(o.study, target)
    return 0


if __name__ == "__main__":
    sys.exit(main())

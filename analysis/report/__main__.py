"""Writes the report of a study again, from the store alone."""

import argparse
import io
import sys

from analysis.report.report import write_report
from analysis.rows.study import StudyRows
from analysis.storage.places import StorageError, cause, redacted


def main(arguments: list[str] | None = None) -> int:
    """Writes the report of a study and says where; the exit status: 2 where there is no such study."""
    parser = argparse.ArgumentParser(prog="python -m analysis.report", description=__doc__)
    parser.add_argument("storage", help="the folder or URI that holds the results")
    parser.add_argument("study", help="the name of a study in it")
    parser.add_argument("--out", metavar="FOLDER", help="where the report is written; without it, beside the rows")
    if isinstance(sys.stdout, io.TextIOWrapper):  # a character that it can't show is printed as its code, as by stderr
        sys.stdout.reconfigure(errors="backslashreplace")
    options = parser.parse_args(arguments)
    try:
        written = write_report(StudyRows(options.storage, options.study), options.out)
    except (StorageError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {cause(error)}\n")
    where = options.out or f"{redacted(options.storage).rstrip('/')}/studies/{options.study}/report"
    print(f"{where}/index.html and {len(written) - 1} tables and figures")
    return 0


if __name__ == "__main__":
    sys.exit(main())

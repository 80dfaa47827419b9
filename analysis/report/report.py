"""The report of a study: one page, and the tables and figures that it is made of.

    python -m analysis.report.report STORAGE STUDY [--out FOLDER]

Written beside the study's rows (`<storage>/studies/<study>/report/`) at the end of each run, and by this command at any time, from the
store alone: `index.html` holds all it needs, tables are there as csv, md, tex and parquet, figures as svg and png.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from analysis.figures.style import rendered
from analysis.report.drawings import drawings
from analysis.report.page import Picture, render
from analysis.rows.study import StudyRows
from analysis.storage.places import join, names, open_storage, write_whole
from analysis.tables.paper import tables
from analysis.tables.trials import results_table
from analysis.tables.typesetting import Table, named_columns

OWN = re.compile(r"(index|results|table\d|pareto_|figure_).*\.(html|csv|md|tex|parquet|svg|png)")
"""The names of a report's files; what an earlier report wrote under such a name, and this one does not, is removed."""


def write_report(results: StudyRows, folder: str | Path | None = None) -> list[str]:
    """Writes the page, the tables and the figures of a study into `folder`, or beside its rows; the names written, below it.

    Raises:
        StorageError: no such study, or the folder can't be written.
    """
    made = list(report_tables(results))
    files = {f"{table.name}.{ending}": data for table in made for ending, data in table.files().items()}
    pictures = []
    for drawing in drawings(results):
        both = {} if drawing.figure is None else dict(rendered(drawing.figure, drawing.name))
        files |= both
        if drawing.on_page:
            pictures.append(Picture(drawing.title, both.get(f"{drawing.name}.svg"), drawing.reason))
    files["index.html"] = render(results, made, pictures).encode()
    where = results.storage if folder is None else folder
    filesystem, root = open_storage(where)
    below = join(root, "studies", results.study, "report") if folder is None else root
    for name, data in files.items():
        write_whole(filesystem, join(below, name), data)
    for name in set(names(filesystem, below)) - set(files):
        if OWN.fullmatch(name):
            filesystem.delete_file(join(below, name))
    return sorted(files)


def report_tables(results: StudyRows) -> Iterator[Table]:
    """The trials of each protocol, row by row, and the paper's tables in the study's numbers."""
    for number, (text, group) in enumerate(results.groups):
        frame = results_table(group, results.references, results.axes)
        yield Table(f"results{results.suffix(number)}", text, frame, named_columns(frame.columns))
    yield from tables(results.frame, results.references, results.timings)

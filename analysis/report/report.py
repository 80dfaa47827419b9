"""The report of a study: one page, and the tables and figures that it is made of.

    python -m analysis.report STORAGE STUDY [--out FOLDER]

Written beside the study's rows (`<storage>/studies/<study>/report/`) at the end of each run, and by this command at any
time: `index.html` holds all it needs, tables are there as csv, md, tex and parquet, figures as svg and png.
"""

import base64
import re
from pathlib import Path

from matplotlib import style

from analysis.figures.style import rendered
from analysis.report.drawings import drawings
from analysis.report.page import render
from analysis.rows.configurations import varied_axes
from analysis.rows.study import StudyRows
from analysis.statistics.pareto import TRADE
from analysis.storage.files import Files
from analysis.storage.places import join
from analysis.tables.paper import tables
from analysis.tables.results import front_table, results_table
from analysis.tables.typesetting import Table, named_columns

OWN = re.compile(r"(index|results|table\d|pareto|figure_).*\.(html|csv|md|tex|parquet|svg|png)")
"""The names of a report's files; what an earlier report wrote under such a name, and this one does not, is removed."""


@style.context("default")  # whatever the user's matplotlibrc says: the same rows are the same bytes everywhere
def write_report(results: StudyRows, folder: str | Path | None = None) -> list[str]:
    """Writes page, tables and figures of a study into `folder`, or beside its rows; the names written, below it.

    Raises StorageError: no such study, or the folder can't be written.
    """
    made, fronts = [], []
    for number, (text, group) in enumerate(results.groups):
        frame = results_table(group, results.references, results.axes)
        shown, notes = named_columns(frame.columns.drop("doubts")), tuple(frame["doubts"].dropna().unique())
        made.append(Table(f"results{results.suffix(number)}", text, frame, shown, notes))
        front = front_table(group, varied_axes(group, results.axes), **TRADE).table(f"pareto{results.suffix(number)}")
        fronts.append(front)
    made += tables(results.frame, results.references, results.timings)
    files = {f"{table.name}.{ending}": data for table in [*made, *fronts] for ending, data in table.files().items()}
    pictures = []
    for drawing in drawings(results):
        both = {} if drawing.figure is None else dict(rendered(drawing.figure, drawing.name))
        files |= both
        if drawing.on_page:
            svg = base64.b64encode(both.get(f"{drawing.name}.svg", b"")).decode()
            pictures.append({"name": drawing.name, "title": drawing.title, "reason": drawing.reason, "data": svg})
    files["index.html"] = render(results, made, pictures).encode()
    place = Files(results.storage if folder is None else folder)
    below = f"studies/{results.study}/report" if folder is None else ""
    for name, data in files.items():
        place.write(join(below, name), data, is_durable=False)
    for name in set(place.names(below)) - set(files):
        if OWN.fullmatch(name):
            place.remove(join(below, name))
    return sorted(files)

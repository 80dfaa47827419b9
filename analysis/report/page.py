"""The report as one page of HTML that holds all it needs: works offline, on a phone and in print."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from analysis.figures.architecture import architecture_svg
from analysis.figures.interactive_pareto import details, pareto_plot
from analysis.report.checklist import checklist
from analysis.report.conclusions import conclusions
from analysis.rows.comparable import by_device, timed_caption
from analysis.rows.configurations import configuration_name
from analysis.rows.load import finished
from analysis.rows.study import StudyRows
from analysis.rows.units import counted
from analysis.statistics.answers import fidelity_lines, spread_lines, transfer_lines
from analysis.statistics.costs import cost_lines
from analysis.statistics.health import CHECKS, health
from analysis.storage.places import redacted
from analysis.tables.typesetting import Table, with_marks

_MOST_ROWS = 60
PROTOCOL_NOTE = (
    "PSNR and SSIM are of whole images under the protocol that each caption names; figures under other protocols, on "
    "other images or of patches do not compare. Testing times were taken on the named device with nothing else under "
    "way, one network at a time."
)


def render(results: StudyRows, tables: Iterable[Table], figures: Iterable[Mapping[str, str]]) -> str:
    """The page of a study; `tables` and `figures` stand in it in their order.

    A figure has a `title`, and as `data` an SVG in base 64, or nothing and the `reason`.
    """
    rows, axes, groups = results.frame, results.axes, list(_groups(results))
    done, failed = finished(rows), rows[rows["status"] == "failed"].to_dict("records") if len(rows) else []
    scored = done.dropna(subset=["psnr_db"]) if len(done) else done
    plots = {plot["id"]: plot["plot"] for group in groups for plot in group["plots"]}
    about: dict[str, Any] = {"study": results.study, "question": results.about.get("question", "")}
    about |= {"counts": _counts(results), "provenance": _provenance(results.about), "protocol_note": PROTOCOL_NOTE}
    names = [f"{configuration_name(row, axes)}, seed {row['seed']}" for row in failed]
    about["failed"] = [(row["trial_id"], name, row["error"] or "") for row, name in zip(failed, names, strict=True)]
    about["lines"] = [*spread_lines(done), *transfer_lines(done), *fidelity_lines(done, results.oneshot)]
    about |= {"tables": [_cells(table) for table in tables], "figures": list(figures), "groups": groups, "plots": plots}
    about |= {"health": health(rows, results.curves, results.references, results.about), "checks": CHECKS}
    about |= {"costs": cost_lines(done), "details": details(scored, axes) if len(scored) else {}}
    about["checklist"] = checklist(results.about, rows, results.references, results.curves)
    about["drawings"] = {text: architecture_svg(text) for text in (set(scored["architecture"]) if len(scored) else ())}
    about |= {"style": Markup(_own("page.css")), "script": Markup(_own("page.js"))}
    return _template().render(about, plotly=Markup(get_plotlyjs()) if plots else "")


def _own(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_own("page.html"))


def _counts(results: StudyRows) -> str:
    rows = results.frame
    ended = rows["status"].value_counts() if len(rows) else pd.Series(dtype=int)
    done, failed = int(ended.get("finished", 0)), int(ended.get("failed", 0))
    missing = len(set(results.planned) - set(rows["trial_id"] if len(rows) else ()))
    parts = [f"{counted(done, 'trial')} finished"]
    parts += [f"{failed} failed"] * bool(failed) + [f"{missing} not ended yet"] * bool(missing)
    return ", ".join(parts)


def _provenance(about: Mapping[str, Any]) -> str:
    if not about.get("runs"):
        return ""
    last = about["runs"][-1]
    machine = f"{last['hardware']['cores']} cores of {last['hardware']['processor']}"
    commit = f", commit {last['commit'][:12]}" if last.get("commit") else ""
    started = f"last run {last['started_at'][:16].replace('T', ' ')} UTC on {machine}{commit}"
    return f"Preset {last['preset']}; {started}. Command: {redacted(last['command'])}"


def _groups(results: StudyRows) -> Iterator[dict[str, Any]]:
    """What the page says and draws of each protocol; a plot is what plotly draws, under an identifier."""
    for number, (text, group) in enumerate(results.groups):
        plots = [("parameters", text, pareto_plot(group, "parameters"))]
        for device, (name, rows) in enumerate(by_device(group, results.timings)):
            plots.append((f"time-{device}", timed_caption(rows, name), pareto_plot(rows, "test_time_ms")))
        found = conclusions(group, results.axes, results.references, results.curves, np.random.default_rng(0))
        by_topic = itertools.groupby(found, key=lambda one: one.topic)
        said = [(topic, [one.text for one in those]) for topic, those in by_topic]
        drawn = [{"id": f"plot-{number}-{end}", "caption": _line(about), "plot": plot} for end, about, plot in plots]
        yield {"caption": _line(text), "conclusions": said, "plots": drawn}


def _line(caption: str) -> str:
    return caption.replace("\n", "; ")


def _cells(table: Table) -> dict[str, Any]:
    """A table as texts: headings, each with `text` or `number`, and cells; the long ones are folded away."""
    kinds = ["number" if table.is_number(column) else "text" for column in table.columns]
    rows: list[list[str]] = []
    for section, those in table.sections():
        rows += [[section] + [""] * (len(kinds) - 1)] if section else []
        rows += [with_marks(*one) for one in those]
    headings = [(column.heading, kind) for column, kind in zip(table.columns, kinds, strict=True)]
    notes = [f"[{number}] {note}" for number, note in enumerate(table.notes, start=1)]
    about = {"caption": _line(table.caption), "headings": headings, "notes": notes}
    return {**about, "rows": rows, "folded": len(rows) > _MOST_ROWS}

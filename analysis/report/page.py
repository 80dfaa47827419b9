"""The report as one page of HTML that holds all it needs: works offline, on a phone and in print."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from analysis.figures.architecture import architecture_svg
from analysis.figures.interactive import details, pareto_plot
from analysis.report.checklist import checklist
from analysis.report.conclusions import conclusions
from analysis.rows.configurations import named
from analysis.rows.groups import by_device, timed_caption
from analysis.rows.load import finished
from analysis.rows.study import StudyRows
from analysis.statistics.costs import cost_lines
from analysis.statistics.fidelity import fidelity_lines
from analysis.statistics.spread import spread_lines
from analysis.statistics.transfer import transfer_lines
from analysis.storage.places import redacted
from analysis.tables.typesetting import Table

_MOST_ROWS = 60
PROTOCOL_NOTE = (
    "PSNR and SSIM are of whole images under the protocol that each caption names; figures under other protocols, on other images or "
    "of patches do not compare. Testing times were taken on the named device with nothing else under way, one network at a time."
)


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it; where there is no SVG, `reason` says why."""

    title: str
    svg: bytes | None
    reason: str = ""


def render(results: StudyRows, tables: Iterable[Table], figures: Iterable[Picture]) -> str:
    """The page of a study; `tables` and `figures` stand in it in their order."""
    rows, axes = results.frame, results.axes
    plots = dict(_plots(results))
    scored = finished(rows).dropna(subset=["psnr_db"]) if len(rows) else rows
    architectures = set(scored["architecture"]) if len(scored) else set()
    return _template().render(
        study=results.study, question=results.about.get("question", ""), counts=_counts(results), provenance=_provenance(results.about),
        failed=list(_failed(rows, axes)), groups=list(_groups(results, plots)), lines=_lines(results),
        tables=[_cells(table) for table in tables], figures=list(map(_picture, figures)),
        costs=cost_lines(finished(rows)), checklist=checklist(results.about, rows, results.references, results.curves), protocol_note=PROTOCOL_NOTE,
        plots={name: plot for name, (_, _, plot) in plots.items()}, details=details(scored, axes) if len(scored) else {},
        drawings={text: architecture_svg(text) for text in sorted(architectures)}, plotly=Markup(get_plotlyjs()) if plots else "",
    )  # fmt: skip


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))


def _counts(results: StudyRows) -> str:
    rows = results.frame
    ended = rows["status"].value_counts() if len(rows) else pd.Series(dtype=int)
    done, failed = int(ended.get("finished", 0)), int(ended.get("failed", 0))
    missing = len(set(results.planned) - set(rows["trial_id"] if len(rows) else ()))
    parts = [f"{done} trial{'s' if done != 1 else ''} finished"]
    parts += [f"{failed} failed"] * bool(failed) + [f"{missing} not ended yet"] * bool(missing)
    return ", ".join(parts)


def _provenance(about: Mapping[str, Any]) -> str:
    if not about.get("runs"):
        return ""
    last = about["runs"][-1]
    hardware = last["hardware"]
    commit = f", commit {last['commit'][:12]}" if last.get("commit") else ""
    return (
        f"Preset {last['preset']}; last run {last['started_at'][:16].replace('T', ' ')} UTC on {hardware['cores']} cores of {hardware['processor']}{commit}. "
        f"Command: {redacted(last['command'])}"
    )


def _failed(rows: pd.DataFrame, axes: list[str]) -> Iterator[tuple[str, str, str]]:
    for row in rows[rows["status"] == "failed"].to_dict("records") if len(rows) else ():
        yield row["trial_id"], f"{named(row, axes)}, seed {row['seed']}", row["error"] or ""


def _plots(results: StudyRows) -> Iterator[tuple[str, tuple[int, str, dict[str, Any]]]]:
    """The interactive figures: an identifier, and the number of its protocol, its caption and what plotly draws."""
    for number, (text, group) in enumerate(results.groups):
        yield f"plot-{number}-parameters", (number, text, pareto_plot(group, "parameters"))
        for device, (name, rows) in enumerate(by_device(group, results.timings)):
            yield f"plot-{number}-time-{device}", (number, timed_caption(rows, name), pareto_plot(rows, "test_time_ms"))


def _groups(results: StudyRows, plots: Mapping[str, tuple[int, str, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for number, (text, group) in enumerate(results.groups):
        found = conclusions(group, results.axes, results.references, results.curves, np.random.default_rng(0))
        by_topic = itertools.groupby(found, key=lambda one: one.topic)
        yield {
            "caption": text.replace("\n", "; "),
            "conclusions": [(topic, [one.text for one in those]) for topic, those in by_topic],
            "plots": [{"id": name, "caption": about.replace("\n", "; ")} for name, (of, about, _) in plots.items() if of == number],
        }  # fmt: skip


def _lines(results: StudyRows) -> list[str]:
    """What is asked of all protocols together: spread over seeds, transfer between tasks, what one-shot scores are worth."""
    rows = finished(results.frame)
    if not len(rows):
        return []
    return [*spread_lines(rows), *transfer_lines(rows), *fidelity_lines(rows, results.oneshot)]


def _cells(table: Table) -> dict[str, Any]:
    """A table as texts: headings, each with `text` or `number`, and cells; the long ones are folded away."""
    kinds = ["number" if table.is_number(column) else "text" for column in table.columns]
    rows = []
    for section, those in table.sections():
        rows += [[section] + [""] * (len(kinds) - 1)] if section else []
        rows += [
            [cells[0] + (f" [{', '.join(map(str, marks))}]" if marks else ""), *cells[1:]] for cells, marks in those
        ]
    notes = [f"[{number}] {note}" for number, note in enumerate(table.notes, start=1)]
    headings = [(column.heading, kind) for column, kind in zip(table.columns, kinds, strict=True)]
    return {
        "caption": table.caption.replace("\n", "; "),
        "headings": headings,
        "rows": rows,
        "notes": notes,
        "folded": len(rows) > _MOST_ROWS,
    }


def _picture(picture: Picture) -> dict[str, str]:
    svg = picture.svg or b""
    return {"title": picture.title, "reason": picture.reason, "data": base64.b64encode(svg).decode()}

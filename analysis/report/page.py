"""The report as one page of HTML that holds all it needs: works offline, on a phone and in print."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from analysis.figures.architecture import architecture_svg
from analysis.figures.pareto import pareto_plot
from analysis.report.checklist import checklist
from analysis.report.conclusions import conclusions
from analysis.report.drawings import trades
from analysis.report.networks import networks, pictures
from analysis.rows.configurations import configuration_name, varied_axes
from analysis.rows.load import whole
from analysis.rows.study import StudyRows
from analysis.rows.units import mark, with_minus
from analysis.statistics.answers import fidelity_lines, spread_lines, transfer_lines
from analysis.statistics.costs import best_so_far, cost_lines
from analysis.statistics.health import CHECKS, health
from analysis.storage.places import redacted
from analysis.tables.results import front_table
from analysis.tables.typesetting import Table, with_marks

_SHORT = ("Which configuration", "Is the search", "How do networks")
"""The topics whose first sentences are the answer in short."""
_FIRST = "architecture on_front psnr_db parameters lambda1 lambda2 seed kind ssim test_time_ms".split()
"""The columns of the results that are always shown, beside the axes; the others stand behind a control."""
_HEADINGS = {"on_front": "front", "psnr_db": "PSNR (dB)", "ssim": "SSIM", "test_time_ms": "time (ms)"}


def render(results: StudyRows, tables: Iterable[Table], figures: Iterable[Mapping[str, str]]) -> str:
    """The page of a study; `tables` and `figures` stand in it in their order.

    A figure has a `name` and a `title`, and as `data` an SVG in base64, or nothing and the `reason`.
    """
    rows, axes, groups = results.frame, results.axes, list(_groups(results))
    done, failed = whole(rows), rows[rows["status"] == "failed"].to_dict("records") if len(rows) else []
    scored = done.dropna(subset=["psnr_db"]) if len(done) else done
    about: dict[str, Any] = {"study": results.study, "question": results.about.get("question", "")}
    about |= {"counts": results.counts, "provenance": _provenance(results.about)}
    names = [f"{configuration_name(row, axes)}, seed {row['seed']}" for row in failed]
    about["failed"] = [(row["trial_id"], name, row["error"] or "") for row, name in zip(failed, names, strict=True)]
    about["lines"] = [*spread_lines(done), *transfer_lines(done), *fidelity_lines(done, results.oneshot)]
    about |= {"tables": [_cells(table, axes) for table in tables], "figures": list(figures), "groups": groups}
    about |= {"costs": cost_lines(done), "glossary": json.loads(_own("glossary.json"))}
    about |= {"health": health(rows, results.curves, results.references, results.about), "checks": CHECKS}
    about["checklist"] = checklist(results.about, rows, results.references, results.curves)
    page: dict[str, Any] = {"groups": [group.pop("data") for group in groups]}
    page["plots"] = {plot["id"]: plot.pop("plot") for group in groups for plot in group["plots"]}
    page["drawings"] = {text: architecture_svg(text) for text in (set(scored["architecture"]) if len(scored) else ())}
    page["axes"] = {name: mark(name) for name in axes if len(scored) and scored[name].nunique(dropna=False) > 1}
    page["pictures"] = {key: data for _, group in results.groups for key, data in pictures(results, group).items()}
    about |= {"page": page, "explain": _explained(about["glossary"])}
    about |= {"style": Markup(_own("page.css")), "script": Markup(_own("page.js"))}
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_own("page.html")).render(about, plotly=Markup(get_plotlyjs()) if groups else "")


def _own(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _explained(glossary: Mapping[str, str]) -> Callable[[str], Markup]:
    """What turns a text into HTML, in which the first use of each term on the page leads to its entry."""
    left = {term.lower(): (place, meaning) for place, (term, meaning) in enumerate(glossary.items())}
    words = "|".join(sorted(map(re.escape, glossary), key=len, reverse=True))
    pattern = re.compile(rf"`[^`]*`|(?<![\w.-])({words})s?(?![\w-])", re.IGNORECASE)

    def linked(found: re.Match[str]) -> str:
        if found[0].startswith("`"):
            return f"<code>{found[0][1:-1]}</code>"
        term = found[1] if len(found[1]) > 1 else found[1] if found[1] in glossary else ""
        place, meaning = left.pop(term.lower(), (None, ""))
        told = f'<a class="term" href="#term-{place}" title="{escape(meaning)}">{found[0]}</a>'
        return found[0] if place is None else told

    return lambda text: Markup(pattern.sub(linked, str(escape(with_minus(text)))))


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
        said = conclusions(group, results.axes, results.references, results.curves, np.random.default_rng(0))
        drawn: list[dict[str, Any]] = []
        for cost, _, end, about, rows in trades(results, number):
            if rows[cost].notna().any():
                files = {"file": f"pareto_{cost.removesuffix('_ms')}{end}", "table": "" if drawn else f"pareto{end}"}
                plot = {"id": f"plot-{number}-{len(drawn)}", "caption": _line(about), "plot": pareto_plot(rows, cost)}
                drawn.append(plot | files | _members(rows, varied_axes(group, results.axes), cost))
        progress = best_so_far(group).to_dict("list")
        short = [texts[0] for topic, texts in said.items() if topic.startswith(_SHORT)]
        more = [(topic, texts[topic.startswith(_SHORT) :]) for topic, texts in said.items()]
        data = {"networks": networks(results, group), "progress": progress}
        yield {"caption": _line(text), "short": short, "conclusions": more, "plots": drawn, "data": data}


def _members(rows: Any, axes: list[str], cost: str) -> dict[str, Any]:
    """The configurations of a front, from the cheapest to the dearest, for the table beside its figure."""
    front, members = front_table(rows, axes, [cost], ["psnr_db"]), []
    has_time = "test_time_ms" in front
    for row in front.to_dict("records"):
        cells = [f"{row['parameters']:,.0f}", f"{row['psnr_db']:.2f}", f"{row['ssim']:.4f}"]
        cells += ["" if np.isnan(row["test_time_ms"]) else f"{row['test_time_ms']:.1f}"] if has_time else []
        detail = row["architecture"] if row["kind"] == "searched" else ""
        member = {"name": configuration_name(row, axes, short=True), "detail": detail, "trial": row["trial_id"]}
        members.append(member | {"cells": [*cells, row["seeds"]]})
    names = ["parameters", "PSNR (dB)", "SSIM", *(["time (ms)"] if has_time else []), "seeds"]
    title = f"{len(members)} on the front"
    return {"members": members, "headings": [("member", "text"), *((name, "number") for name in names)], "title": title}


def _line(caption: str) -> str:
    return caption.replace("\n", "; ")


def _cells(table: Table, axes: list[str]) -> dict[str, Any]:
    """A table as texts: headings, each with its classes, and rows of cells, each with its trial where it is of one.

    Of the results the columns that say most come first; the others have the class `more`.
    """
    is_results = "on_front" in table.frame
    order = list(range(len(table.columns)))
    if is_results:
        order = [i for i in order if table.frame[table.columns[i].name].notna().any()]
        first = [*_FIRST[:4], *(name for name in axes if name not in _FIRST), *_FIRST[4:]]
        first = [name for name in first if name in table.frame and table.frame[name].notna().any()]
        order.sort(key=lambda i: first.index(name) if (name := table.columns[i].name) in first else len(first))
    rows: list[tuple[str, list[str]]] = []
    trials = iter(table.frame["trial_id"].fillna("") if is_results else [""] * len(table.frame))
    for section, those in table.sections():
        rows += [("", [section] + [""] * (len(order) - 1))] if section else []
        rows += [(next(trials), with_marks(*one)) for one in those]
    headings = []
    for column in (table.columns[i] for i in order):
        kind = "number" if table.is_number(column) else "text"
        kind += " more" if is_results and column.name not in first else ""
        headings.append((_HEADINGS.get(column.name, mark(column.heading)) if is_results else column.heading, kind))
    words = {"True": "●", "False": ""}
    cells = [(trial, [with_minus(words.get(row[i], row[i])) for i in order]) for trial, row in rows]
    notes = [f"[{number}] {note}" for number, note in enumerate(table.notes, start=1)]
    about = {"name": table.name, "caption": _line(table.caption), "headings": headings, "notes": notes}
    return {**about, "rows": cells, "is_results": is_results}

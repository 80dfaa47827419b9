"""What a study says at its end: the results, where they are, and what to do next."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from analysis.rows.units import duration
from analysis.storage.places import redacted
from analysis.tables.results import TABLE, results_table
from clearer.command import print_prose
from clearer.fields import as_text
from clearer.presets import label
from studies.driver.options import command_words
from studies.driver.rounds import Outcome, findings
from studies.driver.session import Session

_ROWS_SHOWN = 40
_COLUMNS = {
    "on_front": ("", ""),
    "kind": ("kind", ""),
    "lambda1": ("λ1", "g"),
    "lambda2": ("λ2", "4g"),
    "seed": ("seed", "d"),
    "architecture": ("architecture", ""),
    "psnr_db": ("PSNR\ndB", ".2f"),
    "test_time_ms": ("ms an\nimage", ".1f"),
    "parameters": ("parameters", ",d"),
    "ssim": ("SSIM", ".4f"),
    "test_time_spread": ("spread", ".0%"),
    "search_stopped_at": ("search\nstopped", "d"),
}
"""The heading and the format of each column; where a terminal is too narrow, the last are left out first."""


def conclude(outcome: Outcome, session: Session) -> int:
    """Prints the results of a study's trials, what they answer and where they are; the exit status of the study."""
    console, results = session.console, outcome.results(session)
    planned, rows = {c.trial_id: c for c in outcome.planned}, results.frame
    for text, group in results.groups:
        _show(text, results_table(group, results.references, results.axes), console)
    for one in results.health:
        console.print(Text.assemble(("health", "yellow"), f"  {one.text} Mend: {one.mend}."), soft_wrap=False)
    for line in [*_saved(rows), *_untimed(rows, outcome.study.name, session)]:
        console.print(line)
    ended = rows[rows["status"] == "failed"] if len(rows) else rows
    failed = [(label(planned[row["trial_id"]]), row["error"]) for row in ended.to_dict("records")]
    failed += [(label(c), failure.reason) for c, failure in outcome.unfinished]
    lost = [(task.job.text, task.failure.reason) for task in outcome.lost if task.failure]
    for name, reason in [*failed, *lost]:
        console.print(Text.assemble(("failed", "red"), f"  {name}: {reason}"))
    for line in _answer(outcome, session):
        console.print(line)
    _say_where(outcome, session)
    if outcome.is_out_of_time:
        spent = f"--budget {duration(session.options.budget or 0)} is spent"
        left = len(planned) - len(rows)
        console.print(f"{spent}: {left} trials have not started; the same command goes on with them")
    if failed:
        again = "the same command tries again" if outcome.unfinished else "add --retry-failed to try again"
        console.print(f"{len(failed)} of {len(planned)} trials failed; {again} what has failed.")
    if lost:
        names = ", ".join(sorted({task.job.stage for task in outcome.lost}))
        console.print(f"{len(lost)} jobs failed ({names}), see above; the same command tries again.")
    if failed or lost:
        return 1
    return 3 if outcome.is_out_of_time else 0


def _saved(rows: pd.DataFrame) -> list[str]:
    """What early stopping saved, of the searches that asked for it."""
    asked = rows[rows["search_patience"].fillna(0) > 0].drop_duplicates("search_key") if len(rows) else rows
    if not len(asked):
        return []
    stopped, whole = asked["search_stopped_at"], asked["search_iterations"]
    share = f"{int((whole - stopped).sum()):,} of {int(whole.sum()):,} iterations saved"
    return [f"{int(stopped.notna().sum())} of {len(asked)} searches stopped early: {share}"]


def _untimed(rows: pd.DataFrame, study: str, session: Session) -> list[str]:
    """How a testing time is had later, where one could not be taken."""
    count = int(rows["test_time_error"].notna().sum()) if len(rows) else 0
    again = shlex.join([sys.orig_argv[0], "-m", "studies", "retime", redacted(session.place.storage), study])
    return [f"{count} trials have no testing time; on an idle machine: {again}"] if count else []


def _answer(outcome: Outcome, session: Session) -> list[str]:
    """What the rows answer; where that can't be worked out, why, for the trials have ended as they have."""
    if outcome.study.answer is None:
        return []
    try:
        return outcome.study.answer(findings(outcome, session))
    except Exception as error:
        return [f"what the rows answer could not be worked out: {type(error).__name__}: {error}"]


def _show(text: str, results: pd.DataFrame, console: Console) -> None:
    shown = results if len(results) <= _ROWS_SHOWN else results[results["on_front"]].head(_ROWS_SHOWN)
    below = "; ▼ below its degraded input" if shown["doubts"].notna().any() else ""
    front = "● configurations, by their means over seeds, on the Pareto front of PSNR and parameters"
    about = f"{text.replace(chr(10), '; ')}{below}; {front}"
    print_prose(console, Text.assemble(("\nResults", "bold"), f" on {about}"))
    more = {name: (name, "") for name in shown.columns if name not in TABLE}
    columns = {"on_front": _COLUMNS["on_front"], "kind": _COLUMNS["kind"], **more, **_COLUMNS}
    if shown["search_stopped_at"].isna().all():
        del columns["search_stopped_at"]
    rows = [{name: _cell(row[name], form) for name, (_, form) in columns.items()} for row in shown.to_dict("records")]
    for row, doubts in zip(rows, shown["doubts"], strict=True):
        row |= {"on_front": "▼"} if pd.notna(doubts) else {}
    unbounded = console.options.update(max_width=10_000)
    least = 1 + list(columns).index("test_time_ms")  # those before it are always shown
    for count, gap in [(count, gap) for count in range(len(columns), least - 1, -1) for gap in (2, 1)]:
        table = _table(list(columns.values())[:count], [list(row.values())[:count] for row in rows], gap)
        if Measurement.get(console, unbounded, table).minimum <= console.width:
            console.print(table, "", soft_wrap=False)
            if count < len(columns):
                names = ", ".join(heading.replace("\n", " ") for heading, _ in list(columns.values())[count:])
                text = f"not shown, for want of width: {names}; see report/results.csv of the study"
                console.print(text, soft_wrap=True)
            break
    else:
        for row in rows:
            told = (f"{columns[name][0]} {cell.strip()}".strip() for name, cell in row.items() if cell)
            console.print("  ".join(text.replace("\n", " ") for text in told), soft_wrap=False)
    if len(shown) < len(results):
        left = f"{len(results) - len(shown)} more rows are in the results table of the report"
        console.print(f"{left}; shown are the first of the front.")


def _cell(value: Any, form: str) -> str:
    if isinstance(value, bool):
        return "●" if value else " "
    return "" if pd.isna(value) else format(value, form)


def _table(looks: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]], gap: int) -> Table:
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    for heading, form in looks:
        table.add_column(heading, justify="right" if form else "left", no_wrap=heading != "architecture")
    for cells in rows:
        table.add_row(*cells)
    return table


def _say_where(outcome: Outcome, session: Session) -> None:
    where = redacted(session.options.storage).rstrip("/")
    folder = f"{where}/studies/{outcome.study.name}"
    session.console.print(f"{'figures and tables':<20}{folder}/report/")
    session.console.print(f"{'rows and curves':<20}{folder}/   (analysis.load({where!r}))")
    session.console.print(f"{'next':<20}{_next(outcome, session)}   (only what is new runs)")


def _next(outcome: Outcome, session: Session) -> str:
    """The command of this study with one more seed: with this Python, on this storage, with the same settings."""
    options, own = session.options, session.options.more
    seeds = sorted({c.seed for c in outcome.planned})
    more = ["--seeds", str(len(seeds) + 1)]
    if len(options.assigned.get("seed", ())) > 1:
        options, more = replace(options, assigned={**options.assigned, "seed": [*seeds, seeds[-1] + 1]}), []
    words = [word for name, value in own.items() if value for word in (f"--{name.replace('_', '-')}", as_text(value))]
    script = next((word for word in sys.orig_argv if word.endswith(".py")), f"studies/{outcome.study.name}.py")
    command = [sys.orig_argv[0], script, *more, *words, *command_words(options)]
    return redacted(shlex.join(command))

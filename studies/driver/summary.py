"""What a study says at its end: the results, where they are, and what to do next."""

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analysis.rows.units import duration
from analysis.storage.places import redacted
from analysis.tables.trials import TABLE, results_table
from clearer.presets import label
from studies.driver.rounds import Outcome, findings
from studies.driver.session import Session

_ROWS_SHOWN = 40
_COLUMNS = {
    "kind": ("kind", ""),
    "lambda1": ("λ1", "g"),
    "lambda2": ("λ2", "g"),
    "seed": ("seed", "d"),
    "architecture": ("architecture", ""),
    "parameters": ("parameters", ",d"),
    "psnr_db": ("PSNR dB", ".2f"),
    "ssim": ("SSIM", ".4f"),
    "test_time_ms": ("ms/image", ".1f"),
    "test_time_spread": ("spread", ".0%"),
    "search_stopped_at": ("search stopped", "d"),
}
"""The heading and the format of each column."""
_RARE = ("search_stopped_at",)
"""Columns that are shown where they say something."""


def conclude(outcome: Outcome, session: Session) -> int:
    """Prints the results of a study's trials, what they answer and where they are; the exit status of the study."""
    console, results = session.console, outcome.results(session)
    planned, rows = {c.trial_id: c for c in outcome.planned}, results.frame
    for text, group in results.groups:
        _show(text, results_table(group, results.references, results.axes), console)
    for line in _saved(rows):
        console.print(line, soft_wrap=True)
    ended = rows[rows["status"] == "failed"] if len(rows) else rows
    failed = [(label(planned[row["trial_id"]]), row["error"]) for row in ended.to_dict("records")]
    failed += [(label(c), failure.reason) for c, failure in outcome.unfinished]
    for name, reason in failed:
        console.print(f"[red]failed[/]  {escape(f'{name}: {reason}')}")
    for line in _answer(outcome, session):
        console.print(line, soft_wrap=True, markup=False)
    _say_where(outcome, session)
    if outcome.is_out_of_time:
        spent = f"--budget {duration(session.options.budget or 0)} is spent"
        left = len(planned) - len(rows)
        console.print(f"{spent}: {left} trials have not started; the same command goes on with them")
    if failed:
        again = "the same command tries again" if outcome.unfinished else "add --retry-failed to try again"
        console.print(f"{len(failed)} of {len(planned)} trials failed; {again} what has failed.")
        return 1
    if outcome.lost:
        names = ", ".join(sorted({job.stage for job in outcome.lost}))
        console.print(f"{len(outcome.lost)} jobs failed ({names}), see above; the same command tries again.")
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
    about = f"{escape(text.replace(chr(10), '; '))}; ● on the Pareto front of PSNR and parameters"
    console.print(f"\n[bold]Results[/] on {about}", soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    more = {name: (name, "") for name in shown.columns if name not in TABLE}
    columns = {"kind": _COLUMNS["kind"], **more, **_COLUMNS}
    columns = {name: look for name, look in columns.items() if name not in _RARE or shown[name].notna().any()}
    for heading, form in columns.values():
        table.add_column(heading, justify="right" if form else "left", no_wrap=True)
    for row in shown.to_dict("records"):
        cells = ["" if pd.isna(row[name]) else escape(format(row[name], form)) for name, (_, form) in columns.items()]
        table.add_row("●" if row["on_front"] else "", *cells)
    console.print(table, "")
    if len(shown) < len(results):
        left = f"{len(results) - len(shown)} more rows are in the results table of the report"
        console.print(f"{left}; shown are the first of the front.")


def _say_where(outcome: Outcome, session: Session) -> None:
    study, options, console = outcome.study.name, session.options, session.console
    more = f"--seeds {len({c.seed for c in outcome.planned}) + 1}"
    where = redacted(options.storage).rstrip("/")
    lines = {"figures and tables": f"{where}/studies/{study}/report/"}
    lines["rows and curves"] = f"{where}/studies/{study}/   (analysis.load({where!r}))"
    if options.tracking_uri is None and session.store.is_local:
        lines["MLflow"] = f"mlflow ui --backend-store-uri sqlite:///{where}/mlflow.db"
    elif options.tracking_uri not in (None, "none"):
        lines["MLflow"] = redacted(options.tracking_uri)
    lines["next"] = f"the same command with {more}: only the new replicates run"
    if options.preset == "quick":
        lines["next"] = f"python studies/{study}.py {more}   or   --preset proxy --data DIR"
    for name, line in lines.items():
        console.print(f"{name:<20}{line}", soft_wrap=True)

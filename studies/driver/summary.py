"""What a study says at its end: the results, where they are, and what to do next."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analysis.rows.load import finished
from analysis.storage.places import redacted
from analysis.tables.trials import TABLE, results_table
from clearer.presets import label
from studies.driver.rounds import Findings, Rounds, out_of_time

_ROWS_SHOWN = 40
_COLUMNS = (
    ("kind", "kind", ""), ("λ1", "lambda1", "g"), ("λ2", "lambda2", "g"), ("seed", "seed", "d"), ("architecture", "architecture", ""),
    ("parameters", "parameters", ",d"), ("PSNR dB", "psnr_db", ".2f"), ("SSIM", "ssim", ".4f"), ("ms/image", "test_time_ms", ".1f"), ("spread", "test_time_spread", ".0%"),
    ("search stopped", "search_stopped_at", "d"), ("training stopped", "train_stopped_at", "d"),
)  # fmt: skip
_RARE = ("search_stopped_at", "train_stopped_at")
"""Columns that are shown where they say something."""


def conclude(rounds: Rounds) -> int:
    """Prints the results of a study's trials, what they answer and where they are; the exit status of the study."""
    console = rounds.console
    wanted = {c.trial_id: c for c in rounds.planned}
    results = rounds.results
    rows = results.frame
    for text, group in results.groups:
        _show(text, results_table(group, results.references, results.axes), console)
    for line in rounds.said:
        console.print(line, soft_wrap=True)
    ended = rows[rows["status"] == "failed"] if len(rows) else rows
    failed = [(label(wanted[row["trial_id"]]), row["error"]) for row in ended.to_dict("records")]
    failed += [(label(trial.configuration), trial.failure.reason) for trial in rounds.unfinished if trial.failure]
    for name, reason in failed:
        console.print(f"[red]failed[/]  {escape(f'{name}: {reason}')}")
    for line in _answer(rounds, finished(rows)):
        console.print(line, soft_wrap=True, markup=False)
    _say_where(rounds)
    if rounds.is_out_of_time:
        console.print(out_of_time(rounds.options.budget, len(wanted) - len(rows)))
    if failed:
        again = "the same command tries again" if rounds.unfinished else "add --retry-failed to try again"
        console.print(f"{len(failed)} of {len(wanted)} trials failed; {again} what has failed.")
        return 1
    if rounds.lost:
        names = ", ".join(sorted({job.stage for job in rounds.lost}))
        console.print(f"{len(rounds.lost)} jobs failed ({names}), see above; the same command tries again.")
        return 1
    return 3 if rounds.is_out_of_time else 0


def _answer(rounds: Rounds, rows: pd.DataFrame) -> list[str]:
    """What the rows answer; where that can't be worked out, why, for the trials have ended as they have."""
    if rounds.study.answer is None:
        return []
    try:
        return rounds.study.answer(rows, Findings(rounds, rounds.planned))
    except Exception as error:
        return [f"what the rows answer could not be worked out: {type(error).__name__}: {error}"]


def _show(text: str, results: pd.DataFrame, console: Console) -> None:
    shown = results if len(results) <= _ROWS_SHOWN else results[results["on_front"]].head(_ROWS_SHOWN)
    console.print(
        f"\n[bold]Results[/] on {text.replace(chr(10), '; ')}; ● on the Pareto front of PSNR and parameters",
        soft_wrap=True,
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    more = [(name, name, "") for name in shown.columns if name not in TABLE]
    columns = [*_COLUMNS[:1], *more, *_COLUMNS[1:]]
    columns = [column for column in columns if column[1] not in _RARE or shown[column[1]].notna().any()]
    for heading, _, form in columns:
        table.add_column(heading, justify="right" if form else "left", no_wrap=True)
    for row in shown.to_dict("records"):
        cells = ["" if pd.isna(row[name]) else format(row[name], form) for _, name, form in columns]
        table.add_row("●" if row["on_front"] else "", *cells)
    console.print(table, "")
    if len(shown) < len(results):
        console.print(
            f"{len(results) - len(shown)} more rows are in the results table of the report; shown are the first of the front."
        )


def _say_where(rounds: Rounds) -> None:
    study, options, store, console = rounds.study.name, rounds.options, rounds.store, rounds.console
    more = f"--seeds {len({c.seed for c in rounds.planned}) + 1}"
    where = redacted(options.storage).rstrip("/")
    console.print(f"figures and tables  {where}/studies/{study}/report/", soft_wrap=True)
    console.print(f"rows and curves     {where}/studies/{study}/   (analysis.load({where!r}))", soft_wrap=True)
    if options.tracking_uri is None and store.is_local:
        console.print(f"MLflow              mlflow ui --backend-store-uri sqlite:///{where}/mlflow.db", soft_wrap=True)
    elif options.tracking_uri not in (None, "none"):
        console.print(f"MLflow              {redacted(options.tracking_uri)}", soft_wrap=True)
    if options.preset == "quick":
        console.print(
            f"next                python studies/{study}.py {more}   or   --preset proxy --data DIR",
            soft_wrap=True,
        )
    else:
        console.print(
            f"next                the same command with {more}: only the new replicates run",
            soft_wrap=True,
        )

"""What a study says at its end: the results, where they are, and what to do next."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import pandas as pd
from rich.console import Console
from rich.table import Table

from analysis.report import comparable, results_table
from analysis.results import load, load_references
from analysis.storage import redacted
from clearer.configuration import Configuration
from studies.store import Store
from studies.study import label
from studies.trial import Trial

_ROWS_SHOWN = 40
_COLUMNS = (
    ("kind", "kind", ""), ("λ1", "lambda1", "g"), ("λ2", "lambda2", "g"), ("seed", "seed", "d"), ("architecture", "architecture", ""),
    ("parameters", "parameters", ",d"), ("PSNR dB", "psnr_db", ".2f"), ("SSIM", "ssim", ".4f"), ("ms/image", "test_time_ms", ".1f"), ("spread", "test_time_spread", ".0%"),
)  # fmt: skip


def conclude(
    study: str,
    options: argparse.Namespace,
    trials: Sequence[Configuration],
    unfinished: Sequence[Trial],
    store: Store,
    console: Console,
) -> int:
    """Prints the results of `trials` and where they are; the exit status of the study."""
    wanted = {c.trial_id: c for c in trials}
    frame = load(store.storage, study)
    rows = frame[frame["trial_id"].isin(list(wanted))] if len(frame) else frame
    references = load_references(store.storage, study)
    for text, group in comparable(rows):
        _show(text, results_table(group, references), console)
    ended = rows[rows["status"] == "failed"] if len(rows) else rows
    failed = [(label(wanted[row["trial_id"]]), row["error"]) for row in ended.to_dict("records")]
    failed += [(label(trial.configuration), trial.failure.reason) for trial in unfinished if trial.failure is not None]
    for name, reason in failed:
        console.print(f"[red]failed[/]  {name}: {reason}")
    _say_where(study, options, store, console)
    if failed:
        again = "the same command tries again" if unfinished else "add --retry-failed to try again"
        console.print(f"{len(failed)} of {len(trials)} trials failed; {again} what has failed.")
    return 1 if failed else 0


def _show(text: str, results: pd.DataFrame, console: Console) -> None:
    shown = results if len(results) <= _ROWS_SHOWN else results[results["on_front"]].head(_ROWS_SHOWN)
    console.print(
        f"\n[bold]Results[/] on {text.replace(chr(10), '; ')}; ● on the Pareto front of PSNR and parameters",
        soft_wrap=True,
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    for heading, _, form in _COLUMNS:
        table.add_column(heading, justify="right" if form else "left", no_wrap=True)
    for row in shown.to_dict("records"):
        cells = ["" if pd.isna(row[name]) else format(row[name], form) for _, name, form in _COLUMNS]
        table.add_row("●" if row["on_front"] else "", *cells)
    console.print(table, "")
    if len(shown) < len(results):
        console.print(
            f"{len(results) - len(shown)} more rows are in the results table of the report; shown are the first of the front."
        )


def _say_where(study: str, options: argparse.Namespace, store: Store, console: Console) -> None:
    where = redacted(options.storage).rstrip("/")
    console.print(f"figures and tables  {where}/studies/{study}/report/", soft_wrap=True)
    console.print(f"rows and curves     {where}/studies/{study}/   (analysis.load({where!r}))", soft_wrap=True)
    if options.tracking_uri is None and store.is_local:
        console.print(f"MLflow              mlflow ui --backend-store-uri sqlite:///{where}/mlflow.db", soft_wrap=True)
    elif options.tracking_uri not in (None, "none"):
        console.print(f"MLflow              {redacted(options.tracking_uri)}", soft_wrap=True)
    if options.preset == "quick":
        console.print(
            f"next                python studies/{study}.py --seeds {options.seeds + 1}   or   --preset proxy --data DIR",
            soft_wrap=True,
        )
    else:
        console.print(
            f"next                the same command with --seeds {options.seeds + 1}: only the new replicates run",
            soft_wrap=True,
        )

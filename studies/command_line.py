"""The command line that every study has: `python studies/<study>.py`."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
import textwrap
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis.report import write_report
from analysis.storage import StorageError, redacted
from clearer.__main__ import OneLineParser
from clearer.configuration import PRESETS, Configuration, parse_value
from clearer.fields import ConfigurationError, as_text
from clearer.images import ImageError
from studies import dry_run, summary
from studies.connection import ClusterError, connect, reachable
from studies.execution import Execution
from studies.module_times import with_module_times
from studies.progress import Progress
from studies.provenance import started_at, write_study
from studies.scheduling import Cluster
from studies.stages import Place
from studies.store import Store
from studies.study import Study
from studies.sync import default_uri
from studies.tracking import Tracking
from studies.trial import Trial, prepare

USAGE_ERRORS = (ConfigurationError, ImageError, StorageError, ClusterError)


def main(study: Study, doc: str | None, arguments: list[str] | None = None) -> int:
    """Runs a study as the command line asks; the exit status.

    0: every trial finished. 1: some failed. 2: a mistake in the request, nothing was computed. 130: stopped.
    """
    parser = _parser(study, doc)
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 120)
    try:
        return _run(study, options, console)
    except USAGE_ERRORS as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    except KeyboardInterrupt:
        console.print("Stopped. What was finished is kept; run the same command again to go on.")
        return 130


def _parser(study: Study, doc: str | None) -> OneLineParser:
    parser = OneLineParser(
        prog=f"{study.name}.py", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=textwrap.fill("Fields of --set, with the paper's values: " + ", ".join(f"{n}={as_text(v)}" for n, v in Configuration().values().items()), 110),
    )  # fmt: skip
    add = parser.add_argument
    add(
        "--address",
        metavar="auto|HOST:PORT|local",
        help="a running Ray cluster; by default Ray is started on this machine",
    )
    add(
        "--preset",
        choices=PRESETS,
        default="quick",
        help="quick: embedded images, seconds a trial; proxy: BSD500, small; paper: the paper's settings",
    )
    add("--data", metavar="DIR", help="the folder that holds bsds500/")
    add("--storage", metavar="DIR|URI", default="runs", help="where results are kept (default: runs)")
    add("--tracking-uri", metavar="URI", help="MLflow (default: sqlite:///<storage>/mlflow.db); none: no tracking")
    add("--seeds", metavar="N", type=_whole, default=1, help="replicates of every trial (default 1)")
    add("--concurrent", metavar="N", type=_whole, help="trials at once at most (default: as many as the cluster holds)")
    add(
        "--gpus-per-trial",
        metavar="X",
        type=_share,
        default=0.0,
        help="a share of a GPU or whole GPUs for each trial (default 0: CPU)",
    )
    add(
        "--pack",
        metavar="K|auto",
        type=_pack,
        default="auto",
        help="searches fused into one network; this version has 1",
    )
    add("--dry-run", action="store_true", help="say what would run and what it would cost; compute nothing")
    add(
        "--set",
        metavar="field=value",
        nargs="+",
        action="extend",
        default=[],
        dest="assignments",
        help="a configuration field; several values separated by commas are an axis",
    )
    add(
        "--checkpoint-seconds",
        metavar="S",
        type=_seconds,
        default=60.0,
        help="time between two checkpoints of a stage (default 60)",
    )
    add("--retry-failed", action="store_true", help="run trials again that have failed")
    return parser


def _run(study: Study, options: argparse.Namespace, console: Console) -> int:
    configurations = study.trials(options.preset, parse_assignments(options.assignments), options.seeds)
    data = None if options.data is None else str(Path(options.data).expanduser().absolute())
    if data is not None and not Path(data).is_dir():
        raise ImageError(f"--data {options.data}: no such folder")
    storage = options.storage if "://" in options.storage else str(Path(options.storage).expanduser().absolute())
    store = Store(storage)
    place = Place(storage, data, options.gpus_per_trial, options.checkpoint_seconds)
    if not options.dry_run and any(c.complexity == "time" and not c.module_times_ms for c in configurations):
        store.check_writable()
    configurations = with_module_times(configurations, store, options.gpus_per_trial, keep=not options.dry_run)
    missing = prepare(_missing(store, study, configurations, options.retry_failed), place.folder)
    if options.address not in (None, "local"):
        reachable(options.address)
    there = len(configurations) - len(missing)
    console.print(
        f"[bold]{study.name}[/], preset {options.preset}: {len(configurations)} trials, {there} there, {len(missing)} to run"
    )
    if options.dry_run:
        return dry_run.show([trial.configuration for trial in missing], place, options.address, console)
    store.check_writable()
    unfinished = _execute(study, options, configurations, missing, store, place, console)
    return summary.conclude(study.name, options, configurations, unfinished, store, console)


def _missing(store: Store, study: Study, trials: list[Configuration], retry_failed: bool) -> list[Configuration]:
    there = store.trial_ids(study.name)
    if retry_failed:
        failed = {
            row["trial_id"]
            for row in store.rows(study.name, there & {c.trial_id for c in trials})
            if row["status"] == "failed"
        }
        for trial_id in failed:
            store.forget_trial(study.name, trial_id)
        there -= failed
    return [c for c in trials if c.trial_id not in there]


def _execute(
    study: Study,
    options: argparse.Namespace,
    trials: list[Configuration],
    missing: list[Trial],
    store: Store,
    place: Place,
    console: Console,
) -> list[Trial]:
    """Runs what is missing, writes the report, brings tracking up to date; the trials that got no row."""
    unfinished: list[Trial] = []
    with contextlib.ExitStack() as stack:
        if missing:
            stack.enter_context(connect(options.address))
            cluster = Cluster(options.gpus_per_trial, options.concurrent)
            cluster.check_request(max(trial.configuration.threads for trial in missing))
            write_study(store, study.name, options.preset, trials, redacted(shlex.join(sys.argv)))
            for trial in missing:
                trial.started_at = started_at(store, study.name, trial.trial_id)
        tracking = _tracking(options, study.name, store)
        if tracking is not None:
            stack.callback(lambda: _close(tracking, console))
        if missing:
            with Progress(console) as progress:
                ran = Execution(study.name, store, place, progress, tracking).run(missing, cluster)
            unfinished = [trial for trial in ran if trial.failure is not None and not trial.failure.permanent]
        write_report(store.storage, study.name, {c.trial_id for c in trials})
        if tracking is not None:
            tracking.synchronise()
    return unfinished


def _tracking(options: argparse.Namespace, study: str, store: Store) -> Tracking | None:
    uri = options.tracking_uri or default_uri(store)
    known = store.read(f"studies/{study}/study.json") is not None
    return Tracking(uri, study, store) if known and uri not in (None, "none") else None


def _close(tracking: Tracking, console: Console) -> None:
    problem = tracking.close()
    if problem:
        console.print(f"[yellow]{problem}[/]")


def parse_assignments(texts: list[str]) -> dict[str, list[Any]]:
    """The fields and values of `--set field=value[,value…] …`.

    Raises:
        ConfigurationError: not of that form, an unknown field, or not a value of its type.
    """
    found: dict[str, list[Any]] = {}
    for text in texts:
        name, sign, values = text.partition("=")
        if not sign:
            raise ConfigurationError(f"--set {text}: write field=value")
        if name in found:
            raise ConfigurationError(f"--set {name}: given twice; separate several values by commas")
        found[name] = [parse_value(name, value) for value in values.split(",")]
    return found


def _whole(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _share(text: str) -> float:
    share = _number(text)
    if not (0 <= share <= 1 or share.is_integer()) or share < 0:
        raise argparse.ArgumentTypeError(f"{text} is neither a share of a GPU (0 to 1) nor whole GPUs")
    return share


def _seconds(text: str) -> float:
    seconds = _number(text)
    if not seconds >= 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return seconds


def _pack(text: str) -> int:
    if text not in ("auto", "1"):
        raise argparse.ArgumentTypeError(f"{text!r}: searches are not fused in this version, give 1 or auto")
    return 1

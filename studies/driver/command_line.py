"""The command line that every study has: `python studies/<study>.py`."""

from __future__ import annotations

import argparse
import atexit
import gc
import math
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis.storage.places import StorageError, redacted
from clearer.command import OneLineParser
from clearer.configuration import Configuration, parse_value
from clearer.fields import ConfigurationError, as_text
from clearer.images.reading import ImageError
from clearer.presets import PRESETS
from studies.driver import dry_run, summary
from studies.driver.rounds import Rounds
from studies.driver.study import Multiple, Study
from studies.nodes.connection import ClusterError, reachable
from studies.nodes.scheduling import Cluster
from studies.store.store import Store
from studies.work.remote_images import data_place
from studies.work.stages import Place

USAGE_ERRORS = (ConfigurationError, ImageError, StorageError, ClusterError)


def main(study: Study, doc: str | None, arguments: list[str] | None = None) -> int:
    """Runs a study as the command line asks; the exit status.

    0: every trial finished. 1: some failed. 2: a mistake in the request, nothing was computed. 3: `--budget` is spent
    and trials are left. 130: stopped.
    """
    atexit.register(gc.freeze)  # or Python looks for garbage among all of torch's objects before it ends
    parser = _parser(study, doc)
    study = replace(study, question=" ".join((doc or "").partition("\n\n")[0].split()))
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 160)  # of a wide table, no figure is cut off
    try:
        return _run(study, options, console)
    except USAGE_ERRORS as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    except OSError as error:  # of the store: a full disk, a server that is away
        detail = redacted(str(error)).splitlines()[0]
        where = f"{parser.prog}: --storage {redacted(options.storage)}"
        parser.exit(1, f"{where}: {detail}; what was finished is kept: mend it and run the same command again\n")
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
    add("--data", metavar="DIR|URI", help="the folder, or s3://bucket/prefix, that holds bsds500/")
    add("--storage", metavar="DIR|URI", default="runs", help="where results are kept (default: runs)")
    add("--tracking-uri", metavar="URI", help="MLflow (default: sqlite:///<storage>/mlflow.db); none: no tracking")
    add("--seeds", metavar="N", type=whole_number, default=1, help="replicates of every trial (default 1)")
    add(
        "--concurrent",
        metavar="N",
        type=whole_number,
        help="trials at once at most (default: as many as the cluster holds)",
    )
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
        help="searches of one shape that are computed as one network, and trainings of one architecture; auto (default) chooses by shape and memory",
    )
    add(
        "--random",
        metavar="N",
        type=_count,
        help="random architectures beside the searches, with the same training (default: the preset's)",
    )
    add(
        "--budget",
        metavar="TIME",
        type=_budget,
        help="start no trial after this time, as 90m or 2h; what has started is carried to its end",
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
    if study.arguments is not None:
        study.arguments(parser)
    return parser


def _run(study: Study, options: argparse.Namespace, console: Console) -> int:
    assigned = parse_assignments(options.assignments)
    storage = options.storage if "://" in options.storage else str(Path(options.storage).expanduser().absolute())
    place = Place(storage, data_place(options.data), options.gpus_per_trial, options.checkpoint_seconds)
    first = study.trials(options.preset, assigned, options.seeds, options.random, place.folder)
    store = Store(storage)
    if not options.dry_run and any(c.complexity == "time" and not c.module_times_ms for c in first):
        store.check_writable()
    rounds = Rounds(study, options, assigned, store, place, console)
    missing = rounds.plan(first)
    if options.address not in (None, "local"):
        reachable(options.address)
    count = len(rounds.planned)
    console.print(
        f"[bold]{study.name}[/], preset {options.preset}: {count} trials, {count - len(missing)} there, {len(missing)} to run"
    )
    if options.dry_run:
        if study.follow is not None:
            console.print("further trials follow from what these find; they are not counted here")
        cluster = Cluster(options.gpus_per_trial, options.concurrent)
        return dry_run.show(missing, place, cluster, options.address, console)
    store.check_writable()
    rounds.run(missing)
    return summary.conclude(rounds)


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
        found[name] = [_value(name, value) for value in values.split(",")]
    return found


def _value(name: str, text: str) -> Any:
    """A field's value; of λ1 also `2x`, twice the polarisation threshold of the trial's own columns."""
    if name == "lambda1" and text.endswith("x"):
        return Multiple(parse_value(name, text.removesuffix("x")))
    return parse_value(name, text)


def whole_number(text: str) -> int:
    """The type of a flag that takes 1, 2, 3 …"""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def _budget(text: str) -> float:
    unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(text[-1:])
    if unit is None or len(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write 90m or 2h (s, m, h, d)")
    return unit * _seconds(text[:-1])


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
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return seconds


def _pack(text: str) -> int | None:
    return None if text == "auto" else whole_number(text)

"""Maintenance of stores and clusters: `python -m studies gc|sync|retime|preflight`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.storage.places import StorageError, redacted
from clearer.command import OneLineParser, console
from clearer.images.reading import ImageError
from studies.driver.options import share
from studies.nodes.connection import ClusterError
from studies.store.store import Store, storage_of
from studies.store.study_file import planned_trials, read_study

_FLAGS: dict[str, dict[str, Any]] = {
    "storage": {"metavar": "STORAGE", "help": "the folder or URI of the store"},
    "study": {"metavar": "STUDY", "nargs": "?", "help": "the name of a study (sync: default all in the store)"},
    "--address": {
        "metavar": "auto|HOST:PORT|local",
        "default": "auto",
        "help": "the cluster (default: auto); local: this machine",
    },
    "--storage": {"metavar": "DIR|URI", "default": "runs", "help": "where results are kept (default: runs)"},
    "--data": {"metavar": "DIR|URI", "help": "the folder, or s3://bucket/prefix, that holds the datasets"},
    "--gpus-per-trial": {"metavar": "X", "type": share, "default": 0.0, "help": "as the study's (default 0: CPU)"},
    "--tracking-uri": {"metavar": "URI", "help": "MLflow (default: sqlite:///STORAGE/mlflow.db)"},
    "--delete": {"action": "store_true", "help": "delete it; without, nothing is changed"},
    "--gpu": {"action": "store_true", "help": "time on this machine's GPU (default: CPU)"},
}


def main(arguments: Sequence[str] | None = None, command: str | None = None) -> int:
    """Runs one command; the exit status: 0 done, 1 something was left, 2 a mistake in the request."""
    words = [*([command] if command else []), *(sys.argv[1:] if arguments is None else arguments)]
    about = "Maintenance of stores and clusters."
    files = sorted(Path(__file__).parent.glob("[a-z]*.py"))
    studies = [f"studies/{file.name}" for file in files if "main(STUDY" in file.read_text(encoding="utf-8")]
    parser = OneLineParser(prog="python -m studies", description=about, known=studies)  # who asks it to run one is told
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=OneLineParser)
    for run, flags in (
        (gc, "storage --data --delete"),
        (sync, "storage study --tracking-uri"),
        (retime, "storage study --data --gpu"),
        (preflight, "--address --storage --data --gpus-per-trial --tracking-uri"),
    ):
        added = commands.add_parser(run.__name__, help=run.__doc__, description=run.__doc__)
        for flag in flags.split():
            added.add_argument(flag, **_FLAGS[flag])
        added.set_defaults(command=run)
    options = parser.parse_args(words)
    try:
        return options.command(options)
    except (StorageError, ImageError, ClusterError, OSError, ValueError) as error:
        why = redacted(str(error)) or type(error).__name__
        print(f"{parser.prog} {options.command.__name__}: {why}", file=sys.stderr)
        return 2


def gc(o: argparse.Namespace) -> int:
    """Says what no study needs any more, or deletes it."""
    from studies.planning.collect import collect

    return 1 if collect(Store(storage_of(o.storage)), o.data, o.delete) else 0


def sync(o: argparse.Namespace) -> int:
    """Brings MLflow up to date from a store."""
    from studies.tracking.client import default_uri, one_line
    from studies.tracking.live import sync_study

    store = Store(storage_of(o.storage))
    studies = [o.study] if o.study else [n for n in store.studies() if store.names(f"studies/{n}", "study.json")]
    if not studies:
        raise StorageError(f"{o.storage}: holds no studies")
    for study in studies:
        read_study(store, study)
        planned_trials(store, study)  # names those that are left out
    uri = o.tracking_uri or default_uri(store)
    if uri is None:
        raise StorageError("--tracking-uri: needed where the store is not a folder")
    for study in studies:
        try:
            found = sync_study(store, study, uri, say=print)
        except Exception as error:  # MLflow's client and its databases raise many kinds
            print(f"python -m studies sync: tracking at {redacted(uri)}: {one_line(error)}", file=sys.stderr)
            return 1
        outcomes = ["created", "completed", "unchanged", *(["restored"] if found["restored"] else [])]
        told = ", ".join(f"{found[outcome]} {outcome}" for outcome in outcomes)
        print(f"{study} at {redacted(uri)}: {sum(found.values())} runs: {told}")
    return 0


def retime(o: argparse.Namespace) -> int:
    """Times a study's networks on this machine, without training."""
    import torch

    from studies.driver import retime

    if o.study is None:
        raise ValueError("name a study of the store, such as lambda_pareto")
    if o.gpu and not torch.cuda.is_available():
        raise ValueError("--gpu: torch finds no CUDA device on this machine")
    return 1 if retime.retime(Store(storage_of(o.storage)), o.study, o.data, o.gpu, console()) else 0


def preflight(o: argparse.Namespace) -> int:
    """Asks every node of a cluster whether a study would run there."""
    from studies.nodes.preflight import preflight
    from studies.work.place import Place
    from studies.work.remote_images import data_place

    place = Place(storage_of(o.storage), data_place(o.data), o.gpus_per_trial)
    preflight(place, o.address, o.tracking_uri, console())
    return 0


if __name__ == "__main__":
    sys.exit(main())

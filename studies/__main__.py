"""Maintenance of stores and clusters: `python -m studies gc|sync|retime|preflight`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis.storage.places import StorageError, redacted
from clearer.command import OneLineParser
from clearer.images.reading import ImageError
from studies.driver.options import share
from studies.nodes.connection import ClusterError
from studies.store.store import Store, storage_of
from studies.store.study_file import read_study


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; the exit status: 0 done, 1 something was left, 2 a mistake in the request."""
    parser = OneLineParser(prog="python -m studies", description="Maintenance of stores and clusters.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=OneLineParser)
    for add in (_add_gc, _add_sync, _add_retime, _add_preflight):
        add(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (StorageError, ImageError, ClusterError, OSError, ValueError) as error:
        print(f"{parser.prog} {options.command}: {redacted(str(error))}", file=sys.stderr)
        return 2


def _add_gc(commands: Any) -> None:
    gc = commands.add_parser("gc", help="say what no study needs any more, or delete it")
    _add_storage(gc)
    gc.add_argument("--data", metavar="DIR", type=Path, help="the data folder of the store's studies")
    gc.add_argument("--delete", action="store_true", help="delete it; without, nothing is changed")
    gc.set_defaults(run=_gc)


def _gc(o: argparse.Namespace) -> int:
    from studies.planning.collect import collect

    return 1 if collect(Store(storage_of(o.storage)), o.data, o.delete) else 0


def _add_sync(commands: Any) -> None:
    sync = commands.add_parser("sync", help="bring MLflow up to date from a store")
    _add_storage(sync)
    sync.add_argument("study", metavar="STUDY", nargs="?", help="the name of a study (default: all in the store)")
    sync.add_argument("--tracking-uri", metavar="URI", help="MLflow (default: sqlite:///STORAGE/mlflow.db)")
    sync.set_defaults(run=_sync)


def _sync(o: argparse.Namespace) -> int:
    from studies.tracking.live import sync_study
    from studies.tracking.server import default_uri, one_line

    store = Store(storage_of(o.storage))
    studies = [o.study] if o.study else store.names("studies")
    if not studies:
        raise StorageError(f"{o.storage}: holds no studies")
    for study in studies:
        read_study(store, study)
    uri = o.tracking_uri or default_uri(store)
    if uri is None:
        raise StorageError("--tracking-uri: needed where the store is not a folder")
    for study in studies:
        try:
            found = sync_study(store, study, uri)
        except Exception as error:  # MLflow's client and its databases raise many kinds
            print(f"python -m studies sync: tracking at {redacted(uri)}: {one_line(error)}", file=sys.stderr)
            return 1
        told = ", ".join(f"{found[outcome]} {outcome}" for outcome in ("created", "completed", "unchanged"))
        print(f"{study} at {redacted(uri)}: {sum(found.values())} runs: {told}")
    return 0


def _add_retime(commands: Any) -> None:
    retime = commands.add_parser("retime", help="time a study's networks on this machine, without training")
    _add_storage(retime)
    retime.add_argument("study", metavar="STUDY", help="the name of the study, such as lambda_pareto")
    _add_data(retime)
    retime.add_argument("--gpu", action="store_true", help="time on this machine's GPU (default: CPU)")
    retime.set_defaults(run=_retime)


def _retime(o: argparse.Namespace) -> int:
    import torch

    from studies.driver.retime import retime

    if o.gpu and not torch.cuda.is_available():
        raise ValueError("--gpu: torch finds no CUDA device on this machine")
    return 1 if retime(Store(storage_of(o.storage)), o.study, o.data, o.gpu, Console(highlight=False)) else 0


def _add_preflight(commands: Any) -> None:
    asked = commands.add_parser("preflight", help="ask every node of a cluster whether a study would run there")
    text = "the cluster (default: auto)"
    asked.add_argument("--address", default="auto", metavar="auto|HOST:PORT", help=text)
    asked.add_argument("--storage", default="runs", metavar="DIR|URI", help="where results are kept (default: runs)")
    _add_data(asked)
    asked.add_argument("--gpus-per-trial", type=share, default=0.0, metavar="X", help="as the study's (default 0: CPU)")
    asked.add_argument("--tracking-uri", metavar="URI", help="MLflow's server")
    asked.set_defaults(run=_preflight)


def _preflight(o: argparse.Namespace) -> int:
    from studies.nodes.preflight import preflight
    from studies.work.remote_images import data_place
    from studies.work.stages import Place

    place = Place(storage_of(o.storage), data_place(o.data), o.gpus_per_trial)
    preflight(place, o.address, o.tracking_uri, Console(highlight=False))
    return 0


def _add_storage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("storage", metavar="STORAGE", help="the folder or URI of the store")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR|URI", help="the folder, or s3://bucket/prefix, that holds the datasets")


if __name__ == "__main__":
    sys.exit(main())

"""Brings a tracking server up to date from a store alone: `python -m studies.tracking.sync STORAGE [STUDY] [--tracking-uri URI]`.

What is there and right stays; a second time changes nothing (`studies.tracking.server`).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from analysis.storage.places import StorageError, redacted
from clearer.command import OneLineParser
from clearer.configuration import Configuration
from studies.store.store import Store
from studies.store.study_file import read_study
from studies.tracking.content import study_content, trial_content
from studies.tracking.server import Server, default_uri, one_line


def sync_study(store: Store, study: str, uri: str, thorough: bool = True) -> Counter[str]:
    """Makes a server's runs of a study what the store says; how many were `created`, `completed`, `unchanged`.

    Trials that have not ended keep what was sent of them.

    Raises:
        StorageError: no such study.
        Exception: of MLflow, where the server can't be reached or fails.
    """
    about = read_study(store, study)
    server = Server(uri, study, about["study_id"])
    parent, outcome = server.bring(study_content(store, study), thorough=thorough)
    outcomes = Counter([outcome])
    for trial_id in sorted(store.trial_ids(study) & set(about["trials"])):
        for row in store.rows(study, {trial_id}):
            content = trial_content(store, about["study_id"], row, Configuration(**about["trials"][trial_id]))
            outcomes[server.bring(content, parent, thorough)[1]] += 1
    return outcomes


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status: 0 up to date, 1 the server failed, 2 a mistake in the request."""
    parser = OneLineParser(prog="python -m studies.tracking.sync", description="Bring MLflow up to date from a store.")
    parser.add_argument("storage", metavar="STORAGE", help="the folder or URI of the store")
    parser.add_argument("study", metavar="STUDY", nargs="?", help="the name of a study (default: all in the store)")
    parser.add_argument("--tracking-uri", metavar="URI", help="MLflow (default: sqlite:///STORAGE/mlflow.db)")
    options = parser.parse_args(arguments)
    try:
        store = Store(options.storage if "://" in options.storage else str(Path(options.storage).absolute()))
        studies = [options.study] if options.study else store.names("studies")
        if not studies:
            raise StorageError(f"{redacted(options.storage)}: holds no studies")
        for study in studies:
            read_study(store, study)
    except StorageError as error:
        parser.error(str(error))
    uri = options.tracking_uri or default_uri(store)
    if uri is None:
        parser.error("--tracking-uri: needed where the store is not a folder")
    for study in studies:
        try:
            found = sync_study(store, study, uri)
        except Exception as error:  # MLflow's client and its databases raise many kinds
            print(f"{parser.prog}: tracking at {redacted(uri)}: {one_line(error)}", file=sys.stderr)
            return 1
        told = ", ".join(f"{found[outcome]} {outcome}" for outcome in ("created", "completed", "unchanged"))
        print(f"{study} at {redacted(uri)}: {sum(found.values())} runs: {told}")
    return 0

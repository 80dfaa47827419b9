"""`study.json`: what a study asks, which trials it has planned, and what code, libraries and machine ran it."""

import contextlib
import functools
import json
import os
import platform
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.storage.files import FORMAT, tell
from analysis.storage.places import StorageError, redacted
from clearer.configuration import Configuration, digest
from clearer.fields import ConfigurationError, nearest
from clearer.machine import cores, processor, versions
from clearer.presets import edition
from studies.store.store import Store

LIBRARIES = "clearer-studies torch ray mlflow numpy pyarrow pandas scikit-image pillow".split()

_ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def commit() -> str | None:
    """The commit of the checkout that runs, with `+changes` where tracked files differ; None for no checkout of it."""
    try:
        if not Path(_git("rev-parse --show-toplevel")).samefile(_ROOT):
            return None  # a copy that lies in another project
        return _git("rev-parse HEAD") + ("+changes" if _git("status --porcelain -uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE")}
    options: dict[str, Any] = {"cwd": _ROOT, "env": environment, "stderr": subprocess.DEVNULL, "timeout": 10}
    return subprocess.check_output(["git", *command.split()], text=True, **options).strip()


def write_study(
    store: Store, study: str, configurations: Sequence[Configuration], question: str = "", **run: Any
) -> dict[str, Any]:
    """Records a `run` of a study (`command`, `preset`, `nodes` …) beside its earlier ones; what the file says."""
    about = store.json(_name(study)) or {}
    about.setdefault("study_id", digest([study, time.time_ns()])[:16])
    trials = planned_trials(store, study) | {c.trial_id: c for c in configurations}
    about["trials"] = about.get("trials", {}) | {trial_id: c.values() for trial_id, c in trials.items()}
    now = datetime.now(UTC).isoformat()
    about["trials_started_at"] = {c.trial_id: now for c in configurations} | about.get("trials_started_at", {})
    here = {"driver": platform.node(), "processor": processor(), "cores": cores()}
    known = {"started_at": now, "commit": commit(), "versions": versions(LIBRARIES), "hardware": here}
    about.setdefault("runs", []).append({**known, "edition": edition(run.get("preset", "")), **run})
    about |= {"study": study, "question": question, "format": FORMAT}
    store.write(_name(study), json.dumps(about, indent=1, sort_keys=True).encode())
    return about


def read_study(store: Store, study: str) -> dict[str, Any]:
    """What `study.json` says, as a dict. Raises StorageError: no such study, or one that a newer format describes."""
    about = store.json(_name(study))
    if about is None:
        raise StorageError(f"{redacted(store.storage)}: holds no study {study}{nearest(study, store.studies())}")
    return about


def written_trials(store: Store, study: str) -> dict[str, Any]:
    """What some versions wrote of every trial that a study has ever planned in a store, by `trial_id`."""
    return (store.json(_name(study)) or {}).get("trials", {})


def planned_trials(store: Store, study: str) -> dict[str, Configuration]:
    """Every trial that a study has ever planned in a store, by `trial_id`; those that can't be read are named."""
    found = {}
    for trial_id, values in written_trials(store, study).items():
        try:
            found[trial_id] = Configuration.stored(values)
        except (ConfigurationError, AttributeError, TypeError) as error:
            tell(f"trial {trial_id} of {study} is left out: another version wrote it ({error})")
    return found


def runs_of(store: Store, study: str) -> list[dict[str, Any]]:
    """What is recorded of each run of a study; none of a study that there is not."""
    with contextlib.suppress(NotADirectoryError):  # of a storage that can't be made, what writes says so
        return (store.json(_name(study)) or {}).get("runs", [])
    return []


def _name(study: str) -> str:
    return f"studies/{study}/study.json"

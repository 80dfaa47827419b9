"""Which code, which libraries and which machine made a result, and `study.json`, which keeps that of every run."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

from analysis.storage.places import StorageError, redacted
from clearer.configuration import Configuration, digest
from clearer.fields import ConfigurationError
from clearer.timing import device_name
from studies.store.store import Store

_LIBRARIES = ("clearer-studies", "torch", "ray", "mlflow", "numpy", "pyarrow", "pandas", "scikit-image", "pillow")


@functools.cache
def commit() -> str | None:
    """The commit of the checkout that runs, with `+changes` where tracked files differ; None where it is not a checkout."""
    folder = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return found + ("+changes" if changed else "")


@functools.cache
def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """The machine of this process."""
    return {"driver": platform.node(), "processor": device_name("cpu", 1).rsplit(",", 1)[0], "cores": os.cpu_count()}


def write_study(
    store: Store,
    study: str,
    preset: str,
    configurations: Sequence[Configuration],
    command: str,
    question: str = "",
    nodes: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """Records what a study is and asks, beside what it was in earlier runs, and what the nodes of its cluster say of themselves; its `study_id`."""
    name = f"studies/{study}/study.json"
    about = json.loads(store.read(name) or b"{}")
    about.setdefault("study_id", digest([study, time.time_ns()])[:16])
    about.setdefault("trials", {}).update({c.trial_id: c.values() for c in configurations})
    now = datetime.now(UTC).isoformat()
    about["trials_started_at"] = {c.trial_id: now for c in configurations} | about.get("trials_started_at", {})
    about.setdefault("runs", []).append(
        {
            "started_at": now,
            "command": command,
            "preset": preset,
            "commit": commit(),
            "versions": versions(),
            "hardware": hardware(),
            **nodes,
        }
    )
    store.write(name, json.dumps(about | {"study": study, "question": question}, indent=1, sort_keys=True).encode())
    return about["study_id"]


def read_study(store: Store, study: str) -> dict[str, Any]:
    """What `study.json` says: `study_id`, `question`, `trials` and when each was first started, `runs`.

    Raises:
        StorageError: no such study.
    """
    data = store.read(f"studies/{study}/study.json")
    if data is None:
        raise StorageError(f"{redacted(store.storage)}: holds no study {study}")
    return json.loads(data)


def planned_trials(store: Store, study: str) -> list[Configuration]:
    """Every trial that a study has ever planned in a store, those that this version still knows."""
    data = store.read(f"studies/{study}/study.json")
    found = []
    for values in json.loads(data)["trials"].values() if data else ():
        with contextlib.suppress(TypeError, ConfigurationError):
            found.append(Configuration(**values))
    return found

"""A trial under way, and the row that it ends as."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clearer.architecture import Architecture
from clearer.configuration import Configuration, digest
from clearer.splits import check_splits
from studies.store.rows import architecture_columns, configuration_columns
from studies.store.store import Store
from studies.store.study_file import commit, versions
from studies.work import stages
from studies.work.jobs import Failure
from studies.work.stages import Fingerprints

_PIXELS = (
    "task",
    "dataset",
    "test_set",
    "pairing",
    "grayscale",
    "weights_split",
    "alpha_split",
    "image_channels",
    "patch_size",
    "test_limit",
    "allow_overlap",
)
"""The fields on which `stages.fingerprints` depends."""


@dataclass
class Trial:
    """One trial under way: its configuration, and what is known of it so far."""

    configuration: Configuration
    data: Fingerprints
    architecture: Architecture | None = None
    reference_key: str | None = None
    search_key: str | None = None
    train_key: str | None = None
    test_key: str | None = None
    time_key: str | None = None
    time_error: str | None = None
    failure: Failure | None = None
    stopped: dict[str, Any] | None = None
    """What its training had taken when halving stopped it."""
    search_reused: bool | None = None
    train_reused: bool | None = None
    started_at: float = field(default_factory=time.time)

    @property
    def trial_id(self) -> str:
        """The configuration's."""
        return self.configuration.trial_id


def prepare(
    configurations: Sequence[Configuration], folder: Path | None, known: dict[str, Fingerprints] | None = None
) -> list[Trial]:
    """The trials of the configurations; reads every image that they use, and holds their splits against each other.

    What was read before is in `known`, and is not read again.

    Raises:
        ImageError: names the folder or the file that can't be used.
        OverlapError: splits share images and `allow_overlap` is false.
    """
    known = {} if known is None else known
    return [Trial(configuration, fingerprints_of(configuration, folder, known)) for configuration in configurations]


def fingerprints_of(configuration: Configuration, folder: Path | None, known: dict[str, Fingerprints]) -> Fingerprints:
    """The fingerprints of a configuration's images, out of `known` or added to it; raises as `prepare`."""
    pixels = digest({name: getattr(configuration, name) for name in _PIXELS})
    if pixels not in known:
        known[pixels] = stages.fingerprints(configuration, folder)
        check_splits(configuration, folder)
    return known[pixels]


def trial_row(study: str, trial: Trial, store: Store) -> dict[str, Any]:
    """What a trial's row says, from the results of its stages; columns that are not named are null."""
    c = trial.configuration
    row: dict[str, Any] = configuration_columns(c)
    row |= {
        "study": study, "trial_id": trial.trial_id, "replicate_id": c.replicate_id,
        "status": "failed" if trial.failure else "finished", "error": trial.failure.reason if trial.failure else None,
        "search_key": trial.search_key, "train_key": trial.train_key, "test_key": trial.test_key,
        "search_reused": trial.search_reused, "train_reused": trial.train_reused, "test_time_error": trial.time_error,
        "data_sha256": digest([trial.data.weights, trial.data.alpha, trial.data.test]),
        "started_at": datetime.fromtimestamp(trial.started_at, UTC), "finished_at": datetime.now(UTC), "commit": commit(), "versions": json.dumps(versions()),
    }  # fmt: skip
    row |= {"architecture": None}
    if trial.architecture is not None:
        row |= architecture_columns(c, trial.architecture)
    for stage, key in (("search", trial.search_key), ("train", trial.train_key)):
        result = trial.stopped if stage == "train" else None
        result = result or (store.result(stage, key) if key else None)
        if result is not None:
            row |= {
                f"{stage}_stopped_at": result["iterations"]
                if result["iterations"] < getattr(c, f"{stage}_iterations")
                else None,
                f"{stage}_seconds": result["seconds"],
                f"{stage}_device": result["device"],
                f"{stage}_pack": result["pack"],
                "host": result["host"],
            }
            if result["gpus"]:
                row["gpu_seconds"] = row.get("gpu_seconds", 0) + result["seconds"] * result["gpus"]
            row |= {"alpha": result["alpha"]} if stage == "search" else {}
    row |= _scores(trial, store) | _testing_time(trial, store)
    return row


def _scores(trial: Trial, store: Store) -> dict[str, Any]:
    result = store.result("test", trial.test_key) if trial.test_key else None
    if result is None:
        return {"psnr_db": None}
    means = {name: mean(values) for name, values in result["by_image"].items()}
    return means | {
        "psnr_by_image": result["by_image"]["psnr_db"],
        "test_images": len(result["images"]),
        "test_pixels_sha256": result["pixels_sha256"],
    }


def _testing_time(trial: Trial, store: Store) -> dict[str, Any]:
    result = store.result("time", trial.time_key) if trial.time_key else None
    if result is None:
        return {"test_time_ms": None}
    return {name: value for name, value in result.items() if name.startswith("test_") or name == "device"}


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of those that are there; None where none is."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None

"""A trial, and the row that it ends as."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from clearer.architecture import Architecture
from clearer.configuration import Configuration, digest, fields_about
from clearer.images.overlap import describe
from clearer.machine import versions
from clearer.splits import absent_sets, check_splits
from studies.store.rows import architecture_columns, configuration_columns
from studies.store.store import Store
from studies.store.study_file import LIBRARIES, commit
from studies.work import keys
from studies.work.jobs import Failure
from studies.work.keys import Fingerprints
from studies.work.place import fingerprints


@dataclass(frozen=True)
class Trial:
    """One configuration, from end to end, and the pixels that it reads. The keys of its stages follow from both."""

    configuration: Configuration
    data: Fingerprints

    @property
    def trial_id(self) -> str:
        return self.configuration.trial_id

    @cached_property
    def search_key(self) -> str | None:
        """The key of its search; None where its architecture is given."""
        c = self.configuration
        return keys.search_key(c, self.data) if c.kind == "searched" else None

    @cached_property
    def reference_key(self) -> str:
        """The key of what methods without training score on its pixels."""
        return keys.reference_key(self.configuration, self.data)

    def train_key(self, architecture: str) -> str:
        """The key of its training, once its architecture is known."""
        return keys.train_key(self.configuration, architecture, self.data)

    def tested_key(self, train: str) -> str:
        """The key of the test of what was trained."""
        return keys.tested_key(self.configuration, train, self.data)


@dataclass(frozen=True)
class Ending:
    """How a trial ended: what its row says beside its configuration and its stages' results."""

    started_at: datetime
    architecture: str | None = None
    failure: Failure | None = None
    time_key: str | None = None
    time_error: str | None = None
    search_reused: bool | None = None
    train_reused: bool | None = None


class Pixels:
    """The fingerprints of images, each set read once however many configurations use it.

    With `may_lack`, a dry run's, published images that are not here have fingerprints that no store knows.
    """

    def __init__(self, folder: Path | None, may_lack: bool = False):
        self.folder, self.may_lack = folder, may_lack
        self._known: dict[str, Fingerprints] = {}
        self.overlaps: list[str] = []
        """What `allow_overlap` has let pass, a line for each combination of sets."""

    def trials(self, configurations: Sequence[Configuration]) -> list[Trial]:
        """The trials of the configurations, whose images are read, and whose splits are held against each other.

        Raises ImageError: a file or folder can't be used. Raises OverlapError: splits share images and may not.
        """
        return [Trial(c, self.of(c)) for c in configurations]

    def of(self, c: Configuration) -> Fingerprints:
        """The fingerprints of a configuration's images; raises as `trials`."""
        named = digest({name: getattr(c, name) for name in _IMAGES})
        if named not in self._known:
            if self.may_lack and absent_sets(c, self.folder):
                self._known[named] = Fingerprints(f"weights {named}", f"alpha {named}", f"test {named}")
                return self._known[named]
            self._known[named] = fingerprints(c, self.folder)
            overlaps = check_splits(c, self.folder)
            self.overlaps += [describe(overlaps)] if overlaps else []
        return self._known[named]


_IMAGES = sorted(fields_about("images"))


def trial_row(study: str, trial: Trial, ending: Ending, store: Store) -> dict[str, Any]:
    """What a trial's row says, from the results of its stages; columns that are not named are null."""
    c, found = trial.configuration, ending.architecture
    train = trial.train_key(found) if found else None
    tested = trial.tested_key(train) if train else None
    row = configuration_columns(c) | {
        "study": study,
        "trial_id": trial.trial_id,
        "replicate_id": c.replicate_id,
        "status": "failed" if ending.failure else "finished",
        "error": ending.failure.reason if ending.failure else None,
        "architecture": None,
        "search_key": trial.search_key,
        "train_key": train,
        "test_key": tested,
        "search_reused": ending.search_reused,
        "train_reused": ending.train_reused,
        "test_time_error": ending.time_error,
        "data_sha256": digest([*trial.data.learning, trial.data.test]),
        "started_at": ending.started_at,
        "finished_at": datetime.now(UTC),
        "commit": commit(),
        "versions": json.dumps(versions(LIBRARIES)),
    }
    if found:
        row |= architecture_columns(c, Architecture.parse(found))
    searched = _learnt(store, "search", trial.search_key, c.search_iterations)
    trained = _learnt(store, "train", train, c.train_iterations)
    stages = [found for found in (searched, trained) if found]
    row["gpu_seconds"] = sum(found.pop("gpu_seconds") for found in stages) or None
    each = [found.pop("energy_wh") for found in stages]
    row["energy_wh"] = sum(each) if each and None not in each else None  # what is not known of one is not of both
    return row | searched | trained | _scores(store, tested) | _testing_time(store, ending.time_key)


def _learnt(store: Store, stage: str, key: str | None, iterations: int) -> dict[str, Any]:
    result = store.result(stage, key) if key else None
    if result is None:
        return {}
    row = {f"{stage}_{about}": result[about] for about in ("seconds", "device", "pack")} | {"host": result["host"]}
    if result["iterations"] < iterations:
        row[f"{stage}_stopped_at"] = result["iterations"]
    row["gpu_seconds"] = result["seconds"] * result["gpus"]
    row["energy_wh"] = result.get("energy_wh")
    return row | ({"alpha": result["alpha"]} if stage == "search" else {})


def _scores(store: Store, key: str | None) -> dict[str, Any]:
    result = store.result("test", key) if key else None
    if result is None:
        return {"psnr_db": None}
    return {name: mean(values) for name, values in result["by_image"].items()} | {
        "psnr_by_image": result["by_image"]["psnr_db"],
        "test_images": len(result["images"]),
        "test_pixels_sha256": result["pixels_sha256"],
    }


def _testing_time(store: Store, key: str | None) -> dict[str, Any]:
    result = (store.result("time", key) if key else None) or {"test_time_ms": None}
    return {name: value for name, value in result.items() if name.startswith("test_") or name == "device"}


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of those that are there; None where none is."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None

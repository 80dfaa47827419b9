"""A trial, and the row that it ends as."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
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
from studies.work.keys import Fingerprints, Trial
from studies.work.place import fingerprints


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
        if named not in self._known and self.may_lack and absent_sets(c, self.folder):
            self._known[named] = Fingerprints(f"weights {named}", f"alpha {named}", f"test {named}")
        elif named not in self._known:
            self._known[named] = fingerprints(c, self.folder)
            overlaps = check_splits(c, self.folder)
            self.overlaps += [describe(overlaps)] if overlaps else []
        return self._known[named]


_IMAGES = sorted(fields_about("images"))


def trial_row(study: str, trial: Trial, found: str | None, store: Store, time_key: str | None = None) -> dict[str, Any]:
    """What a trial's row says of the architecture `found` and of the results of its stages; other columns are null."""
    c = trial.configuration
    train = trial.train_key(found) if found else None
    tested = trial.tested_key(train) if train else None
    row = configuration_columns(c) | {
        "study": study,
        "trial_id": trial.trial_id,
        "replicate_id": c.replicate_id,
        "architecture": None,
        "search_key": trial.search_key,
        "train_key": train,
        "test_key": tested,
        "data_sha256": digest([*trial.data.learning, trial.data.test]),
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
    return row | searched | trained | _scores(store, tested) | _testing_time(store, time_key)


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

"""The smallest trials, their jobs, and rows as a study would leave them: for tests that need no study of their own."""

from collections.abc import Sequence
from typing import Any

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.presets import QUICK
from studies.store.rows import architecture_columns, configuration_columns, curve_table, row_table
from studies.store.store import Store
from studies.work.jobs import Search, Train
from studies.work.keys import Fingerprints, Trial

_SHAPE = {"channels": 2, "cells": 1, "columns": (2,), "batch_size": 2, "patch_size": 16}
_LENGTHS = {"report_iterations": 2, "search_iterations": 8, "warmup_iterations": 2, "train_iterations": 8}
_FEW = {"test_limit": 1, "reference_images": 1, "time_series": 1, "time_calls": 1}
_VALUES: dict[str, Any] = {**_SHAPE, **_LENGTHS, **_FEW}
SMALL = Configuration(**{**QUICK, **_VALUES})
"""A search or a training of it takes a tenth of a second."""
ASSIGNED = {name: [value] for name, value in _VALUES.items()}
"""What makes the trials of a quick study as small."""
NO_DATA = Fingerprints("w", "a", "t")
"""Of images that nobody reads."""


def search_of(c: Configuration, data: Fingerprints = NO_DATA) -> Search:
    """The search of a configuration."""
    return Search(str(Trial(c, data).search_key), c, data)


def train_of(c: Configuration, architecture: str, data: Fingerprints = NO_DATA) -> Train:
    """The training and the test of an architecture under a configuration."""
    trial = Trial(c, data)
    key = trial.train_key(architecture)
    return Train(key, c, data, architecture, ((trial.tested_key(key), c),))


def put_row(
    store: Store, study: str, c: Configuration, curve: Sequence[dict[str, Any]] = (), found: str = "", **values: Any
) -> None:
    """Writes the row and the curve of a trial that has ended, of the architecture `found`."""
    row = configuration_columns(c) | {"study": study, "trial_id": c.trial_id, "replicate_id": c.replicate_id}
    row |= {"status": "finished"} | (architecture_columns(c, Architecture.parse(found)) if found else {})
    if not found:
        row["architecture"] = None
    store.end_trial(study, c.trial_id, row_table(row | values), curve_table(curve, c.trial_id))

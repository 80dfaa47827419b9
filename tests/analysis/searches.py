"""Rows of searches that end at a stated α, with curves that start at one."""

from typing import Any

import numpy as np
import pandas as pd

from clearer.architecture import Architecture
from clearer.configuration import Configuration

SETTINGS: dict[str, Any] = {"cells": 2, "columns": (2, 3), "channels": 2, "batch_size": 1, "patch_size": 8}
SETTINGS |= {"alpha_learning_rate": 3e-3, "search_iterations": 1_000, "warmup_iterations": 100}


def row_of(configuration: Configuration, **more: object) -> dict[str, Any]:
    columns = "-".join(map(str, configuration.columns_by_cell))
    names = {"trial_id": configuration.trial_id, "replicate_id": configuration.replicate_id}
    return {**configuration.values(), **names, "columns": columns, "search_stopped_at": None, **more}


def studied(alpha: list[float], start: list[float] | None, seed: int = 0, **own: Any) -> tuple[dict, list[dict]]:
    """A row that ended at `alpha` (α^f), and a curve that started there."""
    configuration = Configuration(**{**SETTINGS, "seed": seed, **own})
    architecture = Architecture.from_alpha([(1 - one, one) for one in alpha], configuration.columns_by_cell)
    row = row_of(configuration, alpha=np.array(alpha), architecture=str(architecture), parameters=1)
    reports = [(100, start), (1000, alpha)] if start else [(1000, alpha)]
    curve = [{"trial_id": row["trial_id"], "stage": "search", "iteration": n, "alpha": np.array(a)} for n, a in reports]
    return row, curve


def grid() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows and curves of two λ1, two λ2 and two seeds."""
    found = [
        studied([0.5 + (a + b) * s for s in (1, -1, 2, -2, 1)], [0.501] * 5, lambda1=a, lambda2=b, seed=seed)
        for a in (0.01, 0.1)
        for b in (0.0, 0.1)
        for seed in (0, 1)
    ]
    rows = pd.DataFrame([row for row, _ in found])
    return rows, pd.DataFrame([record for _, curve in found for record in curve])

"""Proposals of Optuna's multi-objective TPE, taught by every finished trial in the store.

The store is the only memory: a sampler is made anew for each round, and told every row that lies in the space, once a
trial whatever number of studies hold it. A trial that failed, or whose objectives are not finite, is told as failed.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import pandas as pd
import torch

from analysis.results import load
from clearer.architecture import PARALLEL, Architecture
from clearer.configuration import Configuration, parse_value
from clearer.fields import ConfigurationError, as_text
from studies.module_times import module_times
from studies.rounds import Findings
from studies.rows import configuration_columns
from studies.study import configuration, unique

LAMBDAS = ("lambda1", "lambda2")
CHOICES = ("cells", "columns", "channels")
LOWEST, HIGHEST = 1e-5, 1.0
"""The usual range of λ1 and λ2. A λ of 0 counts as the lowest: its pressure on α can't be told from none."""
OBJECTIVES = ("psnr_db", "parameters", "time_proxy_ms")
DIRECTIONS: Sequence[Literal["maximize", "minimize"]] = ("maximize", "minimize", "minimize")
_ASKS = 20


def check_assigned(assigned: Mapping[str, Sequence[Any]]) -> None:
    """Raises ConfigurationError where a field has values that the sampler can make nothing of."""
    for name, values in assigned.items():
        if name in LAMBDAS and (len(values) > 2 or not all(isinstance(v, float) and v > 0 for v in values)):
            raise ConfigurationError(
                f"{name}={','.join(map(as_text, values))}: give one value, or the two ends of a range above 0"
            )
        if len(values) > 1 and name not in (*LAMBDAS, *CHOICES, "seed"):
            raise ConfigurationError(
                f"{name}: one value for all proposals; several are choices for {', '.join(CHOICES)} only"
            )


class Adaptive:
    """The sampler of one run of the adaptive study, for `wanted` proposals in all."""

    def __init__(self, findings: Findings, wanted: int):
        self.findings, self.wanted = findings, wanted
        assigned = findings.assigned
        self.fixed = {name: values[0] for name, values in assigned.items() if len(values) == 1}
        self.choices = {name: assigned[name] for name in CHOICES if len(assigned.get(name, ())) > 1}
        self.ranges = {
            name: tuple(sorted(assigned.get(name, (LOWEST, HIGHEST)))) for name in LAMBDAS if name not in self.fixed
        }
        first, count = int(assigned.get("seed", [0])[0]), findings.options.seeds
        self.seeds = (
            list(assigned.get("seed", [])) if len(assigned.get("seed", [])) > 1 else range(first, first + count)
        )
        self.swept = [*self.ranges, *self.choices]

    def configuration(self, parameters: Mapping[str, Any], seed: int) -> Configuration:
        """The trial that a proposal stands for."""
        chosen = {name: parse_value(name, v) if name == "columns" else v for name, v in parameters.items()}
        return configuration(self.findings.options.preset, {**self.fixed, **chosen, "seed": seed})

    def next_round(self) -> list[Configuration]:
        """What was planned before, and new proposals once all of that has ended: at most as many as the cluster holds."""
        planned = [c for c in self.findings.recorded() if self._is_ours(c)]
        there = self.findings.store.trial_ids(self.findings.study)
        left = self.wanted - len({c.replicate_id for c in planned})
        if left <= 0 or any(c.trial_id not in there for c in planned):
            return planned
        return [*planned, *self._proposals(min(left, self.findings.slots()), {c.replicate_id for c in planned})]

    def _proposals(self, count: int, known: set[str]) -> list[Configuration]:
        taught = self.taught()
        study, distributions = self._sampler(taught), self._distributions()
        found: dict[str, list[Configuration]] = {}
        for _ in range(_ASKS * count):
            if len(found) == count:
                break
            asked = study.ask(distributions).params
            rounded = {name: float(f"{v:.3g}") if name in self.ranges else v for name, v in asked.items()}
            trials = [self.configuration(rounded, seed) for seed in self.seeds]
            if trials[0].replicate_id not in known:
                found.setdefault(trials[0].replicate_id, trials)
        return unique([c for trials in found.values() for c in trials])

    def taught(self) -> pd.DataFrame:
        """Every ended searched trial of the store that lies in the space, one row each: parameters, objectives, `study`."""
        store = self.findings.store
        rows = load(store.storage) if store.names("studies") else pd.DataFrame()
        if not len(rows):
            return rows
        rows = rows[(rows["kind"] == "searched") & self._is_alike(rows)].drop_duplicates("trial_id").copy()
        for name, (low, high) in self.ranges.items():
            rows[name] = rows[name].where(rows[name] > 0, LOWEST)
            rows = rows[(rows[name] >= low) & (rows[name] <= high)]
        for name, values in self.choices.items():
            rows = rows[rows[name].isin([self._choice(name, value) for value in values])]
        return rows.assign(time_proxy_ms=[self._proxy_ms(row) for row in rows.to_dict("records")])  # type: ignore[arg-type]

    def lines(self) -> list[str]:
        """What the sampler has to go by, in words."""
        taught = self.taught()
        if not len(taught):
            return []
        ended, others = taught["status"] == "finished", taught["study"] != self.findings.study
        return [
            f"the sampler was taught {int(ended.sum())} finished and {int((~ended).sum())} failed trials, {int(others.sum())} of them of other studies",
            f"its time proxy is the sum of module times at {self._base().patch_size}×{self._base().patch_size} pixels, measured once on {self._device()}; testing times are in the rows",
        ]

    def _base(self) -> Configuration:
        shape = {name: self.choices[name][0] for name in self.choices}
        return configuration(self.findings.options.preset, {**self.fixed, **shape, **dict.fromkeys(self.ranges, 0.01)})

    def _is_ours(self, c: Configuration) -> bool:
        """Whether a recorded trial is of this space and of the seeds that are asked for."""
        row = pd.DataFrame([configuration_columns(c)])
        return c.kind == "searched" and c.seed in self.seeds and bool(self._is_alike(row).all())

    def _is_alike(self, rows: pd.DataFrame) -> pd.Series:
        """Whether all that determines the objectives, but what is swept and the seed, is as in this study."""
        base = configuration_columns(self._base())
        free = {*self.swept, "seed", "module_times_ms", *(("columns",) if "cells" in self.swept else ())}
        alike = pd.Series(True, index=rows.index)
        for field in dataclasses.fields(Configuration):
            if field.name in free or not set(field.metadata["stages"]) & {"search", "train", "test"}:
                continue
            value = base[field.name]
            alike &= rows[field.name].isna() if value is None else (rows[field.name] == value).fillna(False)
        return alike.astype(bool)

    def _sampler(self, taught: pd.DataFrame) -> Any:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                seed=int(self.seeds[0]) + len(taught), multivariate=True, n_startup_trials=6
            )
        study = optuna.create_study(directions=DIRECTIONS, sampler=sampler)
        study.add_trials(list(self._told(taught)))
        return study

    def _told(self, taught: pd.DataFrame) -> Iterator[Any]:
        from optuna.trial import TrialState, create_trial

        distributions = self._distributions()
        for row in taught.to_dict("records"):
            values = [float("nan") if pd.isna(row[name]) else float(row[name]) for name in OBJECTIVES]
            is_good = row["status"] == "finished" and all(map(math.isfinite, values))
            yield create_trial(
                params={name: row[name] for name in distributions}, distributions=distributions,
                state=TrialState.COMPLETE if is_good else TrialState.FAIL, values=values if is_good else None,
                user_attrs={"trial_id": row["trial_id"], "study": row["study"]},
            )  # fmt: skip

    def _distributions(self) -> dict[str, Any]:
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        found: dict[str, Any] = {
            name: FloatDistribution(low, high, log=True) for name, (low, high) in self.ranges.items()
        }
        for name, values in self.choices.items():
            found[name] = CategoricalDistribution([self._choice(name, value) for value in values])
        return found

    def _choice(self, name: str, value: Any) -> Any:
        """A choice as a row holds it."""
        return as_text(self._base().with_values(columns=value).columns_by_cell) if name == "columns" else value

    def _proxy_ms(self, row: Mapping[str, Any]) -> float:
        if not isinstance(row["architecture"], str):
            return math.nan
        architecture = Architecture.parse(row["architecture"])
        shape = {"cells": len(architecture.cells), "columns": architecture.columns, "channels": int(row["channels"])}
        times = module_times(self._base().with_values(**shape), self.findings.store, self._torch_device(), keep=True)
        return sum(
            times[2 * cell + (letter != PARALLEL)]
            for cell, letters in enumerate(architecture.cells)
            for letter in letters
        )

    def _torch_device(self) -> torch.device:
        return torch.device("cuda" if self.findings.options.gpus_per_trial else "cpu")

    def _device(self) -> str:
        from clearer.timing import device_name

        return device_name(self._torch_device(), self._base().threads)

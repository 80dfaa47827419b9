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

from analysis.rows.load import load
from clearer.architecture import PARALLEL, Architecture
from clearer.configuration import Configuration, parse_value
from clearer.fields import ConfigurationError, as_text
from studies.driver.axes import configuration, unique
from studies.driver.study import Findings
from studies.store.rows import configuration_columns
from studies.work.module_times import module_times

LAMBDAS = ("lambda1", "lambda2")
CHOICES = ("cells", "columns", "channels")
LOWEST, HIGHEST = 1e-5, 1.0
"""The usual range of λ1 and λ2. A λ of 0 counts as the lowest: its pressure on α can't be told from none."""
OBJECTIVES = ("psnr_db", "parameters", "time_proxy_ms")
DIRECTIONS: Sequence[Literal["maximize", "minimize"]] = ("maximize", "minimize", "minimize")
_ASKS = 20


def check_assigned(assigned: Mapping[str, Sequence[Any]]) -> None:
    """Raises ConfigurationError where a field has values that the sampler can make nothing of."""
    if "architecture" in assigned:
        raise ConfigurationError("architecture: proposals are searches, which find their own")
    if all(len(assigned.get(name, ())) == 1 for name in LAMBDAS) and all(len(assigned.get(n, ())) < 2 for n in CHOICES):
        raise ConfigurationError(
            f"lambda1 and lambda2 have one value each: nothing is left to propose; several of {', '.join(CHOICES)} are choices"
        )
    for name, values in assigned.items():
        is_range = len(values) == 2 and all(isinstance(v, float) and v > 0 for v in values)
        if name in LAMBDAS and not is_range and not (len(values) == 1 and isinstance(values[0], float)):
            raise ConfigurationError(
                f"{name}={','.join(map(as_text, values))}: give one number, or the two ends of a range above 0"
            )
        if len(values) > 1 and name not in (*LAMBDAS, *CHOICES, "seed"):
            raise ConfigurationError(
                f"{name}: one value for all proposals; several are choices for {', '.join(CHOICES)} only"
            )


class Adaptive:
    """The sampler of one run of the adaptive study, for `wanted` proposals in all."""

    def __init__(self, findings: Findings, wanted: int):
        self.findings, self.wanted = findings, wanted
        assigned = findings.options.assigned
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
        shape = {name: values[0] for name, values in self.choices.items()}
        self.base = configuration(findings.options.preset, {**self.fixed, **shape, **dict.fromkeys(self.ranges, 0.01)})
        self._module_times: dict[tuple[int, int], tuple[float, ...]] = {}

    def configuration(self, parameters: Mapping[str, Any], seed: int) -> Configuration:
        """The trial that a proposal stands for."""
        chosen = {name: parse_value(name, v) if name == "columns" else v for name, v in parameters.items()}
        return configuration(self.findings.options.preset, {**self.fixed, **chosen, "seed": seed})

    def next_round(self) -> list[Configuration]:
        """What was planned before, and new proposals once all of that has ended: at most as many as the cluster holds."""
        ours = [c for c in self.findings.recorded if self._is_ours(c)]
        planned = unique([c.with_values(seed=seed) for c in ours for seed in self.seeds])
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
            rounded = {name: self._rounded(name, v) if name in self.ranges else v for name, v in asked.items()}
            trials = [self.configuration(rounded, seed) for seed in self.seeds]
            if trials[0].replicate_id not in known:
                found.setdefault(trials[0].replicate_id, trials)
        return unique([c for trials in found.values() for c in trials])

    def _rounded(self, name: str, value: float) -> float:
        """To three digits, within the range."""
        low, high = self.ranges[name]
        return min(max(float(f"{value:.3g}"), low), high)

    def taught(self) -> pd.DataFrame:
        """Every ended searched trial of the store that lies in the space, one row each: parameters, objectives, `study`."""
        store = self.findings.store
        rows = load(store.storage) if store.names("studies") else pd.DataFrame()
        if not len(rows):
            return rows
        rows = rows[(rows["kind"] == "searched") & self._lies_in_space(rows)]
        # What one study finished another may have failed.
        rows = rows.sort_values("status", ascending=False, kind="stable").drop_duplicates("trial_id")
        rows = rows.assign(columns=self._columns_asked(rows))
        for name in self.ranges:
            rows[name] = rows[name].where(rows[name] > 0, LOWEST)
        return rows.assign(time_proxy_ms=[self._proxy_ms(row) for row in rows.to_dict("records")])  # type: ignore[arg-type]

    def lines(self) -> list[str]:
        """What the sampler has to go by, in words."""
        taught = self.taught()
        if not len(taught):
            return []
        ended, others = taught["status"] == "finished", taught["study"] != self.findings.study
        return [
            f"the sampler was taught {int(ended.sum())} finished and {int((~ended).sum())} failed trials, {int(others.sum())} of them of other studies",
            f"its time proxy is the sum of module times at {self.base.patch_size}×{self.base.patch_size} pixels, measured once on {self._device()}; testing times are in the rows",
        ]

    def _is_ours(self, c: Configuration) -> bool:
        """Whether a recorded trial is of this space and of the seeds that are asked for."""
        row = pd.DataFrame([configuration_columns(c)])
        return c.kind == "searched" and c.seed in self.seeds and bool(self._lies_in_space(row).all())

    def _lies_in_space(self, rows: pd.DataFrame) -> pd.Series:
        """Whether what is swept is in its range or a choice, and all else that determines the objectives, but the seed, as here."""
        base = configuration_columns(self.base)
        free = {*self.swept, "seed", "module_times_ms", "columns"}
        alike = self._columns_asked(rows).notna()
        for name, (low, high) in self.ranges.items():
            alike &= rows[name].where(rows[name] > 0, LOWEST).between(low, high)
        for name in {"cells", "channels"} & self.choices.keys():
            alike &= rows[name].isin(self.choices[name])
        for field in dataclasses.fields(Configuration):
            if field.name in free or not set(field.metadata["stages"]) & {"search", "train", "test"}:
                continue
            value = base[field.name]
            alike &= rows[field.name].isna() if value is None else (rows[field.name] == value).fillna(False)
        return alike.astype(bool)

    def _columns_asked(self, rows: pd.DataFrame) -> pd.Series:
        """The N_i of every row as they were asked for, uniform ones as one number; null where they were not."""
        asked = [(value, as_text(value)) for value in self.choices.get("columns", [self.base.columns])]
        found = [
            next((text for n, text in asked if as_text(n * cells if len(n) == 1 else n) == columns), None)
            for cells, columns in zip(rows["cells"], rows["columns"], strict=True)
        ]
        return pd.Series(found, index=rows.index, dtype=object)

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
            found[name] = CategoricalDistribution([as_text(v) if name == "columns" else v for v in values])
        return found

    def _proxy_ms(self, row: Mapping[str, Any]) -> float:
        if not isinstance(row["architecture"], str):
            return math.nan
        architecture = Architecture.parse(row["architecture"])
        shape = len(architecture.cells), int(row["channels"])
        if shape not in self._module_times:
            c = self.base.with_values(cells=shape[0], columns=architecture.columns, channels=shape[1])
            self._module_times[shape] = module_times(c, self.findings.store, self._torch_device(), keep=True)
        times = self._module_times[shape]
        return sum(
            times[2 * cell + (letter != PARALLEL)]
            for cell, letters in enumerate(architecture.cells)
            for letter in letters
        )

    def _torch_device(self) -> torch.device:
        """This process's GPU where trials take one and it has one: a cluster's may be elsewhere."""
        is_gpu = self.findings.options.gpus_per_trial and torch.cuda.is_available()
        return torch.device("cuda" if is_gpu else "cpu")

    def _device(self) -> str:
        from clearer.timing import device_name

        return device_name(self._torch_device(), self.base.threads)

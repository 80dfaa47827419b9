"""Proposals of Optuna's multi-objective TPE, taught by every ended trial in the store.

The store is the only memory: a sampler is made anew for each round, and told every row that lies in the
space, once a trial whatever number of studies hold it. A trial that failed, or whose objectives are not
finite, is told as failed.
"""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from clearer.architecture import PARALLEL, Architecture
from clearer.configuration import Configuration, parse_value
from clearer.fields import ConfigurationError, as_text
from studies.driver.study import Findings, configuration, unique
from studies.store.study_file import planned_trials

LAMBDAS = ("lambda1", "lambda2")
CHOICES = ("cells", "columns", "channels")
LOWEST, HIGHEST = 1e-5, 1.0
"""The usual range of λ1 and λ2. A λ of 0 counts as the lowest: its pressure on α can't be told from none."""
DIRECTIONS: Sequence[Literal["maximize", "minimize"]] = ("maximize", "minimize", "minimize")
"""Of the objectives: `TAUGHT`, parameters, and the time proxy."""
TAUGHT = "validation_psnr_db"
"""What proposals follow from: a score on validation images. Test images are for what was found."""
_READ = ("trial_id", "study", "status", "architecture", TAUGHT, "parameters")
_ASKS = 20


def check_assigned(assigned: Mapping[str, Sequence[Any]]) -> None:
    """Raises ConfigurationError where a field has values that the sampler can make nothing of."""
    if "architecture" in assigned:
        raise ConfigurationError("architecture: proposals are searches, which find their own")
    if all(len(assigned.get(name, ())) == 1 for name in LAMBDAS) and all(len(assigned.get(n, ())) < 2 for n in CHOICES):
        choices = f"several of {', '.join(CHOICES)} are choices"
        raise ConfigurationError(f"lambda1 and lambda2 have one value each: nothing is left to propose; {choices}")
    for name, values in assigned.items():
        is_range = len(values) == 2 and all(isinstance(v, float) and v > 0 for v in values)
        if name in LAMBDAS and not is_range and not (len(values) == 1 and isinstance(values[0], float)):
            given = ",".join(map(as_text, values))
            raise ConfigurationError(f"{name}={given}: give one number, or the two ends of a range above 0")
        if len(values) > 1 and name not in (*LAMBDAS, *CHOICES, "seed"):
            choices = f"several are choices for {', '.join(CHOICES)} only"
            raise ConfigurationError(f"{name}: one value for all proposals; {choices}")


class Adaptive:
    """The sampler of one run of the adaptive study, for `wanted` proposals in all."""

    def __init__(self, findings: Findings, wanted: int):
        self.findings, self.wanted = findings, wanted
        assigned, seeds = findings.options.assigned, list(findings.options.assigned.get("seed", [0]))
        self.seeds = seeds if len(seeds) > 1 else range(seeds[0], seeds[0] + (findings.options.seeds or 1))
        self.fixed = {name: values[0] for name, values in assigned.items() if len(values) == 1}
        self.choices = {name: assigned[name] for name in CHOICES if len(assigned.get(name, ())) > 1}
        swept = [name for name in LAMBDAS if name not in self.fixed]
        self.ranges = {name: tuple(sorted(assigned.get(name, (LOWEST, HIGHEST)))) for name in swept}
        self._module_times: dict[tuple[int, int], tuple[float, ...]] = {}
        self.base = self._configuration({name: values[0] for name, values in self.choices.items()}, self.seeds[0])

    def next_round(self) -> list[Configuration]:
        """What was planned before; once all of that has ended, new proposals, as many as the cluster holds."""
        ours = [c for c in self.findings.recorded if c.seed in self.seeds and self._lies_in_space(c)]
        planned = unique([c.with_values(seed=seed) for c in ours for seed in self.seeds])
        there = self.findings.store.trial_ids(self.findings.study)
        left = self.wanted - len({c.replicate_id for c in planned})
        if left <= 0 or any(c.trial_id not in there for c in planned):
            return planned
        return [*planned, *self._proposals(min(left, self.findings.slots()), {c.replicate_id for c in planned})]

    def taught(self) -> list[tuple[Configuration, dict[str, Any]]]:
        """Every ended searched trial of the store that lies in the space, once, with its row."""
        store, found = self.findings.store, {}
        for study in store.studies():
            planned = {i: c for i, c in planned_trials(store, study).items() if self._lies_in_space(c)}
            for row in store.rows(study, planned.keys(), _READ):
                # What one study finished another may have failed.
                if row["trial_id"] not in found or row["status"] == "finished":
                    found[row["trial_id"]] = planned[row["trial_id"]], row
            earlier = [i for i, (_, row) in found.items() if row["study"] == study and row.get(TAUGHT) is None]
            # Rows of versions without the column; the last record counts.
            for record in store.rows(study, earlier, ("trial_id", "stage", "psnr_db"), "curves"):
                if record["stage"] == "train":
                    found[record["trial_id"]][1][TAUGHT] = record["psnr_db"]
        return list(found.values())

    def lines(self) -> list[str]:
        """What the sampler has to go by, in words."""
        rows = [row for _, row in self.taught()]
        if not rows:
            return []
        finished = sum(row["status"] == "finished" for row in rows)
        others = sum(row["study"] != self.findings.study for row in rows)
        size = self.base.patch_size
        taught = f"{finished} finished and {len(rows) - finished} failed trials, {others} of them of other studies"
        proxy = f"the sum of module times at {size}×{size} pixels, measured once on the trials' device"
        scores = "PSNR is that of validation crops"
        return [f"the sampler was taught {taught}", scores, f"its time proxy is {proxy}; testing times are in the rows"]

    def _configuration(self, parameters: Mapping[str, Any], seed: int) -> Configuration:
        """The trial that a proposal stands for."""
        chosen = {name: parse_value(name, v) if isinstance(v, str) else v for name, v in parameters.items()}
        usual = dict.fromkeys(self.ranges, 0.01)
        return configuration(self.findings.options.preset, {**usual, **self.fixed, **chosen, "seed": seed})

    def _lies_in_space(self, c: Configuration) -> bool:
        """Whether what is swept is in its range or a choice, and all else, the seed apart, as here."""
        if c.kind != "searched":
            return False
        within = all(low <= max(getattr(c, name), LOWEST) <= high for name, (low, high) in self.ranges.items())
        if not within or not all(getattr(c, name) in values for name, values in self.choices.items()):
            return False
        free = dict.fromkeys([*self.ranges, *self.choices, "seed", "module_times_ms"])
        stages = "search", "train", "test"
        return all(c.of_stage(stage) | free == self.base.of_stage(stage) | free for stage in stages)

    def _proposals(self, count: int, known: set[str]) -> list[Configuration]:
        study, distributions = self._sampler(), self._distributions()
        found: dict[str, list[Configuration]] = {}
        for _ in range(_ASKS * count):
            if len(found) == count:
                break
            asked = dict(study.ask(distributions).params)
            for name, (low, high) in self.ranges.items():  # three digits
                asked[name] = min(max(float(f"{asked[name]:.3g}"), low), high)
            trials = [self._configuration(asked, seed) for seed in self.seeds]
            if trials[0].replicate_id not in known:
                found.setdefault(trials[0].replicate_id, trials)
        return unique([c for trials in found.values() for c in trials])

    def _sampler(self) -> Any:
        import optuna

        told = list(self._told())
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            seed = int(self.seeds[0]) + len(told)
            sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=6)
        study = optuna.create_study(directions=DIRECTIONS, sampler=sampler)
        study.add_trials(told)
        return study

    def _told(self) -> Iterator[Any]:
        from optuna.trial import TrialState, create_trial

        distributions = self._distributions()
        for c, row in self.taught():
            found = row.get(TAUGHT), row["parameters"], self._proxy_ms(c, row)
            values = [math.nan if v is None else float(v) for v in found]
            is_good = row["status"] == "finished" and all(map(math.isfinite, values))
            own = {name: max(getattr(c, name), LOWEST) for name in self.ranges}
            yield create_trial(
                params=own | {name: _plain(name, getattr(c, name)) for name in self.choices},
                distributions=distributions,
                state=TrialState.COMPLETE if is_good else TrialState.FAIL,
                values=values if is_good else None,
                user_attrs={"trial_id": row["trial_id"], "study": row["study"]},
            )

    def _distributions(self) -> dict[str, Any]:
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        ranges = {name: FloatDistribution(low, high, log=True) for name, (low, high) in self.ranges.items()}
        choices = {n: CategoricalDistribution([_plain(n, v) for v in values]) for n, values in self.choices.items()}
        return {**ranges, **choices}

    def _proxy_ms(self, c: Configuration, row: Mapping[str, Any]) -> float:
        """The sum of the module times of what a trial found, on this device."""
        if not row["architecture"]:
            return math.nan
        shape = c.cells, c.channels
        if shape not in self._module_times:
            self._module_times[shape] = self.findings.module_times(c)
        times, cells = self._module_times[shape], Architecture.parse(row["architecture"]).cells
        return sum(times[2 * i + (letter != PARALLEL)] for i, letters in enumerate(cells) for letter in letters)


def _plain(name: str, value: Any) -> Any:
    """A choice as Optuna takes it."""
    return as_text(value) if name == "columns" else value

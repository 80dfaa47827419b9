"""What is wrong with a study, said before any answer: each fault with its numbers, its rows and its mend.

Nothing here changes a row or an answer.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.rows.configurations import KEY, LEAST_SEEDS, distinct, is_below_input, trainings
from analysis.rows.load import lacking, whole
from analysis.rows.units import counted, percent

MOVING_DB, FALLEN_DB = 0.5, 0.5
UNSTEADY = 0.1
"""A time whose series spread by more was not taken on an idle machine."""
_THREADS = r", \d+ threads?$"
"""Ends the name of a processor."""
_FAULTS: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_name("faults.toml").read_text(encoding="utf-8"))
CHECKS = (
    "networks below their input, images shared by splits, skip=global with SGD, trainings that moved or fell at their "
    "end, shared trainings, few seeds, mixed devices, testing times, and missing methods"
)


@dataclass(frozen=True)
class Finding:
    """A fault: `fault` names its kind, `text` says it with the `numbers`, `trials` are its rows, `mend` helps."""

    fault: str
    text: str
    mend: str
    trials: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)


def health(
    rows: pd.DataFrame, curves: pd.DataFrame, references: pd.DataFrame, about: Mapping[str, Any] | None = None
) -> list[Finding]:
    """What is wrong with a study, the gravest first; empty where nothing was found.

    The table of faults in docs/explanation/how_sure.md says when each is found; `faults.toml` has their texts. `rows`
    are of `analysis.load`; `curves`, `references` and `about` (`study.json`) are of the same study.
    """
    ended, found = whole(rows), [*_nameless(rows)]
    if len(ended):
        scored = ended.dropna(subset=["psnr_db"])
        found += [*_below_input(scored), *_overlap(ended, about or {}), *_trainings(scored, curves)]
        found += [*_searches(ended, scored), *_devices(scored), *_times(ended), *_without_wavelets(references)]
    order = list(_FAULTS)
    return sorted(found, key=lambda one: order.index(one.fault))


def training_ends(curves: pd.DataFrame) -> pd.DataFrame:
    """How each training ended, from the PSNR on its watched crops: one row a `trial_id` of at least 4 reports.

    `rise_db` is the mean of the last tenth of the reports (at least one) minus the mean of as many reports that lie at
    three quarters of the training; `fall_db` is the best report minus that last mean. A training that rose by more than
    0.5 dB in its last quarter was still moving; one that ended more than 0.5 dB below its best fell.
    """
    names = ["trial_id", "rise_db", "fall_db"]
    if not len(curves) or "psnr_db" not in curves:
        return pd.DataFrame(columns=names)
    watched = curves[(curves["stage"] == "train") & curves["psnr_db"].notna()].sort_values("iteration")
    found = []
    for trial, psnr_db in watched.groupby("trial_id")["psnr_db"]:
        values = psnr_db.to_numpy(float)
        if len(values) >= 4:
            few, middle = max(1, len(values) // 10), 3 * len(values) // 4
            last = values[-few:].mean()
            found.append((trial, last - values[middle - few : middle].mean(), values.max() - last))
    return pd.DataFrame(found, columns=names)


class _Told(float):
    """A number as the texts of `faults.toml` ask for it: `{:}` whole, `{:%}` a share, `{:network}` so many things."""

    def __format__(self, form: str) -> str:
        if form[:1].isalpha():
            return counted(self, form)
        return percent(self) if form == "%" else format(float(self), form or ".0f")


def _finding(fault: str, rows: pd.DataFrame, numbers: Mapping[str, float], **more: Any) -> Iterator[Finding]:
    """A fault of rows, where there are any; `more` is what its text says beside its numbers."""
    if len(rows):
        told = {name: one if isinstance(one, str) else _Told(one) for name, one in {**numbers, **more}.items()}
        text, mend = (_FAULTS[fault][part].format(**told) for part in ("text", "mend"))
        yield Finding(fault, text, mend, tuple(rows["trial_id"]), {name: float(one) for name, one in numbers.items()})


def _nameless(rows: pd.DataFrame) -> Iterator[Finding]:
    lacks = lacking(rows)
    names = ", ".join(dict.fromkeys(name for text in lacks for name in text.split(", ")))
    yield from _finding("nameless rows", rows.loc[lacks.index], {"rows": len(lacks)}, names=names)


def _below_input(scored: pd.DataFrame) -> Iterator[Finding]:
    below = scored[is_below_input(scored)]
    networks, of = distinct(below), len(distinct(scored))
    worst = networks.assign(gap=networks["degraded_psnr_db"] - networks["psnr_db"]).nlargest(1, "gap")
    for own, given in worst[["psnr_db", "degraded_psnr_db"]].to_numpy(float):
        numbers = {"networks": len(networks), "trained": of, "worst_db": own, "input_db": given}
        yield from _finding("below input", below, numbers)


def _overlap(ended: pd.DataFrame, about: Mapping[str, Any]) -> Iterator[Finding]:
    allowed = ended[ended["allow_overlap"].astype(object).eq(True)]
    told = dict.fromkeys(line for run in about.get("runs", []) for line in run.get("overlaps", []))
    known = "; ".join(told) or "how many images they share was not recorded"
    yield from _finding("split overlap", allowed, {"trials": len(allowed)}, known=known)


def _trainings(scored: pd.DataFrame, curves: pd.DataFrame) -> Iterator[Finding]:
    rows = distinct(scored).merge(training_ends(curves), on="trial_id")
    for fault, name, most in (("still moving", "rise_db", MOVING_DB), ("fell", "fall_db", FALLEN_DB)):
        those = rows[rows[name] > most]
        numbers = {"trainings": len(those), "most_db": those[name].max()}
        yield from _finding(fault, those, numbers, of=len(rows))


def _searches(ended: pd.DataFrame, scored: pd.DataFrame) -> Iterator[Finding]:
    if {"skip", "weights_optimizer"} <= set(ended):
        searched = ended[ended["kind"] == "searched"]
        those = searched[(searched["skip"] == "global") & (searched["weights_optimizer"] == "sgd")]
        yield from _finding("skip with sgd", those, {"searches": len(those)}, of=len(searched))
    searched = scored[scored["kind"] == "searched"]
    owners = pd.Series(trainings(searched), searched.index)
    counts = owners.map(owners.value_counts())
    numbers = {"searches": len(searched), "trainings": owners.nunique()}
    yield from _finding("shared trainings", searched[counts > 1], numbers, most=counts.max())
    searched = searched if len(searched) else scored
    seeds = searched.groupby(KEY)["seed"].transform("nunique")
    few = searched[seeds < LEAST_SEEDS]
    numbers = {"configurations": few[KEY].nunique(), "searched": searched[KEY].nunique(), "seeds": seeds.min()}
    yield from _finding("few seeds", few, numbers, needed=LEAST_SEEDS)


def _devices(scored: pd.DataFrame) -> Iterator[Finding]:
    for stage, name in (("search", "searches"), ("train", "trainings")):
        devices = scored[f"{stage}_device"].dropna() if f"{stage}_device" in scored else pd.Series(dtype=str)
        on_cpu = devices.str.contains(_THREADS)
        few = scored.loc[on_cpu[on_cpu == (on_cpu.mean() < 0.5)].index] if on_cpu.nunique() > 1 else scored[:0]
        numbers = {"rows": len(devices), "on_cpu": on_cpu.sum()}
        yield from _finding("mixed devices", few, numbers, on_gpu=len(devices) - on_cpu.sum(), name=name)


def _times(ended: pd.DataFrame) -> Iterator[Finding]:
    refused, spread = ended[ended["test_time_error"].notna()], ended["test_time_spread"].astype(float)
    why = next(iter(refused["test_time_error"]), "")
    yield from _finding("no time", refused, {"refused": len(refused)}, of=len(ended), why=why)
    unsteady = ended[spread > UNSTEADY]
    numbers = {"times": len(unsteady), "most": spread.max()}
    yield from _finding("unsteady time", unsteady, numbers, of=spread.notna().sum())


def _without_wavelets(references: pd.DataFrame) -> Iterator[Finding]:
    methods = set(references["method"]) if len(references) else set()
    if "total variation" in methods and not any(name.startswith("wavelets") for name in methods):
        about = _FAULTS["methods missing"]
        yield Finding("methods missing", about["text"], about["mend"])

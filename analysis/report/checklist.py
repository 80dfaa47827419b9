"""The reproducibility checklist for architecture search, filled from what a store records.

Items after Lindauer and Hutter 2020, "Best practices for scientific research on neural architecture search", JMLR 21(243).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.rows.comparable import TRAINED
from analysis.rows.load import finished
from analysis.statistics.costs import cost_lines

YES, PARTLY, NO = "yes", "partly", "no"


@dataclass(frozen=True)
class Item:
    """A question of the checklist, how far the study meets it (`yes`, `partly`, `no`), and what shows it."""

    question: str
    answer: str
    evidence: str


def checklist(
    about: Mapping[str, Any], frame: pd.DataFrame, references: pd.DataFrame, curves: pd.DataFrame
) -> list[Item]:
    """The checklist of one study: `about` is its `study.json`, the frames are those of `analysis.load…`."""
    rows = finished(frame)
    if not len(rows):
        return [Item("Has anything finished?", NO, "no trial has finished: there is nothing to reproduce yet")]
    return [*_released(about, rows), *_compared(rows, references), *_reported(rows, curves)]


def _released(about: Mapping[str, Any], rows: pd.DataFrame) -> Iterator[Item]:
    commits = sorted(set(rows["commit"].dropna()))
    clean = [one for one in commits if not one.endswith("+changes")]
    code = (
        f"commit {', '.join(one[:12] + ('+changes' if one not in clean else '') for one in commits)}"
        if commits
        else "the code was not in a checkout"
    )
    answer = YES if commits and clean == commits else PARTLY if commits else NO
    yield Item("Is the code of the search, the training and the evaluation released?", answer, code)
    versions = set(rows["versions"].dropna())
    named = json.loads(next(iter(versions))) if versions else {}
    listed = ", ".join(f"{name} {number}" for name, number in sorted(named.items()))
    yield Item(
        "Are all versions of libraries given?",
        YES if len(versions) == 1 else PARTLY if versions else NO,
        listed if len(versions) == 1 else f"{len(versions)} sets of versions; each row has its own",
    )
    yield Item(
        "Are all hyperparameters of the search and of the training given?",
        YES,
        "every row holds the complete configuration; study.json those that were planned",
    )
    commands = [run["command"] for run in about.get("runs", [])]
    yield Item(
        "Is the exact command given?", YES if commands else NO, commands[-1] if commands else "study.json is missing"
    )
    yield Item(
        "Are the random seeds given?",
        YES,
        f"seeds {', '.join(map(str, sorted(rows['seed'].unique())))}; all random streams spawn from them",
    )


def _compared(rows: pd.DataFrame, references: pd.DataFrame) -> Iterator[Item]:
    seeds = (
        rows[rows["kind"] == "searched"].groupby("replicate_id")["seed"].nunique()
        if (rows["kind"] == "searched").any()
        else rows.groupby("replicate_id")["seed"].nunique()
    )
    yield Item(
        "Were all methods run several times?", YES if seeds.min() >= 3 else PARTLY if seeds.min() == 2 else NO,
        f"{seeds.min()} to {seeds.max()} seeds a configuration" if seeds.min() < seeds.max() else f"{seeds.min()} seed{'s' if seeds.min() > 1 else ''} a configuration",
    )  # fmt: skip
    random = rows[rows["kind"] == "random"]["architecture"].nunique()
    yield Item(
        "Was the search compared with random architectures, trained alike?",
        YES if random else NO,
        f"{random} random architectures",
    )
    differ = [name for name in TRAINED if name in rows and rows[name].nunique(dropna=False) > 1]
    yield Item(
        "Do compared networks share space, data and training?",
        PARTLY if differ else YES,
        f"rows differ in {', '.join(differ)}: compared within each" if differ else "all rows do",
    )
    pixels = rows.groupby(["task", "test_set", "sigma", "protocol"], dropna=False)["test_pixels_sha256"].nunique()
    yield Item(
        "Was every network scored on the same pixels?",
        YES if (pixels <= 1).all() else NO,
        "a hash of every scored pixel is equal in all rows of a protocol"
        if (pixels <= 1).all()
        else "hashes of the scored pixels differ",
    )
    yield Item(
        "Was nothing chosen on test data?",
        YES if not rows["allow_overlap"].fillna(False).astype(bool).any() else PARTLY,
        "α learns from validation; images that splits share stop a study"
        if not rows["allow_overlap"].fillna(False).astype(bool).any()
        else "allow_overlap=true: splits share images, which the run named",
    )
    methods = sorted(set(references["method"])) if len(references) else []
    yield Item(
        "Are there baselines from outside the search space?",
        YES if methods else NO,
        ", ".join(methods) or "no classical method was scored",
    )


def _reported(rows: pd.DataFrame, curves: pd.DataFrame) -> Iterator[Item]:
    devices = sorted({d for name in ("search_device", "train_device", "device") for d in rows[name].dropna()})
    yield Item("Is the hardware given?", YES if devices else NO, "; ".join(devices) or "not recorded")
    yield Item(
        "Is performance over time recorded?",
        YES if len(curves) else NO,
        f"{len(curves):,} points of curves" if len(curves) else "no curves",
    )
    yield Item("Is the time of the whole method reported?", YES, " ".join(cost_lines(rows)))
    yield Item("Were results repeated on a tabular benchmark?", NO, "there is none for this space")

"""The reproducibility checklist for architecture search, filled from what a store records.

After Lindauer and Hutter 2020, "Best practices for scientific research on neural architecture search", JMLR 21(243).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.rows.columns import pixel_fields, training_fields
from analysis.rows.comparable import HASH, differing
from analysis.rows.configurations import KEY
from analysis.rows.load import whole
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
    rows = whole(frame)
    if not len(rows):
        return [Item("Has anything finished?", NO, "no trial has finished: there is nothing to reproduce yet")]
    return [*_released(about, rows), *_compared(rows, references), _chosen(about, rows), *_reported(rows, curves)]


def _released(about: Mapping[str, Any], rows: pd.DataFrame) -> Iterator[Item]:
    commits = sorted(set(rows["commit"].dropna()))
    changed = [one for one in commits if one.endswith("+changes")]
    told = ", ".join(one[:12] + "+changes" * (one in changed) for one in commits)
    code = f"commit {told}" if commits else "the code was not in a checkout"
    answer = NO if not commits else PARTLY if changed else YES
    yield Item("Is the code of the search, the training and the evaluation released?", answer, code)
    versions = set(rows["versions"].dropna())
    known = json.loads(next(iter(versions))) if versions else {}
    told = ", ".join(f"{name} {number}" for name, number in sorted(known.items()))
    if len(versions) != 1:
        told = f"{len(versions)} sets of versions; each row has its own"
    answer = YES if len(versions) == 1 else PARTLY if versions else NO
    yield Item("Are all versions of libraries given?", answer, told)
    every = "every row holds the complete configuration; study.json those that were planned"
    yield Item("Are all hyperparameters of the search and of the training given?", YES, every)
    commands = [run["command"] for run in about.get("runs", [])] or ["study.json is missing"]
    yield Item("Is the exact command given?", YES if about.get("runs") else NO, commands[-1])
    seeds = f"seeds {', '.join(map(str, sorted(rows['seed'].unique())))}; all random streams spawn from them"
    yield Item("Are the random seeds given?", YES, seeds)


def _compared(rows: pd.DataFrame, references: pd.DataFrame) -> Iterator[Item]:
    searched = rows[rows["kind"] == "searched"]
    seeds = (searched if len(searched) else rows).groupby(KEY)["seed"].nunique()
    least, most = seeds.min(), seeds.max()
    told = f"{least} to {most} seeds" if least < most else f"{least} seed{'s' if least > 1 else ''}"
    answer = YES if least >= 3 else PARTLY if least == 2 else NO
    yield Item("Were all methods run several times?", answer, f"{told} a configuration")
    random = rows[rows["kind"] == "random"]["architecture"].nunique()
    question = "Was the search compared with random architectures, trained alike?"
    yield Item(question, YES if random else NO, f"{random} random architectures")
    differ = differing(rows, training_fields())
    told = f"rows differ in {', '.join(differ)}: compared within each" if differ else "all rows do"
    yield Item("Do compared networks share space, data and training?", PARTLY if differ else YES, told)
    known = [name for name in (*pixel_fields(), "test_images") if name in rows]
    pixels = rows.groupby(known, dropna=False)[HASH].nunique()
    equal = bool((pixels <= 1).all())
    told = "a hash of every scored pixel is equal in all rows of a protocol" if equal else ""
    told = told or "hashes of the scored pixels differ"
    yield Item("Was every network scored on the same pixels?", YES if equal else NO, told)
    methods = sorted(set(references["method"])) if len(references) else []
    told = ", ".join(methods) or "no classical method was scored"
    yield Item("Are there baselines from outside the search space?", YES if methods else NO, told)


def _chosen(about: Mapping[str, Any], rows: pd.DataFrame) -> Item:
    """What chose, and by which images."""
    proposing = about.get("study") == "adaptive_pareto"  # versions before the word proposed by the test score
    followed = {run.get("follows_from", "psnr_db" if proposing else None) for run in about.get("runs", [])} - {None}
    splits = " and ".join(sorted(set(rows.loc[rows["kind"] == "searched", "alpha_split"].dropna())))
    told = [f"α learns from the split {splits}, and the early stopping of a search follows from α"] if splits else []
    told += [f"proposals follow from {name}" for name in sorted(followed)]
    told += ["classical methods are tuned on the split validation"]
    told += ["a network's last weights are kept", "the report's best, knee and panels describe: they go by test scores"]
    overlap = rows["allow_overlap"].fillna(False).astype(bool).any()
    told += ["allow_overlap=true: splits share images, which the run named"] * bool(overlap)
    answer = NO if "psnr_db" in followed else PARTLY if overlap else YES
    return Item("Was nothing chosen on test data?", answer, "; ".join(told))


def _reported(rows: pd.DataFrame, curves: pd.DataFrame) -> Iterator[Item]:
    devices = sorted({d for name in ("search_device", "train_device", "device") for d in rows[name].dropna()})
    yield Item("Is the hardware given?", YES if devices else NO, "; ".join(devices) or "not recorded")
    points = f"{len(curves):,} points of curves" if len(curves) else "no curves"
    yield Item("Is performance over time recorded?", YES if len(curves) else NO, points)
    yield Item("Is the time of the whole method reported?", YES, " ".join(cost_lines(rows)))
    yield Item("Were results repeated on a tabular benchmark?", NO, "there is none for this space")

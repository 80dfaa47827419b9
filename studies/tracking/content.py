"""What MLflow's runs of a study should hold: one run for the study, one for each trial that has begun.

* Params are the configuration's fields: they can't change.
* Tags are texts and flags that were found.
* Metrics are figures, and the points of curves, each with its own iteration and time.

A failed trial has its curve and its reason; figures belong to finished trials, whose rows are never replaced.
"""

import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeGuard

import pyarrow as pa

from analysis.storage.places import redacted
from clearer.configuration import Configuration, digest, field_types
from clearer.fields import as_text
from clearer.presets import label
from clearer.tasks.known import task_of
from studies.store.rows import ROW, configuration_columns
from studies.store.store import Row, Store
from studies.store.study_file import read_study
from studies.tracking.artifacts import write_trial_files

STUDY_TAG, TRIAL_TAG, _COMMIT_TAG = "clearer.study_id", "clearer.trial_id", "mlflow.source.git.commit"
LONGEST_TEXT = 5000

_PARAMS = tuple(name for name in field_types() if name != "architecture")
_OTHERS = [field for field in ROW if field.name not in {*_PARAMS, "study", "trial_id"}]
_TAGS = tuple(field.name for field in _OTHERS if pa.types.is_string(field.type) or pa.types.is_boolean(field.type))
_FIGURES = tuple(field.name for field in _OTHERS if pa.types.is_integer(field.type) or pa.types.is_floating(field.type))
_LISTS = tuple(field.name for field in _OTHERS if pa.types.is_list(field.type))
_FIRST = ("psnr_db", "ssim", "test_time_ms")  # and parameters_m; others have a prefix, so that charts begin with these
_CURVES = ("restoration_loss", "alpha_loss", "architecture_loss", "complexity_loss", "psnr_db")
OWN_TAGS = {*_TAGS, _COMMIT_TAG}
"""Tags that a run has if and only if the store says so; others are the users'."""

Point = tuple[str, int, int, float]
"""A metric's name, step, time in milliseconds since 1970, and value."""


@dataclass(frozen=True)
class Content:
    """All that one run should hold. `ended` is None and `status` RUNNING for what is still under way.

    `files` writes its artifacts into a folder, and `files_key` changes when they do. The note shows `picture`, which is
    one of them, if there is one. A user's own note stays.
    """

    identity: dict[str, str]
    name: str
    note: str
    status: str
    started: int
    ended: int | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: frozenset[Point] = frozenset()
    files: Callable[[Path], None] = lambda folder: None
    files_key: str = ""
    picture: str = ""
    is_partial: bool = False
    """A run may hold more than is known of it now."""

    @property
    def digest(self) -> str:
        """A hash of all but names: a run that carries it was sent whole."""
        facts = [self.status, self.started, self.ended, dict(self.params), dict(self.tags), self.files_key]
        return digest([facts, sorted(self.points)])


def study_content(store: Store, study: str) -> Content:
    """What the run of the study itself should hold: under way as long as a trial has no row."""
    about = read_study(store, study)
    rows = store.rows(study, store.trial_ids(study) & set(about["trials"]))
    first, last = about["runs"][0], about["runs"][-1]
    failed, missing = sum(row["status"] == "failed" for row in rows), len(about["trials"]) - len(rows)
    report = f"studies/{study}/report"
    hashes = {name: digest((store.read(f"{report}/{name}") or b"").hex()) for name in store.files(report)}
    facts = {name: last[name] for name in ("preset", "command", "commit")}
    facts |= {name: json.dumps(last[name], sort_keys=True) for name in ("versions", "hardware")}
    facts |= {"kind": "study", "trials": len(about["trials"]), "failed": failed, "missing": missing}
    facts[_COMMIT_TAG] = last["commit"]

    def write(folder: Path) -> None:
        for name in hashes:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(store.read(f"{report}/{name}") or b"")

    return Content(
        identity={STUDY_TAG: about["study_id"]},
        name=f"{study} ({last['preset']})",
        note=f"The study **{study}**: its report is below *Artifacts*, its trials are the nested runs.",
        status="RUNNING" if missing else "FAILED" if failed == len(rows) else "FINISHED",
        started=_milliseconds(datetime.fromisoformat(first["started_at"])),
        ended=None if missing else max(_milliseconds(row["finished_at"]) for row in rows),
        params={},
        tags=_texts(facts),
        files=write,
        files_key=digest(hashes) if hashes else "",
        picture=next((name for name in sorted(hashes) if re.fullmatch(r"pareto_parameters.*\.png", name)), ""),
    )


@dataclass(frozen=True)
class UnderWay:
    """A trial that has begun and has no row yet, and the records of its curve that the store has."""

    configuration: Configuration
    started_at: datetime
    records: Sequence[Mapping[str, Any]] = ()


def trial_content(store: Store, study_id: str, c: Configuration, trial: Row | UnderWay, name: str = "") -> Content:
    """What the run of a trial should hold: of one that has ended by its row, of another by what is known so far."""
    columns = configuration_columns(c)
    space = f"{c.cells} cells of {as_text(c.columns_by_cell)} columns, {c.channels} channels"
    told: dict[str, Any] = {
        "identity": {STUDY_TAG: study_id, TRIAL_TAG: c.trial_id},
        "name": name or label(c),
        "note": f"{label(c)}: {c.task} ({task_of(c).said(c)}) on {c.dataset}, {space}",
        "params": _texts({name: columns.get(name) for name in _PARAMS}),
    }
    if isinstance(trial, UnderWay):
        told |= {"started": _milliseconds(trial.started_at), "points": frozenset(curve_points(trial.records))}
        return Content(**told, status="RUNNING", ended=None, tags={}, is_partial=True)
    made = [trial["architecture"], trial["test_key"], trial["train_key"]]
    curve = store.curve(f"studies/{trial['study']}/curves/{c.trial_id}.parquet")
    ended, finished = _milliseconds(trial["finished_at"]), trial["status"] == "finished"
    return Content(
        **told,
        status="FINISHED" if finished else "FAILED",
        started=_milliseconds(trial["started_at"]),
        ended=ended,
        tags=_texts({name: trial.get(name) for name in _TAGS} | {_COMMIT_TAG: trial["commit"]}),
        points=frozenset(curve_points(curve)) | (_figures(trial, ended) if finished else frozenset()),
        files=lambda folder: write_trial_files(folder, store, trial, curve),
        files_key=digest(made) if any(made) else "",
    )


def is_former(metric: str) -> bool:
    """Whether only earlier versions sent a metric: MLflow takes it back no more."""
    return metric in {*_FIGURES, *_LISTS} - {*_FIRST} or "/alpha_fusion_" in metric


def run_names(configurations: Collection[Configuration]) -> dict[str, str]:
    """The name of each trial's run: its label, but what differs between the study's trials of its kind comes first."""
    said = {c.trial_id: (c.kind, label(c).replace("seed ", "seed=").split()) for c in configurations}
    names = {}
    for kind in {c.kind for c in configurations}:
        own = {trial_id: words for trial_id, (its, words) in said.items() if its == kind}
        beside = own.values() if len(own) > 1 else [words for _, words in said.values()]
        shared = set.intersection(*map(set, beside)) - {kind}
        for trial_id, words in own.items():
            names[trial_id] = " ".join(sorted(words, key=shared.__contains__)).replace("seed=", "seed ")
    return names


def _figures(row: Mapping[str, Any], stamp: int) -> frozenset[Point]:
    """The figures of a row; those of a list are steps, counted from 1."""
    one = [(name if name in _FIRST else f"more/{name}", 0, row.get(name)) for name in _FIGURES]
    if row.get("parameters") is not None:
        one.append(("parameters_m", 0, row["parameters"] / 1e6))
    many = [(f"series/{name}", step, v) for name in _LISTS for step, v in enumerate(row.get(name) or [], start=1)]
    return frozenset((name, step, stamp, _stored(value)) for name, step, value in one + many if _is_number(value))


def curve_points(records: Iterable[Mapping[str, Any]]) -> Iterable[Point]:
    """The points of curve records: of `search/psnr_db`, …, and of `alpha/fusion_01` for each column."""
    for record in records:
        stamp = int(1000 * record["recorded_at"])
        values = {f"{record['stage']}/{name}": record.get(name) for name in _CURVES}
        values |= {f"alpha/fusion_{column:02d}": a for column, a in enumerate(record.get("alpha") or [], start=1)}
        for name, value in values.items():
            if _is_number(value):
                yield name, record["iteration"], stamp, _stored(value)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as MLflow keeps them: as `--set` takes them, without secrets; those that are not there are left out."""
    texts = {name: redacted(as_text(value))[:LONGEST_TEXT] for name, value in values.items() if value is not None}
    return {name: text for name, text in texts.items() if text}


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and value == value


def _stored(value: float) -> float:
    """A value as MLflow's databases hold it: they have no infinity."""
    return max(-sys.float_info.max, min(sys.float_info.max, float(value)))


def _milliseconds(when: datetime) -> int:
    return int(1000 * when.timestamp())

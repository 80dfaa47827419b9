"""All that a store keeps of one study: its rows, curves, references, and what it was asked."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from analysis.rows.comparable import protocol_groups
from analysis.rows.load import load, load_curves, load_oneshot, load_references, load_timings, read_about
from analysis.rows.units import counted

T = TypeVar("T")
_NO_AXES = ("kind", "architecture", "seed", "module_times_ms", "lambda1_multiple")


def _read_by(load: Callable[[str | Path, str], T]) -> cached_property[T]:
    """A part of a study that is what `load` reads, and has its docstring."""
    return cached_property(wraps(load)(lambda rows: load(rows.storage, rows.study)))


@dataclass(frozen=True)
class StudyRows:
    """The files of the study `study` of the store `storage` as frames; each is read when it is first asked for.

    Raises StorageError: no such store, or no such study in it, when a part is first asked for.
    """

    storage: str | Path
    study: str
    only: frozenset[str] | None = None
    """The trials (`trial_id`) that count, where a study has planned others before."""

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row a trial that has ended, failed ones too (`analysis.load`)."""
        rows = load(self.storage, self.study)
        return rows if self.only is None or not len(rows) else rows[rows["trial_id"].isin(list(self.only))]

    curves = _read_by(load_curves)
    references = _read_by(load_references)
    timings = _read_by(load_timings)
    oneshot = _read_by(load_oneshot)
    about = _read_by(read_about)

    @cached_property
    def groups(self) -> list[tuple[str, pd.DataFrame]]:
        """The finished rows in groups of one protocol each, with a caption; rows of different groups do not compare."""
        return list(protocol_groups(self.frame))

    @cached_property
    def planned(self) -> dict[str, Mapping[str, Any]]:
        """The configurations of the trials that count, by `trial_id`, ended or not."""
        trials = self.about.get("trials", {})
        return {name: values for name, values in trials.items() if self.only is None or name in self.only}

    @cached_property
    def axes(self) -> list[str]:
        """The fields of the configuration, the seed apart, that tell planned trials of a kind apart."""
        trials = list(self.planned.values())
        kinds = [[t for t in trials if (t["kind"] == "searched") == searched] for searched in (True, False)]
        names = [name for name in (trials[0] if trials else {}) if name not in _NO_AXES]
        return [name for name in names if any(len({json.dumps(t.get(name)) for t in kind}) > 1 for kind in kinds)]

    @property
    def counts(self) -> str:
        """How many trials have finished, failed, and not ended yet."""
        rows = self.frame
        ended = rows["status"].value_counts() if len(rows) else pd.Series(dtype=int)
        done, failed = int(ended.get("finished", 0)), int(ended.get("failed", 0))
        missing = len(set(self.planned) - set(rows["trial_id"] if len(rows) else ()))
        parts = [f"{counted(done, 'trial')} finished"]
        parts += [f"{failed} failed"] * bool(failed) + [f"{missing} not ended yet"] * bool(missing)
        return ", ".join(parts)

    def suffix(self, group: int) -> str:
        """What tells the files of a protocol, counted from 0, from those of others: nothing where there is one."""
        return f"_{group + 1}" if len(self.groups) > 1 else ""

"""All that one study found, in one object: rows, front, figures, and a way to save them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.groups import PROTOCOL, comparable
from analysis.pareto import pareto_front
from analysis.results import (
    finished,
    load,
    load_curves,
    load_oneshot,
    load_references,
    load_timings,
    read_about,
)
from analysis.trial_table import TABLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NO_AXES = ("kind", "architecture", "seed", "module_times_ms", "lambda1_multiple")


@dataclass(frozen=True)
class Results:
    """What the study `study` of the store `storage` has found so far; each part is read when it is first asked for.

    Example: `Results("runs", "lambda_pareto").front(minimise=["test_time_ms"])`.

    Raises:
        StorageError: no such store, or no such study in it, when a part is first asked for.
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

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row a reported iteration (`analysis.load_curves`)."""
        return load_curves(self.storage, self.study)

    @cached_property
    def references(self) -> pd.DataFrame:
        """The degraded input and the classical denoisers (`analysis.load_references`)."""
        return load_references(self.storage, self.study)

    @cached_property
    def timings(self) -> pd.DataFrame:
        """Testing times that were taken later, on other devices (`analysis.load_timings`)."""
        return load_timings(self.storage, self.study)

    @cached_property
    def oneshot(self) -> pd.DataFrame:
        """What supernets scored architectures (`analysis.load_oneshot`)."""
        return load_oneshot(self.storage, self.study)

    @cached_property
    def about(self) -> Mapping[str, Any]:
        """`study.json`: `question`, `trials` (every configuration that was planned), and `runs` (command, commit, versions, hardware)."""
        return read_about(self.storage, self.study)

    @cached_property
    def groups(self) -> list[tuple[str, pd.DataFrame]]:
        """The finished rows in groups of one protocol each, with a caption; rows of different groups do not compare."""
        return list(comparable(self.frame))

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
    def swept(self) -> list[str]:
        """Those of `axes` that neither every table of trials has nor a protocol is made of."""
        return [name for name in self.axes if name not in {*PROTOCOL, *TABLE}]

    def suffix(self, group: int) -> str:
        """What tells the files of a protocol, counted from 0, from those of others: nothing where there is one."""
        return f"_{group + 1}" if len(self.groups) > 1 else ""

    def front(
        self, minimise: Sequence[str] = ("parameters",), maximise: Sequence[str] = ("psnr_db",), group: int = 0
    ) -> pd.DataFrame:
        """The rows of a protocol that no other row of it beats in every column (`analysis.pareto_front`); none where nothing finished.

        Raises:
            IndexError: there are fewer protocols (`groups`) than `group`, which counts from 0.
        """
        if not self.groups:
            return finished(self.frame)
        if group not in range(len(self.groups)):
            raise IndexError(f"group {group}: the study has {len(self.groups)} protocols, counted from 0")
        return pareto_front(self.groups[group][1], minimise=minimise, maximise=maximise)

    def figures(self) -> dict[str, Figure]:
        """Every figure of the report that could be drawn, by the name of its files."""
        from analysis.drawings import drawings

        return {drawing.name: drawing.figure for drawing in drawings(self) if drawing.figure is not None}

    def save(self, folder: str | Path | None = None) -> list[str]:
        """Writes the report (page, tables, figures) into `folder`, or beside the study's rows; the names written, below it.

        Raises:
            StorageError: the folder can't be written.
        """
        from analysis.report import write_report

        return write_report(self, folder)

    def image_scores(self, group: int = 0) -> pd.DataFrame:
        """PSNR in dB of every run of a protocol on every test image: (runs × images), indexed by `trial_id`; images count from 0."""
        if not self.groups:
            return pd.DataFrame()
        return image_scores(self.groups[group][1])


def image_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """PSNR in dB of every row on every test image: (rows × images), indexed by `trial_id`, images counted from 0.

    Rows without figures by image are left out.

    Raises:
        ValueError: rows were tested on different numbers of images.
    """
    scored = rows[rows["psnr_by_image"].notna()]
    lengths = sorted({len(one) for one in scored["psnr_by_image"]})
    if len(lengths) > 1:
        raise ValueError(f"rows were tested on {' or '.join(map(str, lengths))} images: choose rows of one protocol")
    index = pd.Index(scored["trial_id"], name="trial_id")
    return pd.DataFrame([list(map(float, one)) for one in scored["psnr_by_image"]], index=index)

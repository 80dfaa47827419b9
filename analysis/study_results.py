"""All that one study found, in one object: rows, front, best network, figures, and a way to save them."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.rows.columns import training_fields
from analysis.rows.comparable import by_device, differing
from analysis.rows.study import StudyRows
from analysis.rows.units import nearest, require
from analysis.statistics.health import Finding, health
from analysis.storage.files import Files
from analysis.storage.places import StorageError, join
from analysis.tables.results import Front, configuration_table, front_table

if TYPE_CHECKING:
    from analysis.figures.style import Figure


@dataclass(frozen=True)
class TrainedNetwork:
    """The file of a trained network: its path or URI, and what is in it; `python -m clearer restore` takes it."""

    architecture: str
    file: str
    data: bytes = field(repr=False)

    def module(self) -> Any:
        """The network as a PyTorch module in evaluation mode, on the CPU; safetensors alone is read, no pickle.

        Raises ModuleNotFoundError: torch is not installed.
        """
        from clearer.checkpoint import unpack_network  # the only place of analysis that needs torch

        return unpack_network(self.data)


class Figures(dict[str, "Figure"]):
    """Figures by name; a notebook shows all of them. Raises KeyError: an unknown one; names those that there are."""

    def __missing__(self, name: str) -> "Figure":
        raise KeyError(f"no figure {name}{nearest(name, self)}; there are {', '.join(self) or 'none'}")

    def _repr_html_(self) -> str:
        pictures = ((name, b64encode(figure._repr_png_()).decode()) for name, figure in self.items())
        return "".join(f'<h4>{name}</h4><img src="data:image/png;base64,{data}">' for name, data in pictures)


@dataclass(frozen=True, repr=False)
class Results(StudyRows):
    """What the study `study` of the store `storage` has found so far; each part is read when it is first asked for.

    Example: `Results("runs", "lambda_pareto").front(minimise=["test_time_ms"])`.
    """

    @property
    def health(self) -> list[Finding]:
        """What is wrong with the study, the gravest first (`analysis.health`); `pandas.DataFrame(…)` makes a table."""
        return health(self.frame, self.curves, self.references, self.about)

    def __repr__(self) -> str:
        try:
            said = f"{self.counts}\n{self.about.get('question', '')}"
            protocols = [f"protocol {number}: {text.splitlines()[0]}" for number, (text, _) in enumerate(self.groups)]
        except StorageError as error:
            said, protocols = str(error), []
        parts = ".frame  .curves  .front()  .best(max_parameters=…)  .network(row)  .figures()  .save(FOLDER)"
        return "\n".join([f"Results({str(self.storage)!r}, {self.study!r}): {said}", *protocols, parts])

    def front(
        self, minimise: Sequence[str] = ("parameters",), maximise: Sequence[str] = ("psnr_db",), group: int = 0
    ) -> Front:
        """The configurations of a protocol that no other beats in every column: a row each, means over its seeds.

        As the report's front. Columns: what was varied, `architecture`, `seeds`, the means, `psnr_db_min`,
        `psnr_db_max`, and the `trial_id` of the seed with the best validation score. `.to_latex()` prints the few that
        a paper needs. The front of single trials is `analysis.pareto_front(results.groups[0][1], …)`. None where
        nothing finished. Raises IndexError: there are fewer protocols (`groups`) than `group`, which counts from 0.
        Raises KeyError: a column that rows lack; the nearest is named. Raises ValueError: times of several devices.
        """
        return front_table(self._group(group), self.axes, minimise, maximise) if self.groups else Front()

    def best(
        self,
        max_parameters: float | None = None,
        max_time_ms: float | None = None,
        group: int = 0,
        device: str | None = None,
    ) -> pd.Series:
        """The network with the best mean validation PSNR over its seeds, within a budget, as a row of `front`.

        Test scores do not choose, so `psnr_db` of what was chosen is an honest figure. Networks of one architecture and
        training are one, whatever search found them. `device` names one of several that times were taken on. Raises
        IndexError as `front`. Raises ValueError: nothing within the budget, no validation score, several devices.
        """
        if not self.groups:
            raise ValueError(f"{self.study}: no trial has finished with a score")
        rows = self._group(group).dropna(subset=["validation_psnr_db", "psnr_db"])
        if not len(rows):
            raise ValueError("no row has a validation score (validation_psnr_db), by which networks are chosen")
        if max_time_ms is not None:
            rows = self._timed(rows, device)
        for name, most in (("parameters", max_parameters), ("test_time_ms", max_time_ms)):
            if most is not None:
                least, rows = rows[name].min(), rows[rows[name] <= most]
                if not len(rows):
                    raise ValueError(f"no network with {name} of at most {most:,g}: the least is {least:,g}")
        table = configuration_table(rows, self.axes, by=["architecture", *differing(rows, training_fields())])
        return pd.DataFrame(table).iloc[int(table["validation_psnr_db"].argmax())]

    def network(self, row: str | Mapping[str, Any] | pd.Series) -> TrainedNetwork:
        """The trained network of a row of `frame`, `front()` or `best()`, or of a `trial_id`.

        `.file` is where it lies, `.module()` the PyTorch module. Raises KeyError: no such trial. Raises ValueError: the
        trial has no network, for it failed, or the store holds it no longer.
        """
        trial = row["trial_id"] if isinstance(row, Mapping | pd.Series) and "trial_id" in row else row
        if not isinstance(trial, str):
            raise KeyError("no trial_id: hand in one row of frame, front() or best(), or the text of its trial_id")
        known = self.frame.set_index("trial_id") if len(self.frame) else self.frame
        if trial not in known.index:
            raise KeyError(f"no trial {trial}{nearest(trial, known.index)} in {self.study}")
        found, files = known.loc[trial], Files(self.storage)
        name = f"stages/train/{found['train_key']}/network.safetensors"
        data: bytes | None = None if pd.isna(found["train_key"]) else files.read(name)
        if data is None:
            raise ValueError(f"trial {trial} ({found['status']}) has no network in the store")
        place, query, more = str(self.storage).partition("?")  # of an address on S3
        return TrainedNetwork(str(found["architecture"]), join(place, name) + query + more, data)

    def figures(self) -> Figures:
        """Every figure of the report that could be drawn, by the name of its files; a notebook shows them all."""
        from analysis.report.drawings import drawings

        return Figures((drawing.name, drawing.figure) for drawing in drawings(self) if drawing.figure is not None)

    def save(self, folder: str | Path | None = None) -> list[str]:
        """Writes the report into `folder`, or beside the study's rows; the names written, below it.

        Raises StorageError: the folder can't be written.
        """
        from analysis.report.report import write_report

        return write_report(self, folder)

    def image_scores(self, group: int = 0) -> pd.DataFrame:
        """PSNR in dB of every run of a protocol on every test image: `image_scores` of its rows."""
        return image_scores(self._group(group)) if self.groups else pd.DataFrame()

    def _group(self, group: int) -> pd.DataFrame:
        if group not in range(len(self.groups)):
            raise IndexError(f"group {group}: the study has {len(self.groups)} protocols, counted from 0")
        return self.groups[group][1]

    def _timed(self, rows: pd.DataFrame, device: str | None) -> pd.DataFrame:
        """The rows with their times on `device`, or on the only one."""
        timed = dict(by_device(rows, self.timings))
        if device is None and len(timed) != 1:
            raise ValueError(f"times were taken on {' and '.join(timed) or 'no device'}: name one as device=…")
        name = next(iter(timed)) if device is None else device
        if name not in timed:
            raise ValueError(f"no times were taken on {name}{nearest(name, timed)}; there are {', '.join(timed)}")
        return timed[name]


def image_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """PSNR in dB of every row on every test image: (rows × images), indexed by `trial_id`, images counted from 0.

    Rows without figures by image are left out. Raises KeyError: a column that rows lack. Raises ValueError: rows were
    tested on different numbers of images.
    """
    require(rows, "trial_id", "psnr_by_image")
    scored = rows[rows["psnr_by_image"].notna()]
    lengths = sorted({len(one) for one in scored["psnr_by_image"]})
    if len(lengths) > 1:
        raise ValueError(f"rows were tested on {' or '.join(map(str, lengths))} images: choose rows of one protocol")
    return pd.DataFrame([list(map(float, one)) for one in scored["psnr_by_image"]], index=scored["trial_id"])

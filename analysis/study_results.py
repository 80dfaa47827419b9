"""All that one study found, in one object: rows, front, figures, and a way to save them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from analysis.rows.load import finished
from analysis.rows.study import StudyRows
from analysis.statistics.health import Finding, health
from analysis.statistics.pareto import pareto_front

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Results(StudyRows):
    """What the study `study` of the store `storage` has found so far; each part is read when it is first asked for.

    Example: `Results("runs", "lambda_pareto").front(minimise=["test_time_ms"])`.
    """

    @property
    def health(self) -> list[Finding]:
        """What is wrong with the study, the gravest first (`analysis.health`); `pandas.DataFrame(…)` makes a table."""
        return health(self.frame, self.curves, self.references, self.about)

    def front(
        self, minimise: Sequence[str] = ("parameters",), maximise: Sequence[str] = ("psnr_db",), group: int = 0
    ) -> pd.DataFrame:
        """The rows of a protocol that no other row of it beats in every column (`analysis.pareto_front`).

        None where nothing finished.

        Raises:
            IndexError: there are fewer protocols (`groups`) than `group`, which counts from 0.
        """
        if not self.groups:
            return finished(self.frame)
        if group not in range(len(self.groups)):
            raise IndexError(f"group {group}: the study has {len(self.groups)} protocols, counted from 0")
        return pareto_front(self.groups[group][1], minimise=minimise, maximise=maximise)

    def figures(self) -> "dict[str, Figure]":
        """Every figure of the report that could be drawn, by the name of its files."""
        from analysis.report.drawings import drawings

        return {drawing.name: drawing.figure for drawing in drawings(self) if drawing.figure is not None}

    def save(self, folder: str | Path | None = None) -> list[str]:
        """Writes the report into `folder`, or beside the study's rows; the names written, below it.

        Raises:
            StorageError: the folder can't be written.
        """
        from analysis.report.report import write_report

        return write_report(self, folder)

    def image_scores(self, group: int = 0) -> pd.DataFrame:
        """PSNR in dB of every run of a protocol on every test image: `image_scores` of its rows."""
        return image_scores(self.groups[group][1]) if self.groups else pd.DataFrame()


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

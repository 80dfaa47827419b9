"""Testing times that were not measured, from those that were: time = fixed + Σ over cells of what each module takes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.predictions.space import fusions_of
from analysis.rows.columns import scoring_fields, shape_fields
from analysis.rows.comparable import TIMED, differing


@dataclass(frozen=True)
class LeftOut:
    """How far predictions were off for architectures that the fit had not seen: each left out once, and predicted.

    `mean_median_percent` is the median error of the others' mean as a prediction: a model no better has found noise.
    """

    architectures: int
    median_ms: float
    max_ms: float
    median_percent: float
    max_percent: float
    mean_median_percent: float


@dataclass(frozen=True)
class TimeModel:
    """The testing time of any architecture of one space, on one device and at one image size.

    time = `all_parallel_ms` + Σ over cells of `contrasts_ms` × the cell's fusion modules. Within one space the sum of
    modules a cell is fixed, so of the time of P and of F only the difference, F − P, can be known. Modules are taken to
    add up: what a fusion costs does not depend on what stands beside it. `error` says how true that is of architectures
    that were not fitted. Where there is a `reason`, nothing was fitted, and all figures and predictions are null.
    """

    device: str
    size: str
    architectures: int
    all_parallel_ms: float | None
    contrasts_ms: tuple[float, ...] | None
    error: LeftOut | None
    reason: str | None

    def predict(self, frame: pd.DataFrame) -> pd.Series:
        """Milliseconds an image for each row, by its `fusions` (of `analysis.space`) or else by its `architecture`."""
        keys = frame["fusions"] if "fusions" in frame else pd.Series(fusions_of(frame["architecture"]), frame.index)
        distinct = keys.unique().tolist()
        if self.all_parallel_ms is None or self.contrasts_ms is None:
            return pd.Series(np.nan, frame.index, name="predicted_time_ms")
        times = _counts(distinct) @ np.array(self.contrasts_ms) + self.all_parallel_ms if distinct else []
        return keys.map(dict(zip(distinct, times, strict=True))).astype(float).rename("predicted_time_ms")


def time_model(rows: pd.DataFrame) -> TimeModel:
    """The model fitted by least squares to the timed rows of one device (of `by_device`), size and space.

    An architecture counts once, with the median over its rows. At least S + 2 architectures are needed, of which every
    cell's number of fusions varies independently: S + 1 figures are fitted, and one is left over to be predicted.
    Raises ValueError: rows that differ in their device, image size, space or way of scoring.
    """
    timed = rows.dropna(subset=["test_time_ms", "architecture"])
    for name in differing(timed, [*TIMED[:2], *shape_fields(), *scoring_fields()])[:1]:
        values = ", ".join(map(str, sorted(timed[name].dropna().unique())))
        raise ValueError(f"{name}: times of {values} are not of one model; hand in the rows of one of them")
    times = timed.groupby("architecture")["test_time_ms"].median()
    device, size = (str(timed[name].iloc[0]) if len(timed) and name in timed else "" for name in TIMED[:2])
    fitted, left_out, reason = _fitted(times.index.tolist(), times.to_numpy(float))
    all_parallel, *contrasts = fitted.tolist() if reason is None else (None,)
    return TimeModel(device, size, len(times), all_parallel, tuple(contrasts) or None, left_out, reason)


def _fitted(architectures: list[str], times: np.ndarray) -> tuple[np.ndarray, LeftOut | None, str | None]:
    """The coefficients, what leaving one out found, and why they are not known, if they are not."""
    nothing = np.empty(0)
    if not architectures:
        return nothing, None, "no architecture is timed"
    design = np.column_stack([np.ones(len(times)), _counts(fusions_of(architectures))])
    count, needed = len(times), design.shape[1] + 1
    if count < needed:
        return nothing, None, f"{count} architectures are timed, {needed} are needed"
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return nothing, None, f"the {count} timed architectures do not tell the cells' fusion modules apart"
    fitted = np.linalg.lstsq(design, times, rcond=None)[0]
    least = fitted[0] + np.minimum(fitted[1:], 0) @ np.array([len(cell) for cell in architectures[0].split("-")])
    if least <= 0:
        return nothing, None, "the times do not add up: some architecture would take no time at all"
    left_out = _left_out(design, times)
    told = f"without any one of the {count} timed architectures the cells could not be told apart"
    return fitted, left_out, told if left_out is None else None


def _left_out(design: np.ndarray, times: np.ndarray) -> LeftOut | None:
    """Each time predicted from the others, in closed form: its residual over one less its leverage."""
    inverse = np.linalg.pinv(design)
    left = 1 - np.einsum("ij,ji->i", design, inverse)
    told = left > 1e-9  # where it is 0, nothing else tells what this one tells: it can't be predicted from the others
    if not told.any():
        return None
    measured, count = times[told], len(times)
    off = np.abs(times - design @ (inverse @ times))[told] / left[told]
    off_mean = np.abs(measured - times.mean()) * count / (count - 1)
    percent, percent_mean = 100 * off / measured, 100 * off_mean / measured
    figures = np.median(off), off.max(), np.median(percent), percent.max(), np.median(percent_mean)
    return LeftOut(len(measured), *map(float, figures))


def _counts(fusions: list[str]) -> np.ndarray:
    """(rows, cells) fusion modules."""
    return np.array([[int(count) for count in text.split("-")] for text in fusions])

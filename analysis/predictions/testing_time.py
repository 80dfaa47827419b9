"""Testing times that were not measured, from those that were: time = fixed + Σ over cells of what each module takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.predictions.space import fusions_of

ALIKE = ("device", "test_time_size", "columns", "channels", "image_channels", "self_ensemble")
"""Times of rows that differ in one of these are not of one model."""


@dataclass(frozen=True)
class LeftOut:
    """How far predictions of times that the fit had not seen were off: each architecture left out once, and those predicted.

    `mean_median_percent` is the median error of predicting the mean of the other times instead: a model that is no
    better than that has found noise.
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

    time = `all_parallel_ms` + Σ over cells of `contrasts_ms` × the cell's fusion modules. Within one space the sum of modules
    a cell is fixed, so of the time of P and of F only the difference, F − P, can be known. Modules are taken to add up:
    what a fusion costs does not depend on what stands beside it. `error` says how far that is true of architectures
    that were not fitted. Where `reason` is not None, nothing could be fitted: the figures are null, and so is every prediction.
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
    """The model fitted by least squares to the timed rows of one device, size and space, such as `by_device` groups them.

    An architecture counts once, with the median over its rows. At least S + 2 architectures are needed, of which every
    cell's number of fusions varies independently: S + 1 figures are fitted, and one is left over to be predicted.

    Raises:
        ValueError: rows that differ in one of `ALIKE`.
    """
    timed = rows.dropna(subset=["test_time_ms", "architecture"])
    for name in ALIKE:
        if name in timed and timed[name].nunique() > 1:
            values = ", ".join(map(str, sorted(timed[name].dropna().unique())))
            raise ValueError(f"{name}: times of {values} are not of one model; hand in the rows of one of them")
    times = timed.groupby("architecture")["test_time_ms"].median()
    device, size = (str(timed[name].iloc[0]) if len(timed) and name in timed else "" for name in ALIKE[:2])
    fitted, left_out, reason = _fitted(times.index.tolist(), times.to_numpy(float))
    known = reason is None
    return TimeModel(
        device, size, len(times), float(fitted[0]) if known else None,
        tuple(map(float, fitted[1:])) if known else None, left_out if known else None, reason,
    )  # fmt: skip


def _fitted(architectures: list[str], times: np.ndarray) -> tuple[np.ndarray, LeftOut | None, str | None]:
    """The coefficients, what leaving one out found, and why they are not known, if they are not."""
    if not architectures:
        return np.empty(0), None, "no architecture is timed"
    design = np.column_stack([np.ones(len(times)), _counts(fusions_of(architectures))])
    needed = design.shape[1] + 1
    if len(times) < needed:
        return np.empty(0), None, f"{len(times)} architectures are timed, {needed} are needed"
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return np.empty(0), None, f"the {len(times)} timed architectures do not tell the cells' fusion modules apart"
    fitted = np.linalg.lstsq(design, times, rcond=None)[0]
    least = fitted[0] + np.minimum(fitted[1:], 0) @ np.array([len(cell) for cell in architectures[0].split("-")])
    if least <= 0:
        return np.empty(0), None, "the times do not add up: some architecture would take no time at all"
    left_out = _left_out(design, times)
    if left_out is None:
        return (
            fitted,
            None,
            f"without any one of the {len(times)} timed architectures the cells could not be told apart",
        )
    return fitted, left_out, None


def _left_out(design: np.ndarray, times: np.ndarray) -> LeftOut | None:
    predicted, plain, measured = [], [], []
    for number in range(len(times)):
        others = np.arange(len(times)) != number
        if np.linalg.matrix_rank(design[others]) < design.shape[1]:
            continue  # nothing else tells what this one tells: it can't be predicted from the others
        predicted.append(design[number] @ np.linalg.lstsq(design[others], times[others], rcond=None)[0])
        plain.append(times[others].mean())
        measured.append(times[number])
    if not measured:
        return None
    off, off_mean = np.abs(np.subtract(predicted, measured)), np.abs(np.subtract(plain, measured))
    percent, percent_mean = 100 * off / measured, 100 * off_mean / measured
    return LeftOut(
        len(measured), float(np.median(off)), float(off.max()), float(np.median(percent)), float(percent.max()),
        float(np.median(percent_mean)),
    )  # fmt: skip


def _counts(fusions: list[str]) -> np.ndarray:
    """(rows, cells) fusion modules."""
    return np.array([[int(count) for count in text.split("-")] for text in fusions])

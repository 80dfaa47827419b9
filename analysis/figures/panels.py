"""Restored images beside each other: the first test image clean, degraded, and as different methods restore it.

`panel_pictures` reads what a store kept of tests and of classical methods, `draw_panels` draws it. Nothing
is chosen to flatter: the trial of a kind is its median by PSNR, and the crop follows from the clean image alone.
"""

import io
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from PIL import Image

from analysis.figures.style import COLOURS, Figure
from analysis.rows.comparable import HASH
from analysis.rows.load import finished
from analysis.storage.files import KEY, Files

CROP = 64
"""Pixels: the side of the magnified window."""
KINDS = {"random": "random architecture", "searched": "searched architecture"}
_RULE = (
    "Below each: PSNR of the whole image, before rounding to 8 bits. Trials: the median of their kind by mean test "
    "PSNR, the lower of two. Classical method: the best of those kept by mean test PSNR. "
    "Crop: where the clean image has most detail."
)


@dataclass(frozen=True)
class Picture:
    """One image of a panel: 8-bit `pixels`, (height, width) or (height, width, 3)."""

    label: str
    pixels: np.ndarray
    psnr_db: float | None = None  # of the whole image, as it was scored in floating point; None of the clean one
    detail: str = ""  # which trial of how many, and its architecture; the parameters of a classical method


def panel_pictures(storage: str | Path, rows: pd.DataFrame) -> list[Picture]:
    """The first test image of `rows`: clean, degraded, and restored by several methods.

    These are a classical method, a random and a searched architecture. `rows` are of `analysis.load` of this
    storage. Of each kind the trial in the middle by `psnr_db` stands (of an even number the lower of the two in the
    middle); of the classical methods the one with the best mean over the test set, which favours them. What the store
    has no picture of is left out (stores of earlier versions have none of those); no rows, no pictures. Raises
    StorageError: not a storage. Raises ValueError: rows were not tested on the same pixels.
    """
    files, tested = Files(storage), finished(rows)
    tested = tested.dropna(subset=["psnr_db", "test_key"]) if len(tested) else tested
    pixels = tested[HASH].unique().tolist() if len(tested) else []
    if len(pixels) > 1:
        raise ValueError("rows were tested on different pixels and share no picture: choose rows of one protocol")
    shown = [found for kind in KINDS if len(tested) and (found := _trial(files, tested, kind)) is not None]
    if not shown:
        return []
    return [*shown[0][:2], *_classical(files, str(pixels[0])), *(restored for _, _, restored in shown)]


def median_trial(rows: pd.DataFrame) -> pd.Series:
    """The row in the middle by `psnr_db`: of an even number the lower of the two, of equals the first by `trial_id`."""
    ordered = rows.sort_values(["psnr_db", "trial_id"], ignore_index=True)
    return ordered.iloc[(len(ordered) - 1) // 2]


def _trial(files: Files, tested: pd.DataFrame, kind: str) -> tuple[Picture, Picture, Picture] | None:
    """Clean, degraded and restored of the median trial of a kind; None where there is none, or no picture of it."""
    of_kind = tested[tested["kind"] == kind]
    if not len(of_kind):
        return None
    row = median_trial(of_kind)
    folder = f"stages/test/{row['test_key']}"
    example, about = files.read(f"{folder}/example.png"), files.json(f"{folder}/result.json")
    if example is None or about is None:
        return None
    clean, degraded, restored = np.split(_decoded(example), 3, axis=1)
    lambdas = f", λ1 = {row['lambda1']:g}, λ2 = {row['lambda2']:g}" if kind == "searched" else ""
    detail = f"median of {len(of_kind)}{lambdas}\n{row['architecture']}"
    before = Picture("degraded input", degraded, about["by_image"]["degraded_psnr_db"][0])
    after = Picture(KINDS[kind], restored, float(row["psnr_by_image"][0]), detail)
    return Picture("clean", clean, detail=about["images"][0]), before, after


def _classical(files: Files, pixels: str) -> Iterator[Picture]:
    """The picture of the best classical method that was scored on these pixels, where one was kept."""
    for key in files.names("stages/reference", KEY):
        result = files.json(f"stages/reference/{key}/result.json") or {}
        if result.get("pixels_sha256") != pixels or not result["pictures"]:
            continue
        rows = {row["method"]: row for row in result["rows"]}
        best = max(result["pictures"], key=lambda picture: rows[picture["method"]]["psnr_db"])
        picture = files.read(f"stages/reference/{key}/{best['file']}")
        if picture is not None:
            yield Picture(best["method"], _decoded(picture), best["psnr_db"], rows[best["method"]]["chosen"])
            return


def _decoded(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


def detail_window(clean: np.ndarray, size: int = CROP) -> tuple[int, int, int, int]:
    """Top, left, height, width of the window of `size` pixels with most detail in an 8-bit image.

    Detail is the sum of absolute differences between neighbours, across and down, over channels. Of equal windows it is
    the first by rows. An image smaller than the window is the window.
    """
    values = clean.astype(np.int64).reshape(*clean.shape[:2], -1)
    height, width = min(size, clean.shape[0]), min(size, clean.shape[1])
    detail = np.zeros(clean.shape[:2], dtype=np.int64)
    detail[1:] += np.abs(np.diff(values, axis=0)).sum(axis=2)
    detail[:, 1:] += np.abs(np.diff(values, axis=1)).sum(axis=2)
    sums = np.pad(detail, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    windows = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return int(top), int(left), height, width


def draw_panels(pictures: Sequence[Picture], caption: str) -> Figure:
    """Above, what each picture has within a frame, with its PSNR; below, the frame, and where its errors are.

    Errors are absolute differences from the clean picture (the first), means over channels. One scale serves all: 0.5 %
    of the errors of what was restored lie beyond it, and more of the degraded picture's. Raises ValueError: no
    pictures, or not all of one size.
    """
    if len({picture.pixels.shape for picture in pictures}) != 1:
        raise ValueError(f"a panel needs pictures of one size, not {[picture.pixels.shape for picture in pictures]}")
    whole = pictures[0]
    top, left, height, width = detail_window(whole.pixels)
    crops = [picture.pixels[top : top + height, left : left + width] for picture in pictures]
    differences = (np.abs(crop.astype(float) - crops[0].astype(float)) for crop in crops)  # in gray levels
    errors = [each.reshape(height, width, -1).mean(axis=2) for each in differences]
    most = max(1.0, float(np.quantile(errors[2:] or errors, 0.995)))
    figure = Figure(figsize=(2.1 * max(len(pictures), 3), 5.4), layout="constrained")
    places = figure.subplots(2, len(pictures), squeeze=False)
    for axes, below, picture, crop, error in zip(*places, pictures, crops, errors, strict=True):
        figures = "the truth" if picture.psnr_db is None else f"{picture.psnr_db:.2f} dB"
        _show(axes, crop, picture.label, figures if picture is whole else f"{figures}\n{_wrapped(picture.detail, 28)}")
        if picture is not whole:
            shown = _show(below, error, "", f"error: {error.mean():.1f} levels on average", cmap="magma", vmax=most)
    size = f"{whole.pixels.shape[1]} × {whole.pixels.shape[0]} pixels"
    _show(places[1, 0], whole.pixels, whole.detail, f"{size}\nframe: {width} × {height}")
    for colour, line in (("white", 3.5), (COLOURS[3], 1.8)):
        frame = Rectangle((left - 0.5, top - 0.5), width, height, fill=False, color=colour, linewidth=line)
        places[1, 0].add_patch(frame)
    if len(pictures) > 1:
        bar = figure.colorbar(shown, ax=places[1].tolist(), fraction=0.02, pad=0.01, extend="max")
        bar.set_label("|error| (of 255 levels)", fontsize=7)
        bar.ax.tick_params(labelsize=7)
    figure.suptitle(caption, fontsize=9)
    figure.supxlabel(_wrapped(_RULE, 150), fontsize=6)
    return figure


def _show(axes: Axes, pixels: np.ndarray, above: str, below: str, cmap: str = "gray", vmax: float = 255) -> AxesImage:
    axes.set(xticks=[], yticks=[])
    axes.set_title(_wrapped(above, 24), fontsize=8.5)
    axes.set_xlabel(below, fontsize=7)
    return axes.imshow(pixels, cmap=cmap, vmin=0, vmax=vmax, interpolation="nearest")


def _wrapped(text: str, most: int) -> str:
    return "\n".join(line for given in text.splitlines() for line in textwrap.wrap(given, most))

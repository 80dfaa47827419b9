"""How every figure looks, and how it becomes files: one palette, units on axes, the same bytes for the same numbers."""

import io
from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as _Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")
"""Okabe and Ito's colours, which colour-blind readers tell apart."""
PARALLEL, FUSION = COLOURS[:2]
"""The colours of the two modules, wherever they are drawn."""
MARKERS = ("o", "s", "^", "D", "v", "P", "<", ">")
"""As many as colours, so that what has one of each is told apart without hue, too."""
FILLS = ("full", "none", "left", "right")
"""How markers are filled that differ in a second respect."""
GRAY = "#777777"
"""What is fixed, drawn at random, or not ours."""
Look = dict[str, Any]
"""Arguments of matplotlib that say how something looks."""
BESIDE: Look = {"fontsize": 8, "loc": "center left", "bbox_to_anchor": (1.0, 0.5), "frameon": False}
BELOW: Look = {"fontsize": 8, "loc": "outside lower center", "frameon": False}
"""Where legends stand: to the right of their axes, or below their figure."""


class Figure(_Figure):
    """A figure that a notebook shows by itself: it belongs to no window and asks for no magic line."""

    def _repr_png_(self) -> bytes:
        _take_dollars_literally(self)
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=110)
        return picture.getvalue()


QUANTITIES = {
    "psnr_db": ("PSNR", "dB", 1.0),
    "psnr_patch_db": ("PSNR, mean over patches", "dB", 1.0),
    "psnr_y_db": ("PSNR of luma", "dB", 1.0),
    "oneshot_psnr_db": ("one-shot PSNR", "dB", 1.0),
    "ssim": ("SSIM", "0 to 1", 1.0),
    "parameters": ("parameters", "millions", 1e-6),
    "flops": ("operations", "thousands per pixel", 1e-3),
    "test_time_ms": ("testing time", "ms per image", 1.0),
    "search_seconds": ("search time", "s", 1.0),
    "train_seconds": ("training time", "s", 1.0),
}
"""What a column is called on an axis, its usual unit there, and by what its values are multiplied for that."""
_FEW_PARAMETERS = 100_000


def quantity(column: str, values: pd.Series | None = None) -> tuple[str, float]:
    """A column as an axis label with its unit, and what its values are multiplied by; others stand as they are.

    Parameters are counted in thousands where the `values` to be drawn are all below 100,000.
    """
    name, unit, scale = QUANTITIES.get(column, (column, "", 1.0))
    if column == "parameters" and values is not None and values.abs().max() < _FEW_PARAMETERS:
        unit, scale = "thousands", 1e-3
    return (f"{name} ({unit})" if unit else name), scale


def handle(marker: str, colour: str, label: str, **look: Any) -> Line2D:
    """An entry of a legend: a marker, or with a `linestyle` a line."""
    return Line2D([], [], marker=marker, color=colour, label=label, **{"linestyle": "", **look})


def draw_front(axes: Axes, x: pd.Series, y: pd.Series) -> Line2D:
    """A front as a staircase, its points ordered; one of a single point as a ring around it. Returns its legend."""
    if len(x) == 1:
        look: Look = {"markersize": 15, "markerfacecolor": "none", "markeredgewidth": 1.2}
        axes.plot(x, y, "o", color="black", zorder=1, **look)
        return handle("o", "black", "Pareto front: one point", **look | {"markersize": 10})
    axes.step(x, y, where="post", color="black", linewidth=1, zorder=1)
    return handle("", "black", "Pareto front", linestyle="-", linewidth=1)


def label(axes: Axes, xlabel: str, ylabel: str, caption: str, size: float = 9) -> None:
    """Labels axes, with a grid, and their figure, in points of `size`."""
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.25)
    axes.get_figure().suptitle(caption, fontsize=size)  # type: ignore[union-attr]


def rendered(figure: Figure, name: str) -> Iterator[tuple[str, bytes]]:
    """A figure as `name.svg` and `name.png`: the same figure is the same bytes."""
    _lay_out(figure)
    figure.set_dpi(150)  # of pictures in the SVG
    picture = io.BytesIO()
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):  # texts are texts: found, read, edited
        FigureCanvasSVG(figure).print_svg(picture, metadata={"Date": None})
    yield f"{name}.svg", picture.getvalue()
    yield f"{name}.png", as_png(figure, dpi=150)


def as_png(figure: Figure, dpi: int) -> bytes:
    """A figure as a PNG of so many dots per inch."""
    _lay_out(figure)
    figure.set_dpi(dpi)
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()


def _lay_out(figure: Figure) -> None:
    """Lays a figure out once for all files; `Figure.savefig` draws all of it once more for each, only to lay it out."""
    _take_dollars_literally(figure)
    engine = figure.get_layout_engine()
    figure.set_dpi(72)  # the SVG's own, at which texts are widest
    if engine is not None:
        for _ in range(2):  # labels at both sides need a second pass
            engine.execute(figure)
        figure.set_layout_engine("none")


def _take_dollars_literally(figure: Figure) -> None:
    """No text is mathematics between two `$`, which names of files may hold, but the ticks of a logarithmic axis."""
    axes = [axis for each in figure.axes for axis in (each.xaxis, each.yaxis)]
    logarithmic = [axis for axis in axes if isinstance(axis.get_major_formatter(), LogFormatter)]
    powers = [axis.get_ticklabels(which="both") for axis in logarithmic]
    for text in set(figure.findobj(Text)).difference(*powers):
        text.set_parse_math(False)  # type: ignore[attr-defined]

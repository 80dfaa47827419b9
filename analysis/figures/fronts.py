"""Figures. Numbers first, drawing second: each is drawn from a table that is returned or handed in.

How they look is in `analysis.figures.style`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.space import draw_strip
from analysis.figures.style import COLOURS, GRAY, MARKERS
from analysis.statistics.pareto import on_front

FIXED = {"random": "X", "given": "p"}
_RINGS = 6
"""More configurations at one point than this are drawn at one size."""
AXES = {"parameters": ("parameters (millions)", 1e-6), "test_time_ms": ("testing time (ms per image)", 1.0)}


def pareto_table(frame: pd.DataFrame, cost: str) -> pd.DataFrame:
    """The points of a PSNR–cost figure: one row a configuration, means over its seeds, and whether it is on the front.

    Columns: `replicate_id, kind, lambda1, lambda2, cost` and `psnr_db` (means), `seeds`, `psnr_low_db, psnr_high_db`
    (smallest and largest over seeds), `on_front`.
    """
    rows = frame.dropna(subset=[cost, "psnr_db"])
    described = {name: (name, "first") for name in ("kind", "lambda1", "lambda2")}
    figures = {
        "cost": (cost, "mean"),
        "psnr_db": ("psnr_db", "mean"),
        "seeds": ("psnr_db", "size"),
        "psnr_low_db": ("psnr_db", "min"),
        "psnr_high_db": ("psnr_db", "max"),
    }
    table = (
        rows.groupby("replicate_id")
        .agg(**described, **figures)
        .reset_index()
        .sort_values(["kind", "lambda1", "lambda2"], ignore_index=True)
    )
    return table.assign(on_front=on_front(table, minimise=["cost"], maximise=["psnr_db"]))


def draw_pareto(frame: pd.DataFrame, cost: str, caption: str, space: pd.DataFrame | None = None) -> Figure:
    """PSNR against a cost (`parameters` or `test_time_ms`): the front, dominated points, random architectures, seeds.

    `frame` holds rows of one protocol and, for a time, of one device. A bar spans the smallest and the
    largest PSNR over seeds. Configurations at the same point are drawn one around the other. More λ1 than there are
    colours make a scale, of which the legend shows some; more λ2 than there are markers are drawn alike.

    With `space` (of `analysis.space.cost_distribution`, of the same cost, measured or predicted) a strip below shows what
    all architectures cost.
    """
    name, unit = AXES[cost]
    table = pareto_table(frame, cost)
    figure = Figure(figsize=(7.2, 4.6 if space is None else 5.6), layout="constrained")
    if space is None:
        axes = lowest = figure.add_subplot()
    else:
        axes, lowest = figure.subplots(2, 1, sharex=True, height_ratios=[5, 1])
        draw_strip(lowest, space, unit)
    searched, others = table[table["kind"] == "searched"], table[table["kind"] != "searched"]
    colours, markers = _colours(searched), _markers(searched)
    _draw_front(axes, table, unit)
    for look, points in with_looks(table).groupby(["size", "colour", "marker", "on_front"], sort=False):
        _draw_points(axes, points, unit, *look)  # type: ignore[arg-type]
    axes.set(ylabel="PSNR (dB)")
    lowest.set(xlabel=name)
    figure.suptitle(caption, fontsize=9)
    axes.grid(alpha=0.25)
    handles = [
        Line2D([], [], marker="o", color=colours[value], linestyle="", label=f"λ1 = {value:g}")
        for value in _some(list(colours))
    ]
    if len(markers) <= len(MARKERS):
        handles += [
            Line2D([], [], marker=m, color="black", markerfacecolor="none", linestyle="", label=f"λ2 = {value:g}")
            for value, m in markers.items()
        ]
    for kind in sorted(others["kind"].unique()):
        handles.append(Line2D([], [], marker=FIXED[kind], color=GRAY, linestyle="", label=f"{kind} architecture"))
    handles += [
        Line2D([], [], color="black", linewidth=1, label="Pareto front"),
        Line2D([], [], marker="o", color="black", alpha=0.35, linestyle="", label="dominated (pale)"),
    ]
    axes.legend(handles=handles, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def _draw_front(axes: Axes, table: pd.DataFrame, unit: float) -> None:
    front = table[table["on_front"]].sort_values("cost")
    axes.step(front["cost"] * unit, front["psnr_db"], where="post", color="black", linewidth=1, zorder=1)


def _draw_points(
    axes: Axes, points: pd.DataFrame, unit: float, size: float, colour: str, marker: str, is_on_front: bool
) -> None:
    """Points that look alike, as one artist: thousands of them are drawn as fast as one."""
    alpha = 1.0 if is_on_front else 0.35
    spread = points[points["seeds"] > 1]
    axes.vlines(
        spread["cost"] * unit, spread["psnr_low_db"], spread["psnr_high_db"],
        color=colour, alpha=alpha, linewidth=1.5, zorder=2,
    )  # fmt: skip
    axes.plot(
        points["cost"] * unit, points["psnr_db"], marker, linestyle="", color=colour, alpha=alpha, markersize=size,
        markeredgecolor="white", markeredgewidth=0.6, zorder=3,
    )  # fmt: skip


def with_looks(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `pareto_table` with the `colour`, `marker` and `size` (points) of each point; of equal points the largest comes first."""
    searched = table["kind"] == "searched"
    colours, markers = _colours(table[searched]), _markers(table[searched])
    return table.assign(
        colour=table["lambda1"].map(colours).where(searched, GRAY),
        marker=table["lambda2"].map(markers).where(searched, table["kind"].map(FIXED)),
        size=8 + 5 * table.groupby(["cost", "psnr_db"]).cumcount(ascending=False).clip(upper=_RINGS),
    ).sort_values("size", ascending=False, kind="stable")


def _colours(searched: pd.DataFrame) -> dict[float, str]:
    """A colour for each λ1, in order; those of a scale from dark to bright where they are many."""
    values = sorted(searched["lambda1"].unique())
    if len(values) <= len(COLOURS):
        return dict(zip(values, COLOURS, strict=False))
    scale = colormaps["viridis"].resampled(len(values))
    return {value: to_hex(scale(number)) for number, value in enumerate(values)}


def _markers(searched: pd.DataFrame) -> dict[float, str]:
    """A marker for each λ2, in order; one for all where they are many."""
    values = sorted(searched["lambda2"].unique())
    return dict(zip(values, MARKERS if len(values) <= len(MARKERS) else "o" * len(values), strict=False))


def _some(values: Sequence[float]) -> Sequence[float]:
    """No more values than a legend has room for, from the first to the last."""
    last, most = len(values) - 1, len(COLOURS)
    return values if last < most else [values[round(number * last / (most - 1))] for number in range(most)]


def alpha_table(curve: pd.DataFrame) -> pd.DataFrame:
    """α^f (how much of the fusion module) during a search: one row a reported iteration, one column a column from 1.

    `curve` holds the rows of one trial's curve, of `analysis.load_curves`.
    """
    rows = curve[(curve["stage"] == "search") & curve["alpha"].notna()].sort_values("iteration")
    columns = range(1, len(rows["alpha"].iloc[0]) + 1 if len(rows) else 1)
    return pd.DataFrame(rows["alpha"].tolist(), index=pd.Index(rows["iteration"], name="iteration"), columns=columns)


def draw_alpha(curve: pd.DataFrame, architecture: str) -> Figure:
    """α^f of every column against the iteration of a search, a panel a cell: which columns become fusion, and when.

    `curve` is as `alpha_table` takes it, `architecture` what the search found.
    """
    table, cells = alpha_table(curve), architecture.split("-")
    figure = Figure(figsize=(2.6 * len(cells) + 1.2, 3.6), layout="constrained")
    panels = figure.subplots(1, len(cells), sharey=True, squeeze=False)[0]
    styles = [(colour, line) for line in ("-", "--", ":") for colour in COLOURS if colour != "#F0E442"]
    marker, column = "o" if len(table) < 10 else "", 0
    for number, (axes, letters) in enumerate(zip(panels, cells, strict=True), start=1):
        axes.axhline(0.5, color=GRAY, linewidth=0.8, zorder=1)
        for position, letter in enumerate(letters, start=1):
            column += 1
            colour, line = styles[(position - 1) % len(styles)]
            name = f"column {position}: {letter}"
            axes.plot(
                table.index,
                table[column],
                color=colour,
                linestyle=line,
                marker=marker,
                markersize=3,
                linewidth=1.8,
                label=name,
            )
        axes.set(title=f"cell {number}", xlabel="search iteration", ylim=(-0.03, 1.03))
        axes.grid(alpha=0.25)
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, frameon=False)
    panels[0].set_ylabel("α of fusion (0 parallel, 1 fusion)")
    figure.suptitle(architecture, fontsize=10)
    return figure

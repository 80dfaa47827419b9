"""The Pareto figure: PSNR against parameters or testing time. `pareto_table` has its numbers."""

from collections.abc import Sequence

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from analysis.figures.space import draw_strip
from analysis.figures.style import (
    BESIDE,
    COLOURS,
    FILLS,
    GRAY,
    MARKERS,
    Figure,
    Look,
    draw_front,
    handle,
    label,
    quantity,
)
from analysis.rows.configurations import KEY, configuration_means, kind_name
from analysis.statistics.pareto import on_front

FIXED = {"random": "X", "given": "p"}
"""The markers of architectures that no search found."""
_RINGS = 6
"""More configurations at one point than this are drawn at one size."""


def pareto_table(frame: pd.DataFrame, cost: str) -> pd.DataFrame:
    """The points of the figure: one row a configuration, means over its seeds, and whether it is on the front.

    Columns: `replicate_id, kind, lambda1, lambda2, architecture, cost` and `psnr_db` (means), `seeds`,
    `psnr_db_min, psnr_db_max` (over seeds), `on_front`.
    """
    means = configuration_means(frame.dropna(subset=[cost, "psnr_db"]), [cost, "psnr_db"]).reset_index()
    columns = [KEY, *"kind lambda1 lambda2 architecture cost psnr_db seeds psnr_db_min psnr_db_max".split()]
    table = means.rename(columns={cost: "cost"})[columns].sort_values([*columns[1:4], KEY], ignore_index=True)
    return table.assign(on_front=on_front(table, minimise=["cost"], maximise=["psnr_db"]))


def draw_pareto(frame: pd.DataFrame, cost: str, caption: str, space: pd.DataFrame | None = None) -> Figure:
    """PSNR against a cost (`parameters` or `test_time_ms`): the front, dominated points, random architectures, seeds.

    `frame` holds rows of one protocol and, for a time, of one device. A bar spans the smallest and the largest PSNR
    over seeds. A λ1 has a colour and a marker, a λ2 a filling. Configurations at the same point are drawn one around
    the other. More λ1 than there are colours make a scale from dark to bright, of which the legend shows some; more λ2
    than there are fillings are drawn alike.

    With `space` (of `analysis.cost_distribution`, of the same cost) a strip below shows what all architectures cost.
    """
    table, (name, unit) = pareto_table(frame, cost), quantity(cost)
    figure = Figure(figsize=(7.2, 4.6 if space is None else 5.6), layout="constrained")
    if space is None:
        axes = lowest = figure.add_subplot()
    else:
        axes, lowest = figure.subplots(2, 1, sharex=True, height_ratios=[5, 1])
        draw_strip(lowest, space, unit)
    front = table[table["on_front"]].sort_values("cost")
    line = draw_front(axes, front["cost"] * unit, front["psnr_db"])
    for look, points in with_looks(table).groupby(["size", "colour", "marker", "fill", "on_front"], sort=False):
        _draw_points(axes, points, unit, *look)  # type: ignore[arg-type]
    label(axes, "", "PSNR (dB)", caption)
    lowest.set(xlabel=name)
    searched, others = table[table["kind"] == "searched"], table[table["kind"] != "searched"]
    colours, markers, fills = _colours(searched), _markers(searched), _fills(searched)
    handles = [handle(markers[value], colours[value], f"λ1 = {value:g}") for value in _some(list(colours))]
    if 1 < len(fills) <= len(FILLS):
        filled: Look = {"markeredgecolor": "black", "markerfacecoloralt": "white"}
        handles += [handle("o", GRAY, f"λ2 = {value:g}", fillstyle=fill, **filled) for value, fill in fills.items()]
    by_kind = others.groupby("kind")["architecture"]
    handles += [handle(FIXED[str(kind)], GRAY, kind_name(str(kind), texts)) for kind, texts in by_kind]
    handles += [line, handle("o", "black", "dominated (pale)", alpha=0.35)]
    axes.legend(handles=handles, **BESIDE)
    return figure


def _draw_points(
    axes: Axes, points: pd.DataFrame, unit: float, size: float, colour: str, marker: str, fill: str, is_on_front: bool
) -> None:
    """Points that look alike, as one artist: thousands of them are drawn as fast as one."""
    look: Look = {"color": colour, "alpha": 1.0 if is_on_front else 0.35}
    spread = points[points["seeds"] > 1]
    axes.vlines(spread["cost"] * unit, spread["psnr_db_min"], spread["psnr_db_max"], linewidth=1.5, zorder=2, **look)
    edge: Look = {"markersize": size, "markeredgecolor": "white" if fill == "full" else colour, "fillstyle": fill}
    edge |= {"markeredgewidth": 0.6 if fill == "full" else 1.6, "markerfacecoloralt": "white"}
    axes.plot(points["cost"] * unit, points["psnr_db"], marker, linestyle="", zorder=3, **look, **edge)


def with_looks(table: pd.DataFrame) -> pd.DataFrame:
    """`pareto_table` with `colour`, `marker`, `fill` and `size` of each point; at one place the large ones first."""
    searched = table["kind"] == "searched"
    colours, markers, fills = (looks(table[searched]) for looks in (_colours, _markers, _fills))
    return table.assign(
        colour=table["lambda1"].map(colours).where(searched, GRAY),
        marker=table["lambda1"].map(markers).where(searched, table["kind"].map(FIXED)),
        fill=table["lambda2"].map(fills).where(searched, "full"),
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
    """A marker for each λ1, in order; one for all where they are many, whose colours are then a scale."""
    values = sorted(searched["lambda1"].unique())
    return dict(zip(values, MARKERS if len(values) <= len(MARKERS) else "o" * len(values), strict=False))


def _fills(searched: pd.DataFrame) -> dict[float, str]:
    """A filling for each λ2, in order; one for all where they are many."""
    values = sorted(searched["lambda2"].unique())
    return dict(zip(values, FILLS if len(values) <= len(FILLS) else ["full"] * len(values), strict=False))


def _some(values: Sequence[float]) -> Sequence[float]:
    """No more values than a legend has room for, from the first to the last."""
    last, most = len(values) - 1, len(COLOURS)
    return values if last < most else [values[round(number * last / (most - 1))] for number in range(most)]

"""The Pareto figure (`pareto_table` has its numbers), for print and for a pointer, and fronts with how sure they are.

`draw_attainment` and `draw_probability_front` draw the tables of `analysis.attainment` and
`analysis.front_probability`. Costs are to the left where they are small, PSNR is on top where it is large.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from analysis.figures import style
from analysis.figures.space import PALE, draw_strip, strip_costs, strip_table
from analysis.figures.style import BELOW, BESIDE, COLOURS, FILLS, GRAY, MARKERS, Figure, Look
from analysis.rows.configurations import KEY, configuration_means, kind_name
from analysis.statistics.pareto import on_front

FIXED = {"random": "X", "given": "p"}
"""The markers of architectures that no search found."""
_NAMES = "circle square triangle-up diamond triangle-down cross triangle-left triangle-right x pentagon"
SYMBOLS = dict(zip("os^DvP<>Xp", _NAMES.split(), strict=True))
"""plotly's names of matplotlib's markers."""
_FILLS = {"full": "", "none": "-open", "left": "-dot", "right": "-open-dot"}
"""What plotly adds to a marker's name in the place of its filling."""
_MOST_NAMES, _PIXELS_A_POINT = 15, 1.3
_LINES = ("-", "--", "-.", ":")
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
    than there are fillings are drawn alike. With `space` (of `analysis.cost_distribution`, of the same cost) a strip
    below shows what all architectures cost.
    """
    table = pareto_table(frame, cost)
    name, unit = style.quantity(cost, table["cost"] if space is None else pd.concat([table["cost"], space["cost"]]))
    figure = Figure(figsize=(7.2, 4.6 if space is None else 5.6), layout="constrained")
    if space is None:
        axes = lowest = figure.add_subplot()
    else:
        axes, lowest = figure.subplots(2, 1, sharex=True, height_ratios=[5, 1])
        draw_strip(lowest, space, unit)
    front = table[table["on_front"]].sort_values("cost")
    line = style.draw_front(axes, front["cost"] * unit, front["psnr_db"])
    for look, points in with_looks(table).groupby(["size", "colour", "marker", "fill", "on_front"], sort=False):
        _draw_points(axes, points, unit, *look)  # type: ignore[arg-type]
    style.label(axes, "", "PSNR (dB)", caption)
    lowest.set(xlabel=name)
    searched, others = table[table["kind"] == "searched"], table[table["kind"] != "searched"]
    colours, markers, fills = _looks(searched)
    handles = [style.handle(markers[value], colours[value], f"λ1 = {value:g}") for value in _some(list(colours))]
    if 1 < len(fills) <= len(FILLS):
        filled: Look = {"markeredgecolor": "black", "markerfacecoloralt": "white"}
        handles += [style.handle("o", GRAY, f"λ2 = {each:g}", fillstyle=fill, **filled) for each, fill in fills.items()]
    by_kind = others.groupby("kind")["architecture"]
    handles += [style.handle(FIXED[str(kind)], GRAY, kind_name(str(kind), texts)) for kind, texts in by_kind]
    handles += [line, style.handle("o", "black", "dominated (pale)", alpha=0.35)]
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
    colours, markers, fills = _looks(table[searched])
    return table.assign(
        colour=table["lambda1"].map(colours).where(searched, GRAY),
        marker=table["lambda1"].map(markers).where(searched, table["kind"].map(FIXED)),
        fill=table["lambda2"].map(fills).where(searched, "full"),
        size=8 + 5 * table.groupby(["cost", "psnr_db"]).cumcount(ascending=False).clip(upper=_RINGS),
    ).sort_values("size", ascending=False, kind="stable")


def _looks(searched: pd.DataFrame) -> tuple[dict[float, str], dict[float, str], dict[float, str]]:
    """A colour and a marker for each λ1, and a filling for each λ2, in order.

    Where they are many, colours are a scale from dark to bright, and markers, or fillings, are all alike.
    """
    lambda1, lambda2 = (sorted(searched[name].unique()) for name in ("lambda1", "lambda2"))
    is_few, scale = len(lambda1) <= len(COLOURS), colormaps["viridis"].resampled(max(1, len(lambda1)))
    colours = COLOURS if is_few else [to_hex(scale(number)) for number in range(len(lambda1))]
    markers = MARKERS if is_few else "o" * len(lambda1)
    fills = FILLS if len(lambda2) <= len(FILLS) else ["full"] * len(lambda2)
    pairs = (lambda1, colours), (lambda1, markers), (lambda2, fills)
    found = [dict(zip(values, looks, strict=False)) for values, looks in pairs]
    return found[0], found[1], found[2]


def _some(values: Sequence[float]) -> Sequence[float]:
    """No more values than a legend has room for, from the first to the last."""
    last, most = len(values) - 1, len(COLOURS)
    return values if last < most else [values[round(number * last / (most - 1))] for number in range(most)]


def draw_attainment(table: pd.DataFrame, caption: str, points: pd.DataFrame | None = None) -> Figure:
    """The staircases of `analysis.attainment` of a cost to minimise and a score to maximise: one a level.

    The space between them is filled. `points` (rows of `analysis.load`) stand behind them in gray. Raises ValueError:
    `table` is not of two columns beside its level.
    """
    if len(table.columns) != 3:
        raise ValueError(f"a staircase is of two columns, not of {', '.join(table.columns[1:])}")
    cost, score = table.columns[1:]
    (across, unit), (up, scale) = style.quantity(cost, table[cost]), style.quantity(score)
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.add_subplot()
    known = [table[[cost, score]]] + ([] if points is None else [points[[cost, score]].astype(float).dropna()])
    everything = pd.concat([each for each in known if len(each)]) if any(map(len, known)) else table[[cost, score]]
    for behind in known[1:]:
        axes.plot(unit * behind[cost], scale * behind[score], "o", color=GRAY, alpha=0.5, markersize=4, label="a trial")
    right, bottom = _beyond(unit * everything[cost], 1), _beyond(scale * everything[score], -1)
    stairs = {}
    for level, front in table.sort_values(cost, kind="stable").groupby("level"):
        x = np.append(np.repeat(unit * front[cost], 2), right)
        y = np.insert(np.repeat(scale * front[score], 2), 0, bottom)
        stairs[f"{level:g}"] = np.stack([x, y])  # the border of what is attained, from the bottom to the right
    if len(stairs) > 1:
        first, *_, last = stairs.values()
        axes.fill(*np.hstack([first, last[:, ::-1]]), color=COLOURS[5], alpha=0.25, linewidth=0)
    for number, (level, line) in enumerate(stairs.items()):
        look: Look = {"color": COLOURS[number % 5], "linestyle": _LINES[number % len(_LINES)]}
        look |= {"linewidth": max(1.2, 3.4 - 1.1 * number), "label": f"attained by {level} % of seeds"}
        axes.plot(*line, **look)
    axes.margins(0.08)
    style.label(axes, across, up, caption)
    if len(everything):
        axes.set(xlim=(None, right), ylim=(bottom, None))
        axes.legend(**BESIDE)
    return figure


def _beyond(values: pd.Series, sign: int) -> float:
    """A little more than the largest, or less than the smallest value; NaN of none."""
    end = values.max() if sign > 0 else values.min()
    return float(end + sign * (0.06 * (values.max() - values.min()) or 0.01 * abs(end) or 1.0))


def draw_probability_front(table: pd.DataFrame, caption: str) -> Figure:
    """The configurations of `analysis.front_probability`: the brighter and larger, the surer on the front.

    The line is the front of the means. A configuration of one seed has no probability and is a cross. `×3` stands at
    three configurations with the same figures. Raises ValueError: `table` is not of two columns, a cost and a score.
    """
    measured = [name for name in table.columns[2:] if name not in ("on_front", "probability")]
    if len(measured) != 2:
        raise ValueError(f"a front is drawn of two columns, not of {', '.join(measured) or 'none'}")
    cost, score = measured
    (across, unit), (up, scale) = style.quantity(cost, table[cost]), style.quantity(score)
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.add_subplot()
    front = table[table["on_front"].astype(bool)].sort_values(cost)
    line = style.draw_front(axes, unit * front[cost], scale * front[score])
    known = table[table["probability"].notna()].sort_values("probability", ascending=False)
    unknown = table[table["probability"].isna()]
    shade: Look = {"c": known["probability"], "cmap": "cividis", "vmin": 0, "vmax": 1, "zorder": 3}
    shade |= {"s": 30 + 110 * known["probability"], "edgecolors": "black", "linewidths": 0.6}
    drawn = axes.scatter(unit * known[cost], scale * known[score], **shade)
    axes.plot(unit * unknown[cost], scale * unknown[score], "x", color=GRAY, zorder=2)
    figure.colorbar(drawn, ax=axes, label="probability of being on the front")
    axes.margins(0.08)
    style.label(axes, across, up, caption)
    counts = table.groupby([cost, score], as_index=False).size().query("size > 1")
    for x, y, count in zip(unit * counts[cost], scale * counts[score], counts["size"], strict=True):
        axes.annotate(f"×{count}", (x, y), (7, -9), textcoords="offset points", fontsize=7.5)
    if len(table):
        crosses = [style.handle("x", GRAY, "one seed: not known")] if len(unknown) else []
        figure.legend(handles=[line, *crosses], ncols=2, **BELOW)
    return figure


def pareto_plot(rows: pd.DataFrame, cost: str) -> dict[str, Any]:
    """PSNR against a cost (`parameters` or `test_time_ms`), as `data` for plotly.js, with what its layout follows from.

    `rows` are of one protocol and, for a time, of one device. The numbers are those of `pareto_table`; every point
    carries its `replicate_id`, under which `details` describes it. A bar spans the smallest and the largest PSNR over
    seeds. A strip below shows what all architectures of the space cost, where the rows are of one space.
    """
    table, costs = pareto_table(rows, cost), strip_costs(rows, cost)
    title, unit = style.quantity(cost, table["cost"] if costs is None else pd.concat([table["cost"], costs["cost"]]))
    front = table[table["on_front"]].sort_values("cost")
    line: dict[str, Any] = {"mode": "lines", "line": {"color": "#000000", "width": 1.2, "shape": "hv"}}
    name = "Pareto front"
    if len(front) == 1:
        ring = {"symbol": "circle-open", "size": 24, "color": "#000000"}
        line, name = {"mode": "markers", "marker": ring}, "Pareto front: one point"
    traces = [_trace("scatter", name, front["cost"] * unit, front["psnr_db"], hoverinfo="skip", **line)]
    traces += [_points(name, points, unit) for name, points in _legend_entries(with_looks(table))]
    traces += [_strip(costs, unit)] if costs is not None else []
    return {"data": traces, "cost": title, "has_strip": costs is not None}


def _trace(kind: str, name: str, x: pd.Series, y: pd.Series, **more: Any) -> dict[str, Any]:
    return {"type": kind, "name": name, "x": x.tolist(), "y": y.tolist(), **more}


def _strip(costs: pd.DataFrame, unit: float) -> dict[str, Any]:
    bars, how = strip_table(costs), " (predicted)" if costs["predicted"].any() else ""
    low, high = unit * bars["low"], unit * bars["high"]
    told = f"%{{y:.2g}} % of all architectures{how}<br>at %{{x:.4g}}<extra></extra>"
    look = {"width": (high - low).tolist(), "yaxis": "y2", "marker": {"color": PALE}, "hovertemplate": told}
    return _trace("bar", f"all architectures of the space{how}", (low + high) / 2, bars["percent"], **look)


def _legend_entries(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Points under the names that the legend has room for."""
    searched = table[table["kind"] == "searched"]
    pairs = list(searched.groupby(["lambda1", "lambda2"], sort=True))
    if len(pairs) <= _MOST_NAMES:
        yield from ((f"λ1 = {pair[0]:g}, λ2 = {pair[1]:g}", points) for pair, points in pairs)
    else:
        yield f"searches (colours: λ1, {searched['lambda1'].min():g} to {searched['lambda1'].max():g})", searched
    for kind, points in table[table["kind"] != "searched"].groupby("kind"):
        yield kind_name(str(kind), points["architecture"]), points


def _points(name: str, points: pd.DataFrame, unit: float) -> dict[str, Any]:
    high, low = points["psnr_db_max"] - points["psnr_db"], points["psnr_db"] - points["psnr_db_min"]
    colours = points["colour"].tolist()
    bar = {"type": "data", "symmetric": False, "array": high.tolist(), "arrayminus": low.tolist()}
    bar |= {"thickness": 1, "width": 0, "color": colours[0] if len(set(colours)) == 1 else GRAY}
    marker: dict[str, Any] = {"color": colours, "symbol": symbols(points)}
    marker |= {"size": (points["size"] * _PIXELS_A_POINT).tolist(), "line": {"color": "#ffffff", "width": 0.8}}
    marker |= {"opacity": [1.0 if on else 0.45 for on in points["on_front"]]}
    shown = {"customdata": points[KEY].tolist(), "hovertemplate": "%{y:.2f} dB at %{x:.4g}<extra></extra>"}
    look = {"mode": "markers", "error_y": bar, "marker": marker, **shown}
    return _trace("scatter", name, points["cost"] * unit, points["psnr_db"], **look)


def symbols(points: pd.DataFrame) -> list[str]:
    """plotly's names of the markers of points of `with_looks`."""
    return (points["marker"].map(SYMBOLS) + points["fill"].map(_FILLS)).tolist()

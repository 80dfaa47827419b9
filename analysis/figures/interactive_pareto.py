"""The Pareto figure that answers to a pointer: traces for plotly.js, and what is shown of each point."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from analysis.figures.pareto import pareto_table, with_looks
from analysis.figures.space import PALE, strip_costs, strip_table
from analysis.figures.style import GRAY, quantity
from analysis.rows.configurations import KEY, kind_name

SYMBOLS = dict(zip("os^DvP<>Xp", "circle square triangle-up diamond triangle-down cross".split(), strict=False))
SYMBOLS |= {"<": "triangle-left", ">": "triangle-right", "X": "x", "p": "pentagon"}
"""plotly's names of matplotlib's markers."""
_FILLS = {"full": "", "none": "-open", "left": "-dot", "right": "-open-dot"}
"""What plotly adds to a marker's name in the place of its filling."""
_MOST_NAMES, _PIXELS_A_POINT = 15, 1.3


def pareto_plot(rows: pd.DataFrame, cost: str) -> dict[str, Any]:
    """PSNR against a cost (`parameters` or `test_time_ms`), as `data` for plotly.js, with what its layout follows from.

    `rows` are of one protocol and, for a time, of one device. The numbers are those of `pareto_table`; every point
    carries its `replicate_id`, under which `details` describes it. A bar spans the smallest and the largest PSNR over
    seeds. A strip below shows what all architectures of the space cost, where the rows are of one space.
    """
    table, costs = pareto_table(rows, cost), strip_costs(rows, cost)
    title, unit = quantity(cost, table["cost"] if costs is None else pd.concat([table["cost"], costs["cost"]]))
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

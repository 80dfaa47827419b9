"""The Pareto figure that answers to a pointer: traces and layout for plotly.js, and what is shown of each point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from analysis.figures.fronts import AXES, pareto_table, with_looks
from analysis.figures.space import PALE, strip_costs, strip_table
from analysis.figures.style import GRAY
from analysis.rows.configurations import named

SYMBOLS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
    "p": "pentagon",
}
_MOST_NAMES, _PIXELS_A_POINT = 15, 1.3
_GRID = {"gridcolor": "#e5e5e5"}
_FONT = {"family": "system-ui, sans-serif", "size": 13}


def pareto_plot(rows: pd.DataFrame, cost: str) -> dict[str, Any]:
    """PSNR against a cost (a key of `analysis.figures.fronts.AXES`), as a `data` and a `layout` for plotly.js.

    `rows` are of one protocol and, for a time, of one device. The numbers are those of `pareto_table`; every point carries its
    `replicate_id`, under which `details` describes it. A bar spans the smallest and the largest PSNR over seeds. A strip below
    shows what all architectures of the space cost, where the rows are of one space.
    """
    table, (title, unit) = pareto_table(rows, cost), AXES[cost]
    front = table[table["on_front"]].sort_values("cost")
    traces = [{
        "type": "scatter", "mode": "lines", "name": "Pareto front", "x": (front["cost"] * unit).tolist(), "y": front["psnr_db"].tolist(),
        "line": {"color": "#000000", "width": 1.2, "shape": "hv"}, "hoverinfo": "skip",
    }]  # fmt: skip
    traces += [_points(name, points, unit) for name, points in _named(with_looks(table))]
    costs = strip_costs(rows, cost)
    below: dict[str, Any] = {}
    if costs is not None:
        traces.append(_strip(costs, unit))
        title_below = {"text": "% of all", "font": {"size": 11}}
        below["yaxis2"] = {"title": title_below, "domain": [0.0, 0.17], "anchor": "x", "nticks": 3, **_GRID}
    layout = {
        "xaxis": {"automargin": True, "title": {"text": title, "standoff": 8}, "zeroline": False, "anchor": "y2" if below else "y", **_GRID},
        "yaxis": {"title": {"text": "PSNR (dB)"}, "domain": [0.26 if below else 0.0, 1.0], **_GRID}, **below,
        "hovermode": "closest", "font": _FONT, "margin": {"l": 60, "r": 15, "t": 15, "b": 55}, "plot_bgcolor": "#ffffff", "paper_bgcolor": "#ffffff",
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"}, "height": 600 if below else 500,
    }  # fmt: skip
    return {"data": traces, "layout": layout}


def _strip(costs: pd.DataFrame, unit: float) -> dict[str, Any]:
    bars, how = strip_table(costs), " (predicted)" if costs["predicted"].any() else ""
    low, high = unit * bars["low"], unit * bars["high"]
    return {
        "type": "bar", "name": f"all architectures of the space{how}", "x": ((low + high) / 2).tolist(), "width": (high - low).tolist(),
        "y": bars["percent"].tolist(), "yaxis": "y2", "marker": {"color": PALE},
        "hovertemplate": f"%{{y:.2g}} % of all architectures{how}<br>at %{{x:.4g}}<extra></extra>",
    }  # fmt: skip


def _named(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Points under the names that the legend has room for."""
    searched = table[table["kind"] == "searched"]
    pairs = list(searched.groupby(["lambda1", "lambda2"], sort=True))
    if len(pairs) <= _MOST_NAMES:
        yield from ((f"λ1 = {pair[0]:g}, λ2 = {pair[1]:g}", points) for pair, points in pairs)
    else:
        yield f"searches (colours: λ1, {searched['lambda1'].min():g} to {searched['lambda1'].max():g})", searched
    for kind, points in table[table["kind"] != "searched"].groupby("kind"):
        yield f"{kind} architecture", points


def _points(name: str, points: pd.DataFrame, unit: float) -> dict[str, Any]:
    high, low = points["psnr_high_db"] - points["psnr_db"], points["psnr_db"] - points["psnr_low_db"]
    colours = points["colour"].tolist()
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": (points["cost"] * unit).tolist(), "y": points["psnr_db"].tolist(),
        "customdata": points["replicate_id"].tolist(), "hovertemplate": "%{y:.2f} dB at %{x:.4g}<extra></extra>",
        "error_y": {"type": "data", "symmetric": False, "array": high.tolist(), "arrayminus": low.tolist(), "thickness": 1, "width": 0, "color": colours[0] if len(set(colours)) == 1 else GRAY},
        "marker": {
            "color": colours, "symbol": [SYMBOLS[marker] for marker in points["marker"]], "size": (points["size"] * _PIXELS_A_POINT).tolist(),
            "opacity": [1.0 if on else 0.45 for on in points["on_front"]], "line": {"color": "#ffffff", "width": 0.8},
        },
    }  # fmt: skip


def details(rows: pd.DataFrame, axes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What is shown of each configuration, by `replicate_id`: its name, and of each seed its architecture and figures."""
    found = {}
    for replicate, group in rows.dropna(subset=["psnr_db"]).groupby("replicate_id", sort=False):
        seeds = [
            {
                "seed": int(row["seed"]), "architecture": row["architecture"], "psnr": f"{row['psnr_db']:.2f} dB", "parameters": f"{row['parameters']:,}",
                "time": f"{row['test_time_ms']:.1f} ms" if pd.notna(row["test_time_ms"]) else "not timed", "trial": row["trial_id"],
            }
            for row in group.sort_values("seed").to_dict("records")
        ]  # fmt: skip
        found[str(replicate)] = {"name": named(group.iloc[0], axes), "seeds": seeds}
    return found

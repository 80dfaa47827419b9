"""Fronts and how sure they are: what a share of the seeds attained, and how probably a point is on the front.

Each is drawn from the table of the function that it is named after: `analysis.attainment`,
`analysis.front_probability`. Costs are to the left where they are small, PSNR is on top where it is large.
"""

import numpy as np
import pandas as pd

from analysis.figures.style import BELOW, BESIDE, COLOURS, GRAY, Figure, Look, draw_front, handle, label, quantity

_LINES = ("-", "--", "-.", ":")


def draw_attainment(table: pd.DataFrame, caption: str, points: pd.DataFrame | None = None) -> Figure:
    """The staircases of `analysis.attainment` of a cost to minimise and a score to maximise: one a level.

    The space between them is filled. `points` (rows of `analysis.load`) stand behind them in gray.

    Raises:
        ValueError: `table` is not of two columns beside its level.
    """
    if len(table.columns) != 3:
        raise ValueError(f"a staircase is of two columns, not of {', '.join(table.columns[1:])}")
    cost, score = table.columns[1:]
    (across, unit), (up, scale) = quantity(cost), quantity(score)
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
    label(axes, across, up, caption)
    if len(everything):
        axes.set(xlim=(None, right), ylim=(bottom, None))
        axes.legend(**BESIDE)
    return figure


def _beyond(values: pd.Series, sign: int) -> float:
    """A little more than the largest, or less than the smallest value."""
    if not len(values):
        return 0.0
    end = values.max() if sign > 0 else values.min()
    return float(end + sign * (0.06 * (values.max() - values.min()) or 0.01 * abs(end) or 1.0))


def draw_probability_front(table: pd.DataFrame, caption: str) -> Figure:
    """The configurations of `analysis.front_probability`: the brighter and larger, the surer on the front.

    The table is of a cost and a score. The line is the front of the means. A configuration of one seed has no
    probability and is a cross. `×3` stands at three configurations with the same figures.

    Raises:
        ValueError: `table` is not of two columns.
    """
    measured = [name for name in table.columns[2:] if name not in ("on_front", "probability")]
    if len(measured) != 2:
        raise ValueError(f"a front is drawn of two columns, not of {', '.join(measured) or 'none'}")
    cost, score = measured
    (across, unit), (up, scale) = quantity(cost), quantity(score)
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.add_subplot()
    front = table[table["on_front"].astype(bool)].sort_values(cost)
    line = draw_front(axes, unit * front[cost], scale * front[score])
    known = table[table["probability"].notna()].sort_values("probability", ascending=False)
    unknown = table[table["probability"].isna()]
    shade: Look = {"c": known["probability"], "cmap": "cividis", "vmin": 0, "vmax": 1, "zorder": 3}
    shade |= {"s": 30 + 110 * known["probability"], "edgecolors": "black", "linewidths": 0.6}
    drawn = axes.scatter(unit * known[cost], scale * known[score], **shade)
    axes.plot(unit * unknown[cost], scale * unknown[score], "x", color=GRAY, zorder=2)
    figure.colorbar(drawn, ax=axes, label="probability of being on the front")
    axes.margins(0.08)
    label(axes, across, up, caption)
    counts = table.groupby([cost, score], as_index=False).size().query("size > 1")
    for x, y, count in zip(unit * counts[cost], scale * counts[score], counts["size"], strict=True):
        axes.annotate(f"×{count}", (x, y), (7, -9), textcoords="offset points", fontsize=7.5)
    if len(table):
        crosses = [handle("x", GRAY, "one seed: not known")] if len(unknown) else []
        figure.legend(handles=[line, *crosses], ncols=2, **BELOW)
    return figure

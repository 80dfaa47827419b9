"""Figures of an ablation: which values differ, which axes matter, and is the search better than luck.

Each is drawn from the table of the function that it is named after (`analysis.comparisons`, `analysis.effects`,
`analysis.search_against_random`); rows read from the top, and what has no interval is an open circle.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties

from analysis.figures.style import COLOURS, GRAY, MARKERS, Figure, handle, quantity
from analysis.rows.configurations import KEY
from analysis.rows.units import counted, mark, short_text
from analysis.statistics.against_random import compared

MOST = 60
"""More rows than this are not drawn, and the caption says which are."""
_ROW, _WIDTH = 0.26, 7.2
"""Inches: the height of a row, the width of a page."""


def draw_differences(table: pd.DataFrame, caption: str, level: float = 0.95) -> Figure:
    """The differences of `analysis.comparisons` with their intervals, a row each; beside it seeds and Holm's p-value.

    `table` may join the comparisons of several axes, of one metric; `level` is that of its intervals. Raises
    ValueError: differences of several metrics.
    """
    metrics = table["metric"].unique().tolist()
    if len(metrics) > 1:
        raise ValueError(f"differences of {', '.join(metrics)} do not share an axis: choose one metric")
    name, scale = quantity(metrics[0], table["difference"]) if metrics else ("metric", 1.0)
    shown = table if len(table) <= MOST else table.loc[table["difference"].abs().sort_values().index[::-1]].head(MOST)
    if len(shown) < len(table):
        caption = f"{caption}\nthe {MOST} largest of {len(table)} differences"
    figure, (axes,) = _rows(len(shown), 1, caption)
    pairs = zip(shown["axis"], shown["value_a"], shown["value_b"], strict=True)
    labels = [f"{mark(axis)}: {short_text(a)} − {short_text(b)}" for axis, a, b in pairs]
    _label_rows(axes, labels, _seeds_and_p(shown))
    _draw_intervals(axes, scale * shown[["difference", "low", "high"]].astype(float))
    axes.set_xlabel(f"difference in {name}")
    figure.supxlabel(_method(shown, level), fontsize=6.5)
    return figure


def draw_effects(table: pd.DataFrame, caption: str, metric: str = "psnr_db") -> Figure:
    """The shares of variance of `analysis.effects`, a bar a source, with their p-values."""
    shown = table[table["source"] != "total"].reset_index(drop=True)
    figure, (axes,) = _rows(len(shown), 1, caption)
    _label_rows(axes, [_source(source) for source in shown["source"]])
    shares = 100 * shown["eta_squared"].astype(float).to_numpy()
    colours = [GRAY if s in ("left over", "seed") else COLOURS[1] if "×" in s else COLOURS[0] for s in shown["source"]]
    axes.barh(range(len(shown)), np.nan_to_num(shares), color=colours, height=0.6)
    for number, (share, p) in enumerate(zip(shares, shown["p"], strict=True)):
        figures = "none" if np.isnan(share) else f"{share:.1f} %" + ("" if pd.isna(p) else f", {_p(p)}")
        axes.text(float(np.nan_to_num(share)), number, f" {figures}", va="center", fontsize=7.5)
    axes.set(xlim=(0, 1.25 * np.nanmax([100.0, *shares])), xticks=range(0, 101, 20))
    axes.set_xlabel(f"share of the variance of {quantity(metric)[0]} explained, η² (%)")
    reasons = table.dropna(subset=["reason"]).groupby("reason", sort=False)["source"]
    notes = [f"{', '.join(map(_source, sources))}: {reason}" for reason, sources in reasons]
    if (table["squares"] == "type II").any():
        notes.append("type II squares: shares need not add up to 100 %")
    figure.supxlabel("\n".join(notes), fontsize=6.5)
    return figure


def _source(name: str) -> str:
    return " × ".join(map(mark, name.split(" × ")))


def against_random_points(rows: pd.DataFrame, metric: str = "psnr_db") -> pd.DataFrame:
    """The networks that `analysis.search_against_random` compares: `replicate_id, kind, seed, architecture`, metric.

    Raises KeyError and ValueError as `search_against_random` does.
    """
    points = pd.concat(compared(rows, metric))
    return points[[KEY, "kind", "seed", "architecture", metric]].reset_index(drop=True)


def draw_against_random(
    points: pd.DataFrame, gains: pd.DataFrame, caption: str, names: Mapping[str, str] | None = None, level: float = 0.95
) -> Figure:
    """Left: every network of a search configuration and, below, every random one, with means. Right: the gains.

    `points` are of `against_random_points`, `gains` of `analysis.search_against_random` on the same rows. `names` says
    what a configuration (`replicate_id`) is called, else its λ; `level` is of intervals. Seeds are one below the other.
    """
    metric = points.columns[-1]
    name, scale = quantity(metric, points[metric])
    if len(gains) > MOST:
        caption = f"{caption}\n{MOST} of {len(gains)} configurations, evenly from the largest gain to the smallest"
        ordered = gains.sort_values("gain", ascending=False, ignore_index=True)
        gains = ordered.loc[np.linspace(0, len(gains) - 1, MOST).round().astype(int)]
    gains = gains.sort_values(["lambda1", "lambda2"], ignore_index=True)
    figure, (left, right) = _rows(len(gains) + 1, 2, caption)
    seeds = sorted(points["seed"].unique())
    are_few = len(seeds) <= len(MARKERS)
    looks = list(zip(COLOURS, MARKERS, strict=False)) if are_few else [(COLOURS[0], "o")] * len(seeds)
    random = points[points["kind"] == "random"]
    groups = [points[(points[KEY] == key) & (points["kind"] == "searched")] for key in gains[KEY]]
    heights = [*range(len(gains)), len(gains) + 0.4]
    for group, middle, spread in zip([*groups, random], heights, [0.5] * len(groups) + [1.2], strict=True):
        for place, (seed, (colour, marker)) in enumerate(zip(seeds, looks, strict=False)):
            values = scale * group.loc[group["seed"] == seed, metric]
            height = [middle + spread * ((place + 0.5) / len(seeds) - 0.5)] * len(values)
            left.plot(values, height, marker, color=colour, markersize=4, linestyle="", alpha=0.8)
    means = [*gains["mean"].astype(float), random.groupby("seed")[metric].mean().astype(float).mean()]
    left.plot(scale * np.array(means), heights, "|", color="black", markersize=13, markeredgewidth=1.8)
    left.axvline(scale * means[-1], color=GRAY, linewidth=0.8, linestyle="--", zorder=0)
    _label_rows(left, [*_configurations(gains, names or {}), "random architectures"], at=heights)
    left.set_ylim(len(gains) + 1.1, -0.5)
    _label_rows(right, None, [*_seeds_and_p(gains), ""])
    _draw_intervals(right, scale * gains[["gain", "low", "high"]].astype(float))
    left.set_xlabel(name)
    right.set_xlabel(f"gain over random in {name}")
    handles = [handle("|", "black", "mean", markersize=10)]
    entries = zip(looks, [f"seed {seed}" for seed in seeds] if are_few else ["one seed"], strict=False)
    handles += [handle(marker, colour, text, markersize=4) for (colour, marker), text in entries]
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=7.5, frameon=False)
    legend.set_title(_method(gains, level), FontProperties(size=6.5))
    return figure


def _configurations(gains: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    known = zip(gains[KEY], gains["lambda1"], gains["lambda2"], strict=True)
    found = [names.get(key, f"λ1 = {short_text(a)}, λ2 = {short_text(b)}") for key, a, b in known]
    repeated = {text for text in found if found.count(text) > 1}
    keys = gains[KEY].astype(str).str[:6]
    return [f"{text} ({key})" if text in repeated else text for text, key in zip(found, keys, strict=True)]


def _rows(count: int, panels: int, caption: str) -> tuple[Figure, Sequence[Axes]]:
    """A figure of `count` rows, read from the top."""
    figure = Figure(figsize=(_WIDTH, _ROW * max(count, 2) + 1.8), layout="constrained")
    figure.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr, call-arg]
    found = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
    for axes in found:
        axes.grid(axis="x", alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    found[0].set_ylim(max(count, 1) - 0.5, -0.5)
    figure.suptitle(caption, fontsize=9)
    return figure, found


def _label_rows(axes: Axes, left: Sequence[str] | None, right: Sequence[str] = (), at: Sequence[float] = ()) -> None:
    if left is not None:
        axes.set_yticks(at or range(len(left)), left, fontsize=7.5)
    axes.tick_params(axis="y", length=0)
    if right:
        beside = axes.secondary_yaxis("right")
        beside.set_yticks(range(len(right)), right, fontsize=7)
        beside.tick_params(axis="y", length=0)
        beside.spines["right"].set_visible(False)


def _draw_intervals(axes: Axes, found: pd.DataFrame) -> None:
    """A mean, its lower and its upper bound a row; open where there are no bounds."""
    means, low, high = found.to_numpy(float).T
    levels, bounded = np.arange(len(found)), np.isfinite(low) & np.isfinite(high)
    axes.axvline(0, color=GRAY, linewidth=0.8, zorder=0)
    axes.hlines(levels[bounded], low[bounded], high[bounded], color=COLOURS[0], linewidth=1.8)
    axes.plot(means[bounded], levels[bounded], "o", color=COLOURS[0], markersize=5)
    axes.plot(means[~bounded], levels[~bounded], "o", color=COLOURS[0], markerfacecolor="white", markersize=5)


def _method(found: pd.DataFrame, level: float) -> str:
    """How the intervals and the p-values of a table were found, in one line."""
    kinds = ", ".join(found["interval"].dropna().unique())
    line = f"Line: {100 * level:g} % interval ({kinds}). " if kinds else ""
    permuted = " p: permutation test, Holm's correction." if found["p_permutation_holm"].notna().any() else ""
    return f"{line}Open circle: no interval.{permuted}"


def _seeds_and_p(found: pd.DataFrame) -> list[str]:
    pairs = zip(found["seeds"], found["p_permutation_holm"], strict=True)
    return [counted(seeds, "seed") + ("" if pd.isna(p) else f", {_p(p)}") for seeds, p in pairs]


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"

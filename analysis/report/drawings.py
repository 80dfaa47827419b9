"""Every figure of a study's report, each from a table that a function of this package returns."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from analysis.figures.ablation import against_random_points, draw_against_random, draw_differences, draw_effects
from analysis.figures.alpha import draw_final_alpha, draw_gaps, draw_trajectories
from analysis.figures.panels import draw_panels, panel_pictures
from analysis.figures.pareto import draw_attainment, draw_pareto, draw_probability_front
from analysis.figures.space import draw_space, strip_costs
from analysis.figures.style import Figure
from analysis.predictions.space import space_of
from analysis.predictions.testing_time import time_model
from analysis.rows.comparable import by_device, caption, comparable_groups, timed_caption
from analysis.rows.configurations import KEY, LEAST_SEEDS, block, configuration_name, rows_shown, varied_axes
from analysis.rows.study import StudyRows
from analysis.statistics.against_random import search_against_random
from analysis.statistics.effects import effects
from analysis.statistics.paired import comparisons
from analysis.statistics.pareto import TRADE, attainment
from analysis.statistics.uncertainty import front_probability

MOST_PANELS = 36
"""More pairs of λ1 and λ2 than this have no picture of trajectories."""


@dataclass(frozen=True)
class Drawing:
    """A figure of the report, the name of its files, and what it shows; without a `figure`, `reason` says why.

    In the place of some the page has an interactive one (`on_page` is false).
    """

    name: str
    title: str
    figure: Figure | None
    reason: str = ""
    on_page: bool = True


def drawings(results: StudyRows) -> Iterator[Drawing]:
    """Every figure that the rows of a study give, protocol by protocol."""
    for number, (text, group) in enumerate(results.groups):
        suffix = results.suffix(number)
        yield from _pareto(results, number)
        for title, name, draw in _asked(results, group, text):
            try:
                yield Drawing(f"figure_{name}{suffix}", title, draw())
            except (ValueError, KeyError) as error:
                yield Drawing(f"figure_{name}{suffix}", title, None, str(error))


def trades(results: StudyRows, number: int) -> Iterator[tuple[str, str, str, str, pd.DataFrame]]:
    """What PSNR of a protocol is drawn against: the cost, its title, how files' names end, the caption, the rows."""
    (text, group), suffix = results.groups[number], results.suffix(number)
    yield "parameters", "parameters", suffix, f"{text}\n{rows_shown(group)}", group
    timed = list(by_device(group, results.timings))
    for place, (device, rows) in enumerate(timed, start=1):
        end = suffix + (f"_device_{place}" if len(timed) > 1 else "")
        about = f"{timed_caption(rows, device)}\n{rows_shown(rows)}"
        yield "test_time_ms", f"testing time on {device}", end, about, rows


def _pareto(results: StudyRows, number: int) -> Iterator[Drawing]:
    """PSNR against parameters and the time on each device, with the costs of the whole space below where it is one."""
    whole = space_of(results.groups[number][1])
    for cost, title, end, text, rows in trades(results, number):
        costs = strip_costs(rows, cost)
        if cost == "test_time_ms" and whole is not None and costs is not None:
            figure = draw_space(rows, whole, time_model(rows), text)
            about = "The whole space: parameters and predicted testing time of every architecture"
            yield Drawing(f"figure_space{end}", about, figure)
        name = f"pareto_{cost.removesuffix('_ms')}{end}"
        yield Drawing(name, f"PSNR against {title}", draw_pareto(rows, cost, text, costs), on_page=False)


def _asked(results: StudyRows, group: pd.DataFrame, text: str) -> Iterator[tuple[str, str, Callable[[], Figure]]]:
    """Title, name and drawing of the figures that the rows of one protocol give."""
    searched, axes = group[group["kind"] == "searched"], varied_axes(group, results.axes)
    yield "The first test image, restored", "panel", partial(_panel, results, group, text)
    if not len(searched):
        return
    whole, text = f"{text}\n{rows_shown(group)}", f"{text}\n{rows_shown(searched)}"
    for place, (where, rows) in enumerate(comparable_groups(group.dropna(subset=["psnr_db"])), start=1):
        if {"searched", "random"} <= set(rows["kind"]):
            name, end = (f"against_random_{place}", f"\n{where}") if where else ("against_random", "")
            fair = rows[rows["kind"].isin(["searched", "random"])]
            about = f"{caption(group)}\n{rows_shown(fair)}{end}"
            yield "Searched networks against random architectures", name, partial(_luck, rows, results, about)
    if group["seed"].nunique() >= LEAST_SEEDS:
        title, generator = "How probable it is that a configuration is on the front", np.random.default_rng(0)
        chances = partial(front_probability, group, generator, **TRADE)
        yield title, "probability", lambda: draw_probability_front(chances(), whole)
    if searched["seed"].nunique() > 1:
        title = "The fronts of trials that shares of the seeds attained"
        yield title, "attainment", lambda: draw_attainment(attainment(searched, **TRADE), text, searched)
    if axes:
        yield "Differences between values of each axis", "differences", partial(_differences, searched, axes, text)
        shares = partial(effects, searched, axes, block=block(searched))
        yield "What explains the variance of PSNR", "effects", lambda: draw_effects(shares(), text)
    yield "How far α has decided, against λ1", "alpha_gap", partial(draw_gaps, searched, text)
    yield "α at the end of the searches", "alpha_end", partial(draw_final_alpha, searched, text)
    yield "α during the searches", "alpha_paths", partial(_paths, results, searched, text)


def _panel(results: StudyRows, group: pd.DataFrame, text: str) -> Figure:
    pictures = panel_pictures(results.storage, group)
    if not pictures:
        raise ValueError("the store holds no picture of a tested network")
    return draw_panels(pictures, text)


def _luck(rows: pd.DataFrame, results: StudyRows, text: str) -> Figure:
    gains = search_against_random(rows, np.random.default_rng(0))
    firsts = rows.drop_duplicates(KEY).to_dict("records")
    names = {row[KEY]: configuration_name(row, results.axes, short=True) for row in firsts}
    return draw_against_random(against_random_points(rows), gains, text, names)


def _differences(searched: pd.DataFrame, axes: list[str], text: str) -> Figure:
    """All values of each axis against each other, each pair at equal values of the other axes."""
    generator = np.random.default_rng(0)
    tables = [comparisons(searched, axis, generator, within=[name for name in axes if name != axis]) for axis in axes]
    return draw_differences(pd.concat(tables, ignore_index=True), text)


def _paths(results: StudyRows, searched: pd.DataFrame, text: str) -> Figure:
    panels = searched["lambda1"].nunique() * searched["lambda2"].nunique()
    if panels > MOST_PANELS:
        told = "are too many for one figure; draw_trajectories draws some of them"
        raise ValueError(f"{panels} pairs of λ1 and λ2 {told}")
    return draw_trajectories(searched, results.curves, text)

"""What rows of one protocol say, in sentences with numbers and how sure they are.

Every sentence is worked out from the rows by the functions of this package, whose docstrings say how. What can't be worked
out is said, too, with the reason; nothing is left out because it disappoints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.predictions.polarisation import alpha_gaps, decided_by
from analysis.predictions.space import space_counts, standing
from analysis.rows.configurations import MARKS, alike, block, configurations, named, percent, varied_axes
from analysis.rows.groups import same_pixels
from analysis.statistics.against_random import search_against_random
from analysis.statistics.consensus import seed_agreement
from analysis.statistics.effects import effects
from analysis.statistics.pareto import knee
from analysis.statistics.uncertainty import front_probability

SURE, LEVEL = 0.95, 0.05
_FRONT: dict[str, Any] = {"minimise": ["parameters"], "maximise": ["psnr_db"]}


@dataclass(frozen=True)
class Conclusion:
    """A sentence, under the question that it answers."""

    topic: str
    text: str


def conclusions(
    rows: pd.DataFrame,
    axes: Sequence[str],
    references: pd.DataFrame,
    curves: pd.DataFrame,
    generator: np.random.Generator,
) -> list[Conclusion]:
    """What rows of one protocol answer, the most asked first.

    Args:
        rows: of one of `analysis.rows.groups.comparable`; `references` of `analysis.load_references`, `curves` of `analysis.load_curves`.
        axes: the fields that the study varies, beside the seed.
        generator: for the intervals and tests that draw; the same generator, the same sentences.
    """
    scored = rows.dropna(subset=["psnr_db"])
    questions: list[tuple[str, Callable[[], Iterator[str]]]] = [
        ("Which configuration is best?", lambda: _best(scored, axes, generator)),
        ("Is the search better than luck?", lambda: _luck(scored, axes, generator)),
        ("What decides PSNR?", lambda: _effects(scored, axes)),
        ("What does α say?", lambda: _alpha(scored, curves)),
        ("Do seeds find the same architecture?", lambda: _agreement(scored, generator)),
        ("What does the search choose from its space?", lambda: _space(scored)),
        ("How do networks stand beside classical methods?", lambda: _classical(scored, references)),
    ]
    return [Conclusion(topic, text) for topic, said in questions for text in _said(said)]


def _said(sentences: Callable[[], Iterator[str]]) -> Iterator[str]:
    try:
        yield from sentences()
    except (ValueError, KeyError) as error:
        yield f"Not worked out: {error}."


def _best(rows: pd.DataFrame, axes: Sequence[str], generator: np.random.Generator) -> Iterator[str]:
    table = configurations(rows)
    best = table.iloc[int(table["psnr_db"].argmax())]
    yield f"The highest mean PSNR is {best['psnr_db']:.2f} dB: {named(best, axes)} ({_about(best)})."
    bend = knee(table, **_FRONT)
    if len(bend) and bend.index[0] != best.name:
        row = bend.iloc[0]
        fewer = 1 - row["parameters"] / best["parameters"]
        yield f"The front of PSNR and parameters bends at {row['psnr_db']:.2f} dB: {named(row, axes)}, {best['psnr_db'] - row['psnr_db']:.2f} dB below the highest with {percent(fewer)} fewer parameters ({_about(row)})."
    chances = front_probability(rows, generator, **_FRONT)
    known = chances["probability"].dropna()
    said = f"Of {len(chances)} configurations, {int(chances['on_front'].sum())} are on the front of their means"
    if not len(known):
        yield f"{said}; with one seed each, nothing says how surely."
        return
    surely, hardly = int((known >= SURE).sum()), int((known <= 1 - SURE).sum())
    yield f"{said}. Given how seeds and test images vary, {surely} belong there with a probability of {percent(SURE)} or more, {hardly} with {percent(1 - SURE)} or less, and {len(known) - surely - hardly} remain open."


def _about(row: pd.Series) -> str:
    if row["seeds"] == 1:
        return f"{row['parameters']:,.0f} parameters; one seed"
    return f"{row['parameters']:,.0f} parameters on average; {row['seeds']} seeds, {row['low_db']:.2f} to {row['high_db']:.2f} dB"


def _luck(rows: pd.DataFrame, axes: Sequence[str], generator: np.random.Generator) -> Iterator[str]:
    for where, group in alike(rows):
        kinds = set(group["kind"])
        at = f"At {where}: " if where else ""
        if "searched" not in kinds:
            continue
        if "random" not in kinds:
            yield f"{at}no random architecture was trained alike; `--random N` adds some."
            continue
        yield at + _verdict(search_against_random(group, generator), group, axes)


def _verdict(table: pd.DataFrame, rows: pd.DataFrame, axes: Sequence[str]) -> str:
    known = table.dropna(subset=["low", "high"])
    better, worse = int((known["low"] > 0).sum()), int((known["high"] < 0).sum())
    top = table.iloc[int(table["gain"].argmax())]
    label = named(rows[rows["replicate_id"] == top["replicate_id"]].iloc[0], axes)
    interval = f"95 %: {top['low']:+.2f} to {top['high']:+.2f}" if pd.notna(top["low"]) else "one seed: no interval"
    if not len(known):
        answer = "no search has two seeds beside random architectures: this study cannot tell"
    else:
        answer = (
            f"{better} of {len(known)} search configurations beat the average random architecture of the same seeds and training with 95 % confidence, "
            f"{worse} fall behind it, {len(known) - better - worse} are undecided"
        )
    said = f"{answer}. The largest gain is {top['gain']:+.2f} dB ({interval}; {_counted(top['seeds'], 'seed')}, {_counted(top['random_architectures'], 'random architecture')}): {label}"
    if pd.notna(top["equal_cost_gain"]):
        said += f"; against the best of {_counted(top['best_of'], 'random architecture')}, trained in the time that the search took, {top['equal_cost_gain']:+.2f} dB"
    return said[0].upper() + said[1:] + "."


def _counted(count: float, name: str) -> str:
    return f"{count:.0f} {name}{'' if count == 1 else 's'}"


def _effects(rows: pd.DataFrame, axes: Sequence[str]) -> Iterator[str]:
    searched = rows[rows["kind"] == "searched"]
    varied = varied_axes(rows, axes)
    if not varied:
        return
    sources = {row["source"]: row for row in effects(searched, varied, block=block(searched)).to_dict("records")}
    parts = [_share(sources[name], MARKS.get(name, name)) for name in varied]
    if "seed" in sources:
        parts.append(_share(sources["seed"], "the seed"))
    yield f"Shares of the variance of PSNR over {len(searched)} searches: {', '.join(parts)}."


def _share(row: Mapping[Any, Any], name: str) -> str:
    p = f" (p = {row['p']:.2g})" if pd.notna(row["p"]) else ""
    return f"{name} {percent(row['eta_squared'])}{p}" if pd.notna(row["eta_squared"]) else f"{name} an unknown share"


def _alpha(rows: pd.DataFrame, curves: pd.DataFrame) -> Iterator[str]:
    searched = rows[(rows["kind"] == "searched") & rows["alpha"].notna()] if "alpha" in rows else rows[:0]
    if not len(searched):
        return
    gaps = alpha_gaps(searched)
    own = gaps[gaps["kind"] == "searched"]
    told = ", ".join(
        f"{gap:.2f} at λ1 = {lambda1:g}" for lambda1, gap in _some(own.groupby("lambda1")["mean_gap"].mean()).items()
    )
    least = " or ".join(f"{value:.4f}" for value in sorted(set(own["threshold"].round(4))))
    yield f"Mean |α^p − α^f| at the end of the searches: {told}. Below λ1 = {least} the regulariser cannot polarise α by itself; the published searches have 0.03, 0.06 and 0.67 at λ1 = 0, 0.01 and 0.1."
    table = decided_by(searched, curves)
    shares = table["decided_by"].fillna("unknown").value_counts(normalize=True)
    words = {
        "data": "were decided by the data",
        "regulariser": "would have been by the regulariser alone",
        "nobody": "by nobody (α is near ½)",
        "unknown": "cannot be told",
    }
    yield f"Of {len(table)} columns, {', '.join(f'{percent(shares[name])} {words[name]}' for name in words if name in shares)}."


def _some(series: pd.Series) -> pd.Series:
    """At most five values of a series, from the first to the last."""
    return series.iloc[np.unique(np.linspace(0, len(series) - 1, min(5, len(series))).round().astype(int))]


def _agreement(rows: pd.DataFrame, generator: np.random.Generator) -> Iterator[str]:
    searched = rows[rows["kind"] == "searched"]
    if not len(searched) or searched["seed"].nunique() < 2:
        return
    table = seed_agreement(searched, generator).dropna(subset=["agreement"])
    if not len(table):
        return
    beyond, where = (table["p_coin"] < LEVEL).sum(), (table["p_shuffled"] < LEVEL).sum()
    yield (
        f"Two seeds of a configuration choose the same module in {percent(table['agreement'].mean())} of the columns on average over {len(table)} configurations; fair coins would in 50 %. "
        f"Beyond coins at 5 % (each on its own) are {beyond}; {where} agree on where fusions stand, beyond how many there are."
    )


def _space(rows: pd.DataFrame) -> Iterator[str]:
    spaces = rows[rows["kind"] == "searched"].groupby(["columns", "channels", "image_channels"])
    for _, found in spaces:
        columns, channels, image_channels = found.iloc[0][["columns", "channels", "image_channels"]]
        whole = space_counts(columns, channels, image_channels)
        table = standing(found, whole)
        trials = table["trials"].to_numpy()
        shares = ", ".join(
            f"{word} {_between(np.repeat(table[f'{name}_percentile'], trials))}"
            for name, word in (("parameters", "parameters"), ("flops", "FLOPs"))
        )
        yield (
            f"In the space of N = {columns} at {channels} channels, {trials.sum()} searches found {_counted(len(table), 'architecture')} of {2 ** sum(map(int, columns.split('-'))):,}. "
            f"Percentiles among all of them, where a random draw has 50 on average: {shares}."
        )


def _between(values: np.ndarray) -> str:
    low, middle, high = np.quantile(values, [0, 0.5, 1])
    return f"{middle:.0f}" if low == high else f"{middle:.0f} in the middle ({low:.0f} to {high:.0f})"


def _classical(rows: pd.DataFrame, references: pd.DataFrame) -> Iterator[str]:
    beside = same_pixels(rows, references)
    if not len(beside):
        return
    best = beside.iloc[int(beside["psnr_db"].argmax())]
    above = rows["psnr_db"] > best["psnr_db"]
    ahead = rows["psnr_db"].max() - best["psnr_db"]
    where = f"the best by {ahead:.2f} dB" if ahead > 0 else f"the best is {-ahead:.2f} dB short of it"
    yield f"The best method without training, {best['method']}, has {best['psnr_db']:.2f} dB on the same pixels: {int(above.sum())} of {len(rows)} trained networks lie above it, {where}."

"""What rows of one protocol say, in sentences with numbers and how sure they are.

Every sentence is worked out from the rows by the functions of this package, whose docstrings say how. What can't be
worked out is said, too, with the reason; nothing is left out because it disappoints.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.predictions.polarisation import alpha_gaps, decided_by
from analysis.predictions.space import COSTS, SHAPE, space_counts, standing
from analysis.rows.comparable import comparable_groups, references_beside
from analysis.rows.configurations import KEY, block, configuration_means, configuration_name, distinct, varied_axes
from analysis.rows.units import counted, mark, percent
from analysis.statistics.against_random import search_against_random, space_size
from analysis.statistics.consensus import seed_agreement
from analysis.statistics.effects import effects
from analysis.statistics.pareto import TRADE, knee
from analysis.statistics.uncertainty import front_probability

SURE, LEVEL = 0.95, 0.05
_DECIDED = {
    "data": "were decided by the data",
    "regulariser": "would have been by the regulariser alone",
    "nobody": "by nobody (α is near ½)",
    "unknown": "cannot be told",
}


def conclusions(
    rows: pd.DataFrame, axes: list[str], references: pd.DataFrame, curves: pd.DataFrame, generator: np.random.Generator
) -> dict[str, list[str]]:
    """What rows of one protocol answer, by question, the most asked first; questions without an answer are left out.

    Args:
        rows: one of `analysis.rows.comparable.protocol_groups`; `references` and `curves` are of `analysis.load_…`.
        axes: the fields that the study varies, beside the seed.
        generator: for the intervals and tests that draw; the same generator, the same sentences.
    """
    scored = rows.dropna(subset=["psnr_db"])
    questions = {
        "Which configuration is best?": _best(scored, axes, generator),
        "Is the search better than luck?": _luck(scored, axes, generator),
        "How do networks stand beside classical methods?": _classical(scored, references),
        "What decides PSNR?": _effects(scored, axes),
        "What does α say?": _alpha(scored, curves),
        "Do seeds find the same architecture?": _agreement(scored, generator),
        "What does the search choose from its space?": _space(scored),
    }
    answers = {topic: list(_said(sentences)) for topic, sentences in questions.items()}
    return {topic: texts for topic, texts in answers.items() if texts}


def _said(sentences: Iterator[str]) -> Iterator[str]:
    try:
        yield from sentences
    except (ValueError, KeyError) as error:
        yield f"Not worked out: {error}."


def _best(rows: pd.DataFrame, axes: list[str], generator: np.random.Generator) -> Iterator[str]:
    means = configuration_means(rows, ["psnr_db", "parameters"])
    best = means.iloc[int(means["psnr_db"].argmax())]
    yield f"The highest PSNR is {best['psnr_db']:.2f} dB, of {configuration_name(best, axes)} ({_about(best)})."
    bend = knee(means, **TRADE)
    if len(bend) and bend.index[0] != best.name:
        row = bend.iloc[0]
        fewer = f"{percent(1 - row['parameters'] / best['parameters'])} fewer parameters"
        figures = f"{row['psnr_db']:.2f} dB, {best['psnr_db'] - row['psnr_db']:.2f} dB less ({_about(row)})"
        yield f"A good compromise is {configuration_name(row, axes)}, where the front bends: {fewer}, and {figures}."
    chances = front_probability(rows, generator, **TRADE)
    known, count = chances["probability"].dropna(), int(chances["on_front"].sum())
    on_front = f"Of {counted(len(chances), 'configuration')}, {_are(count)} on the front"
    if not len(known):
        yield f"{on_front}; with fewer than three seeds, nothing says how surely."
        return
    surely, hardly = int((known >= SURE).sum()), int((known <= 1 - SURE).sum())
    belong = f"{surely} {'belongs' if surely == 1 else 'belong'} there with a probability of {percent(SURE)} or more"
    others = f"{hardly} with {percent(1 - SURE)} or less; {len(known) - surely - hardly} may or may not"
    yield f"{on_front} by their means. Given how seeds and test images vary, {belong}, {others}."


def _about(row: pd.Series) -> str:
    even = row["parameters_min"] == row["parameters_max"]
    size = f"{row['parameters']:,.0f} parameters{'' if even else ' on average'}"
    if row["seeds"] == 1:
        return f"{size}; one seed"
    between = "and" if row["seeds"] == 2 else "to"
    return f"{size}; {row['seeds']} seeds: {row['psnr_db_min']:.2f} {between} {row['psnr_db_max']:.2f} dB"


def _luck(rows: pd.DataFrame, axes: list[str], generator: np.random.Generator) -> Iterator[str]:
    for where, group in comparable_groups(rows):
        kinds, at = set(group["kind"]), f"At {where}: " if where else ""
        if "searched" in kinds and "random" in kinds:
            first, *more = _verdict(search_against_random(group, generator), group, axes)
            yield from (at + first, *more)
        elif "searched" in kinds:
            yield f"{f'{at}no' if at else 'No'} random architecture was trained alike; `--random N` adds some."


def _verdict(table: pd.DataFrame, rows: pd.DataFrame, axes: list[str]) -> Iterator[str]:
    apart = table[table["same_as"].isna()]
    known = apart.dropna(subset=["low", "high"])
    better, worse = int((known["low"] > 0).sum()), int((known["high"] < 0).sum())
    if len(known):
        others = {"worse": worse, "undecided": len(known) - better - worse}
        more = "".join(f", {_are(count)} {word}" for word, count in others.items() if count)
        own = f" with trainings of {'its' if len(known) == 1 else 'their'} own" if len(apart) < len(table) else ""
        of, average = counted(len(known), "search configuration"), "the average random architecture"
        same = "of the same seeds and training"
        yield f"Of {of}{own}, {_are(better)} better than {average} {same}{more} (95 % confidence)."
    else:
        yield "This study cannot tell: no search has enough seeds beside random architectures."
    top = table.iloc[int(table["gain"].argmax())]
    name = configuration_name(rows[rows[KEY] == top[KEY]].iloc[0], axes)
    one = "The search" if len(table) == 1 else "The best of the searches by mean"
    bounds = f"; 95 %: {top['low']:+.2f} to {top['high']:+.2f} dB" if pd.notna(top["low"]) else ""
    counts = f"{counted(top['seeds'], 'seed')}, {counted(top['random_architectures'], 'random architecture')}{bounds}"
    yield f"{one}, {name}, is {_beyond(top['gain'])} the average random architecture ({counts})."
    if top["random_architectures"] == space_size(rows["architecture"].iloc[0]) and pd.notna(top["probability"]):
        yield f"Those are the whole space: its networks beat {percent(top['probability'])} of it, seed by seed."
    if pd.notna(top["equal_cost_gain"]):
        drawn = "one random architecture" if top["best_of"] == 1 else f"the best of {top['best_of']:.0f} random ones"
        yield f"The time of its search would have trained {drawn}: it is {_beyond(top['equal_cost_gain'])} that."


def _are(count: int) -> str:
    return f"{count or 'none'} {'is' if count < 2 else 'are'}"


def _beyond(gain: float) -> str:
    """A difference in PSNR in words, as many dB above or below."""
    return f"{abs(gain):.2f} dB {'above' if gain > 0 else 'below'}" if abs(gain) >= 0.005 else "level with"


def _effects(rows: pd.DataFrame, axes: list[str]) -> Iterator[str]:
    searched, varied = rows[rows["kind"] == "searched"], varied_axes(rows, axes)
    if not varied:
        return
    sources = {row["source"]: row for row in effects(searched, varied, block=block(searched)).to_dict("records")}
    parts = [_share(sources[name], mark(name)) for name in varied]
    parts += [_share(sources["seed"], "the seed")] if "seed" in sources else []
    told = f"{len(searched)} searches with {counted(len(distinct(searched)), 'distinct training')}"
    yield f"Shares of the variance of PSNR over {told}: {', '.join(parts)}."


def _share(row: Mapping[Any, Any], name: str) -> str:
    p = f" (p = {row['p']:.2g})" if pd.notna(row["p"]) else ""
    return f"{name} {percent(row['eta_squared'])}{p}" if pd.notna(row["eta_squared"]) else f"{name} an unknown share"


def _alpha(rows: pd.DataFrame, curves: pd.DataFrame) -> Iterator[str]:
    searched = rows[(rows["kind"] == "searched") & rows["alpha"].notna()] if "alpha" in rows else rows[:0]
    if not len(searched):
        return
    gaps = alpha_gaps(searched)
    own = gaps[gaps["kind"] == "searched"]
    means = own.groupby("lambda1")["mean_gap"].mean()
    some = means.iloc[np.unique(np.linspace(0, len(means) - 1, min(5, len(means))).round().astype(int))]
    told = ", ".join(f"{gap:.2f} at λ1 = {lambda1:g}" for lambda1, gap in some.items())
    least = " or ".join(f"{value:.4f}" for value in sorted(set(own["threshold"].round(4))))
    yield (
        f"Mean |α^p − α^f| at the end of the searches: {told}. Below λ1 = {least} the regulariser cannot polarise α by "
        "itself; the published searches have 0.03, 0.06 and 0.67 at λ1 = 0, 0.01 and 0.1."
    )
    table = decided_by(searched, curves)
    shares = table["decided_by"].fillna("unknown").value_counts(normalize=True)
    parts = [f"{percent(shares[name])} {words}" for name, words in _DECIDED.items() if name in shares]
    yield f"Of {len(table)} columns, {', '.join(parts)}."


def _agreement(rows: pd.DataFrame, generator: np.random.Generator) -> Iterator[str]:
    searched = rows[rows["kind"] == "searched"]
    table = seed_agreement(searched, generator).dropna(subset=["agreement"]) if len(searched) else searched
    if not len(table):
        return
    beyond, where = (table["p_coin"] < LEVEL).sum(), (table["p_shuffled"] < LEVEL).sum()
    mean = f"{percent(table['agreement'].mean())} of the columns on average over {len(table)} configurations"
    yield (
        f"Two seeds of a configuration choose the same module in {mean}; fair coins would in 50 %. Beyond coins at 5 % "
        f"(each on its own) are {beyond}; {where} agree on where fusions stand, beyond how many there are."
    )


def _space(rows: pd.DataFrame) -> Iterator[str]:
    for _, found in rows[rows["kind"] == "searched"].groupby(list(SHAPE)):
        columns, channels, image_channels = found.iloc[0][list(SHAPE)]
        table = standing(found, space_counts(columns, channels, image_channels))
        trials = table["trials"].to_numpy()
        ranks = (np.quantile(np.repeat(table[f"{cost}_percentile"], trials), [0, 0.5, 1]) for cost in COSTS)
        among = [f"{b:.0f}" if a == c else f"{b:.0f} in the middle ({a:.0f} to {c:.0f})" for a, b, c in ranks]
        shares, count = "parameters {}, FLOPs {}".format(*among), counted(len(table), "architecture")
        size = space_size(found["architecture"].iloc[0])
        yield (
            f"In the space of N = {columns} at {channels} channels, {trials.sum()} searches found {count} of {size:,}. "
            f"Percentiles among all of them, where a random draw has 50 on average: {shares}."
        )


def _classical(rows: pd.DataFrame, references: pd.DataFrame) -> Iterator[str]:
    beside = references_beside(rows, references)
    if not len(beside):
        return
    best = beside.iloc[int(beside["psnr_db"].argmax())]
    rows = distinct(rows)
    above, ahead = int((rows["psnr_db"] > best["psnr_db"]).sum()), rows["psnr_db"].max() - best["psnr_db"]
    where = f"the best by {ahead:.2f} dB" if ahead > 0 else f"the best is {-ahead:.2f} dB short of it"
    lie = "lies" if 1 in (above, len(rows)) else "lie"
    yield (
        f"The best method without training, {best['method']}, has {best['psnr_db']:.2f} dB on the same pixels: "
        f"{above} of {counted(len(rows), 'trained network')} {lie} above it, {where}."
    )

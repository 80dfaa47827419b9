"""Do seeds find the same architecture: agreement over seeds, column by column, and whether chance agrees as much."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats, which takes long, when it is first asked

from analysis.rows.configurations import KEY
from analysis.rows.units import require
from analysis.statistics.paired import holm

SEED_AGREEMENT = (
    "replicate_id lambda1 lambda2 seeds columns architectures agreement kappa chance_agreement p_coin "
    "shuffled_agreement shuffled_low shuffled_high p_shuffled reason"
).split()
COLUMN_AGREEMENT = "replicate_id lambda1 lambda2 cell column seeds fusion module share p p_holm reason".split()
ALONE = "one seed agrees with itself"


def seed_agreement(
    rows: pd.DataFrame, generator: np.random.Generator, *, configuration: Sequence[str] = (KEY,), draws: int = 9999
) -> pd.DataFrame:
    """One row a search configuration: on what share of columns two of its seeds agree, and what chance would give.

    `agreement` is the mean over pairs of seeds; `kappa` is Fleiss' (1971), with columns as subjects and seeds as
    raters, null where all found one module everywhere. Two kinds of chance, each with a one-sided p-value:

    * a fair coin for every column of every seed: `chance_agreement` is ½, `p_coin` exact, from the distribution of the
      number of agreeing pairs. It asks whether the search does more than draw at random.
    * each seed's own modules, shuffled over its columns: mean `shuffled_agreement`, 95 % of draws from `shuffled_low`
      to `shuffled_high`, and `p_shuffled`. It keeps how many fusions a seed found, and asks if seeds agree *where*.

    Raises KeyError: a column that `rows` lacks. Raises ValueError: a configuration has architectures of two spaces.
    """
    found = [{**about, **_whole(each, generator, draws)} for about, each, _ in _configurations(rows, configuration)]
    kinds: dict[str, Any] = {name: float for name in SEED_AGREEMENT if name not in ("replicate_id", "reason")}
    kinds |= dict.fromkeys(("seeds", "columns", "architectures"), "Int64")
    return pd.DataFrame(found).reindex(columns=SEED_AGREEMENT).astype(kinds)


def column_agreement(rows: pd.DataFrame, *, configuration: Sequence[str] = (KEY,)) -> pd.DataFrame:
    """One row for each configuration and column: how many seeds chose fusion, and the majority's module and share.

    `cell` and `column` count from 1. `p` is the exact two-sided binomial test against a fair coin, `p_holm` Holm's
    correction over the columns of the configuration. With n seeds no p is below 2/2ⁿ: five seeds cannot reach 5 %.
    Raises KeyError and ValueError as `seed_agreement` does.
    """
    table: list[dict[str, Any]] = []
    for about, modules, places in _configurations(rows, configuration):
        seeds, fusions = len(modules), modules.sum(axis=0)
        tested = [scipy.stats.binomtest(int(count), seeds).pvalue if seeds > 1 else np.nan for count in fusions]
        for (cell, column), count, p, adjusted in zip(places, fusions, tested, holm(tested), strict=True):
            row = {**about, "cell": cell, "column": column, "seeds": seeds, "fusion": int(count), "p": p}
            row |= {"module": "P or F" if 2 * count == seeds else "F" if 2 * count > seeds else "P", "p_holm": adjusted}
            table.append({**row, "share": max(count, seeds - count) / seeds, "reason": None if seeds > 1 else ALONE})
    return pd.DataFrame(table, columns=COLUMN_AGREEMENT)


def _configurations(
    rows: pd.DataFrame, configuration: Sequence[str]
) -> Iterator[tuple[dict[str, Any], np.ndarray, list[tuple[int, int]]]]:
    """What names a configuration, whether each seed's columns are fusions (seeds, columns), and each column's place."""
    require(rows, *configuration)
    searched = rows[rows["kind"] == "searched"] if "kind" in rows else rows
    searched = searched.dropna(subset=["architecture"])
    for _, group in searched.groupby(list(configuration), dropna=False, sort=False):
        texts = group.drop_duplicates("seed")["architecture"].tolist()
        shapes = {tuple(map(len, text.split("-"))) for text in texts}
        if len(shapes) > 1:
            mend = "name what tells them apart in `configuration`"
            raise ValueError(f"{texts[0]} and others are of different spaces: {mend}")
        places = [(cell, column) for cell, length in enumerate(shapes.pop(), 1) for column in range(1, length + 1)]
        modules = np.array([[letter == "F" for letter in text.replace("-", "")] for text in texts], dtype=int)
        yield {name: group.iloc[0].get(name) for name in (KEY, "lambda1", "lambda2")}, modules, places


def _whole(modules: np.ndarray, generator: np.random.Generator, draws: int) -> dict[str, Any]:
    seeds, columns = modules.shape
    row: dict[str, Any] = {"seeds": seeds, "columns": columns, "architectures": len(np.unique(modules, axis=0))}
    if seeds < 2:
        return {**row, "reason": ALONE}
    pairs = columns * seeds * (seeds - 1) // 2
    observed = int(_agreeing_pairs(modules.sum(axis=0), seeds).sum())
    fusions = np.zeros((draws, columns), dtype=int)
    for seed in modules:
        fusions += generator.permuted(np.broadcast_to(seed, fusions.shape), axis=1)
    agreement, shuffled = observed / pairs, _agreeing_pairs(fusions, seeds).sum(axis=1) / pairs
    row |= {"agreement": agreement, "chance_agreement": 0.5, "p_coin": _coin_p(observed, seeds, columns)}
    row |= zip(("shuffled_low", "shuffled_high"), np.quantile(shuffled, [0.025, 0.975]), strict=True)
    p = (int(np.sum(shuffled >= agreement - 1e-12)) + 1) / (draws + 1)
    row |= {"shuffled_agreement": shuffled.mean(), "p_shuffled": p, "reason": None}
    share = modules.mean()
    if share in (0, 1):
        return {**row, "reason": "all seeds found one module everywhere: kappa is not defined"}
    expected = share**2 + (1 - share) ** 2
    return {**row, "kappa": (agreement - expected) / (1 - expected)}


def _agreeing_pairs(fusions: np.ndarray, seeds: int) -> np.ndarray:
    others = seeds - fusions
    return (fusions * (fusions - 1) + others * (others - 1)) // 2


def _coin_p(observed: int, seeds: int, columns: int) -> float:
    """P(agreeing pairs ≥ `observed`) when every module is a fair coin: of independent columns, so a convolution."""
    coin = scipy.stats.binom.pmf(np.arange(seeds + 1), seeds, 0.5)
    one = np.bincount(_agreeing_pairs(np.arange(seeds + 1), seeds), weights=coin)
    total = functools.reduce(np.convolve, [one] * columns)
    return float(min(1.0, total[observed:].sum()))

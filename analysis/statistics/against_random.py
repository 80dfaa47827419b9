"""Is the search better than luck: searched networks against random architectures that got the same training.

Yang, Esperança & Carlucci, "NAS evaluation is frustratingly hard", ICLR 2020: how much better than the average random
architecture, trained by the same protocol. Here also in dB, with the probability of improvement (Agarwal et al.,
NeurIPS 2021), and against the best of as many random architectures as the search's seconds would have trained.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.rows.comparable import comparable_rows, narrowed, one_row_each
from analysis.rows.configurations import KEY, LEAST_SEEDS, distinct, trainings
from analysis.rows.units import require
from analysis.statistics.paired import STUDENT, holm, sign_flip_test, t_interval

SEARCH_AGAINST_RANDOM = (
    "replicate_id lambda1 lambda2 seeds same_as random_architectures mean random_mean gain low high interval "
    "p_permutation p_permutation_holm relative_gain_percent probability probability_low probability_high "
    "probability_interval search_seconds random_train_seconds equal_cost_trainings best_of best_mean equal_cost_gain "
    "equal_cost_low equal_cost_high equal_cost_probability reason"
).split()
_COUNTS = ("seeds", "random_architectures", "equal_cost_trainings", "best_of")
_TEXT = (KEY, "same_as", "interval", "probability_interval", "reason")


def search_against_random(
    rows: pd.DataFrame,
    generator: np.random.Generator,
    metric: str = "psnr_db",
    *,
    configuration: Sequence[str] = (KEY,),
    draws: int = 10_000,
    level: float = 0.95,
) -> pd.DataFrame:
    """One row for each search configuration, against the random architectures of the same space, training and seeds.

    All means are over the seeds that have both; a seed's random figure is the mean over its architectures.

    * A seed's network is one training, so seeds are the observations of a configuration. One whose trainings are all
      those of an earlier configuration of the table is no further test: `same_as` names that one.
    * `gain` = `mean` - `random_mean` in the metric's units, with Student's interval over three seeds or more, and a
      sign-flip test (Holm over the table's configurations that are not `same_as` another). Both are for the
      architectures at hand: where all seeds trained the same ones, which were drawn is not in them, and is in the
      interval of `probability`. `relative_gain_percent` = 100 `gain` / `random_mean` (Yang et al. 2020).
    * `probability` that a searched network beats a random architecture of its seed, ties counted half, null for fewer
      than three seeds. Its interval is a percentile bootstrap over seeds and over architectures (one draw for all seeds
      where they trained the same ones; none where those are the whole space). Where every comparison went one way it
      has no width, and the exact binomial bound over seeds stands instead.
    * Equal cost: `equal_cost_trainings` = 1 + ⌊search seconds / seconds of a random training⌋ random architectures
      could be trained instead. `best_mean` is the expected best of that many, drawn without replacement from a seed's
      (exact, over all subsets), `equal_cost_probability` the probability to beat it. The best is chosen by its test
      figure, which favours the random side. With fewer at hand `best_of` is how many were drawn, and `reason` says so.

    Args:
        rows: of `analysis.load`, of one space and one training; a figure that is better is larger.
        configuration: columns that say which searched rows are replicates of each other.

    Raises KeyError: a column that `rows` lacks. Raises ValueError: rows differ in tested pixels, protocol, space or
    training; two rows of one configuration and seed.
    """
    require(rows, metric, *configuration)
    searched, random = compared(narrowed(rows, metric, KEY, "search_seconds", "train_seconds", *configuration), metric)
    random = random.set_index("architecture")
    groups = searched.assign(training=trainings(searched)).groupby(list(configuration), dropna=False, sort=False)
    table = [_compared(group, random, metric, generator, draws, level) for _, group in groups]
    frame = pd.DataFrame(table).reindex(columns=SEARCH_AGAINST_RANDOM)
    frame = frame.astype({name: float for name in SEARCH_AGAINST_RANDOM if name not in _TEXT})
    known = pd.Series([tuple(sorted(group["training"])) for _, group in groups], frame.index, dtype=object)
    is_first = ~known.duplicated()
    frame["same_as"] = frame[KEY].groupby(known).transform("first").mask(is_first)
    adjusted = pd.Series(holm(frame["p_permutation"].where(is_first).to_numpy()), frame.index)
    frame["p_permutation_holm"] = adjusted.groupby(known).transform("first")
    return frame.astype(dict.fromkeys(_COUNTS, "Int64"))


def compared(rows: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The searched and the random rows that compare, the random ones once for each seed and architecture."""
    used = comparable_rows(rows[rows["kind"].isin(["searched", "random"])], metric)
    random = distinct(used[used["kind"] == "random"]).drop_duplicates(["seed", "architecture"])
    return used[used["kind"] == "searched"], random


def expected_best(values: Sequence[float] | np.ndarray, count: int) -> float:
    """The expected maximum of `count` of the K `values`, drawn without replacement: exact, over all subsets.

    Unbiased where drawing with replacement (Dodge et al. 2019) is too low (Tang et al. 2020). Raises ValueError:
    `count` is not in 1 … K.
    """
    ordered = np.sort(np.asarray(values, float))
    if not 1 <= count <= len(ordered):
        raise ValueError(f"count={count}: must be in 1 … {len(ordered)}, the number of values")
    weights = np.array([math.comb(i, count - 1) for i in range(len(ordered))], float) / math.comb(len(ordered), count)
    return float(weights @ ordered)


def _compared(
    group: pd.DataFrame, random: pd.DataFrame, metric: str, generator: np.random.Generator, draws: int, level: float
) -> dict[str, Any]:
    own = one_row_each(group, "one search configuration", ["seed"])[metric].sort_index()
    random = random[random["seed"].isin(own.index)]
    seeds = own.index[own.index.isin(random["seed"])].tolist()
    rivals = [random.loc[random["seed"] == seed, metric].sort_index() for seed in seeds]
    row: dict[str, Any] = {name: group.iloc[0].get(name) for name in (KEY, "lambda1", "lambda2")}
    row |= {"seeds": len(seeds), "random_architectures": random.index.nunique()}
    if not seeds:
        return {**row, "reason": "no seed has both a searched network and a random architecture"}
    x, others = own.loc[seeds].to_numpy(float), [each.to_numpy(float) for each in rivals]
    crossed = all(each.index.equals(rivals[0].index) for each in rivals)
    means = np.array([values.mean() for values in others])
    low, high, reason = t_interval(x - means, level)
    mean, random_mean = float(x.mean()), float(means.mean())
    row |= {"mean": mean, "random_mean": random_mean, "gain": mean - random_mean, "low": low, "high": high}
    row |= {"interval": None if low is None else STUDENT, "p_permutation": sign_flip_test(x - means, generator)[0]}
    row["relative_gain_percent"] = 100 * (mean - random_mean) / random_mean if random_mean else None
    whole = crossed and len(others[0]) == space_size(group["architecture"].iloc[0])
    wins = [(np.sign(figure - values) + 1) / 2 for figure, values in zip(x, others, strict=True)]  # 1, ½ or 0
    row |= _probability(wins, crossed, whole, generator, draws, level)
    equal, short = _equal_cost(x, others, group[group["seed"].isin(seeds)], random, level)
    return {**row, **equal, "reason": "; ".join(filter(None, (reason, short))) or None}


def _probability(
    wins: list[np.ndarray], crossed: bool, whole: bool, generator: np.random.Generator, draws: int, level: float
) -> dict[str, Any]:
    seeds, means = len(wins), np.array([each.mean() for each in wins])
    point = float(means.mean())
    if seeds < LEAST_SEEDS:
        return {}  # so few say nothing of how probable it is
    if point in (0.0, 1.0):
        bound = ((1 - level) / 2) ** (1 / seeds)
        low, high = (bound, 1.0) if point else (0.0, 1 - bound)
        kind = "exact binomial over seeds, all alike"
    else:
        again = np.broadcast_to(means[:, None, None], (seeds, draws, seeds))
        again = again if whole else _again(wins, crossed, generator, draws)
        drawn = generator.integers(seeds, size=(draws, seeds))
        picked = again[drawn, np.arange(draws)[:, None], np.arange(seeds)[None, :]].mean(axis=1)
        low, high = map(float, np.quantile(picked, [(1 - level) / 2, (1 + level) / 2]))
        kind = f"percentile bootstrap over seeds{'' if whole else ' and architectures'}"
    return {"probability": point, "probability_low": low, "probability_high": high, "probability_interval": kind}


def _again(wins: list[np.ndarray], crossed: bool, generator: np.random.Generator, draws: int) -> np.ndarray:
    """Each seed's mean win over architectures drawn again, shape (seeds, draws, places in a draw of seeds).

    Seeds that trained the same architectures (`crossed`) get the same draw of them: what is luck of the draw is shared.
    """
    if crossed:
        count = len(wins[0])
        weights = generator.multinomial(count, np.full(count, 1 / count), size=draws) / count
        return np.repeat((np.stack(wins) @ weights.T)[:, :, None], len(wins), axis=2)
    size = draws, len(wins)
    return np.stack([each[generator.integers(len(each), size=(*size, len(each)))].mean(axis=2) for each in wins])


def _equal_cost(
    x: np.ndarray, others: list[np.ndarray], group: pd.DataFrame, random: pd.DataFrame, level: float
) -> tuple[dict[str, Any], str | None]:
    sides = (group, "search_seconds"), (random, "train_seconds")
    search, training = (float(side[name].astype(float).mean()) if name in side else math.nan for side, name in sides)
    if not (np.isfinite([search, training]).all() and training):
        return {}, "no equal cost: search_seconds or train_seconds are not known"
    affordable = 1 + math.floor(search / training)
    count = min(affordable, *map(len, others))
    best = np.array([expected_best(values, count) for values in others])
    low, high, _ = t_interval(x - best, level)
    beaten = np.mean([_beats_best(figure, values, count) for figure, values in zip(x, others, strict=True)])
    found: dict[str, Any] = {"search_seconds": search, "random_train_seconds": training, "best_of": count}
    found |= {"equal_cost_trainings": affordable, "best_mean": best.mean(), "equal_cost_gain": (x - best).mean()}
    found |= {"equal_cost_low": low, "equal_cost_high": high}
    found |= {"equal_cost_probability": beaten} if len(x) >= LEAST_SEEDS else {}
    costs = f"the search costs {affordable - 1} further random trainings"
    short = f"{costs}, and seeds with {count} architectures are there: the best of {count} falls short of equal cost"
    return found, None if count == affordable else short


def _beats_best(x: float, values: np.ndarray, count: int) -> float:
    """The share of all subsets of `count` values whose maximum is below `x`, those where it is equal counted half."""
    below, upto = int(np.sum(values < x)), int(np.sum(values <= x))
    return (math.comb(below, count) + math.comb(upto, count)) / (2 * math.comb(len(values), count))


def space_size(architecture: str) -> int:
    """How many architectures the space of this one has."""
    return 2 ** len(architecture.replace("-", ""))

"""What the studies of seeds, of tasks and of the supernet ask: tables of rows, and their answers in sentences.

* `spread`: how much of a difference in PSNR is luck of the seed.
* `transfer`: does a task want its own architecture, or does what another task found serve as well.
* `fidelity`: does the supernet rank architectures as training does.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats, which takes long, when it is first asked

from analysis.rows.columns import pixel_fields, shape_fields, training_fields
from analysis.rows.comparable import HASH, task_name
from analysis.rows.configurations import KEY, LEAST_SEEDS, distinct
from analysis.rows.units import counted

SPREAD = "source count groups std_db low_db high_db".split()
TRANSFER = "source target seed architecture psnr_db".split()
_MOST_SAID = 12


def spread(rows: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """One row a source of variation: `source, count` (values), `groups, std_db, low_db, high_db`, all of trainings.

    Values, one a training, are centred in their group (a configuration, or an architecture) and pooled; `low_db` and
    `high_db` are the chi-square interval of a normal distribution's standard deviation at `level`, null for fewer than
    three values. Sources without two values in any group are left out.

    * `search and training`: searched trials of one configuration over seeds;
    * `training`: one architecture, trained with several seeds;
    * `architecture`: the means over seeds of random architectures.
    """
    found = []
    for source, values in _sources(rows):
        groups = [np.asarray(group, float) for group in values if len(group) > 1]
        count, freedom = sum(map(len, groups)), sum(len(group) - 1 for group in groups)
        if freedom:
            squares = sum(float(np.sum((group - group.mean()) ** 2)) for group in groups)
            bounds = squares / scipy.stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], freedom)
            std, *ends = map(float, np.sqrt([squares / freedom, *bounds]))
            found.append((source, count, len(groups), std, *(ends if count >= LEAST_SEEDS else (np.nan, np.nan))))
    return pd.DataFrame(found, columns=SPREAD)


def _sources(rows: pd.DataFrame) -> Iterator[tuple[str, list[pd.Series]]]:
    scored = rows.dropna(subset=["psnr_db"]) if len(rows) else rows
    if not len(scored):
        return
    fixed = scored[scored["kind"] != "searched"].sort_values("kind", ascending=False, kind="stable")
    fixed = distinct(fixed)  # random ones first: an architecture that was drawn may also have been found
    searched = distinct(scored[scored["kind"] == "searched"])
    yield "search and training", [group["psnr_db"] for _, group in searched.groupby(KEY)]
    yield "training", [group["psnr_db"] for _, group in fixed.groupby(KEY)]
    pixels = [name for name in (*pixel_fields(), HASH) if name in rows]
    random = fixed[fixed["kind"] == "random"].groupby([*pixels, "architecture"], dropna=False)["psnr_db"].mean()
    yield "architecture", [group for _, group in random.groupby(pixels, dropna=False)]


def spread_lines(rows: pd.DataFrame) -> list[str]:
    """What `spread` found, and on how many architectures the seeds of a configuration agree, in words."""
    lines = []
    for row in spread(rows).to_dict("records"):
        interval = f"95 %: {row['low_db']:.2f} to {row['high_db']:.2f}; " if pd.notna(row["low_db"]) else ""
        counts = f"{counted(row['count'], 'distinct training')} in {counted(row['groups'], 'group')}"
        std = f"PSNR has a standard deviation of {row['std_db']:.2f} dB"
        lines.append(f"over {row['source']}: {std} ({interval}{counts})")
    searched = rows[rows["kind"] == "searched"].groupby(KEY) if len(rows) else ()
    groups = [group for _, each in searched if len(group := distinct(each)) > 1]
    found = [group["architecture"].nunique() for group in groups]
    if len(groups) > _MOST_SAID:
        several = f"{len(groups)} configurations of several seeds found {np.mean(found):.1f} different architectures"
        return [*lines, f"{several} each on average"]
    for group, count in zip(groups, found, strict=True):
        seeds = "λ1={:g} λ2={:g}: {} seeds".format(*group[["lambda1", "lambda2"]].iloc[0], len(group))
        lines.append(f"{seeds} found {f'{count} different architectures' if count > 1 else 'one architecture'}")
    return lines


def transfer(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each architecture that a task's search found and each task that it was trained on, per seed.

    `source` is the task that found it, `target` the one that it was trained and tested on; `psnr_db` of the target's
    test. Rows of a search whose seed another task lacks are left out with that task.
    """
    if not len(rows):
        return pd.DataFrame(columns=TRANSFER)
    words = map(task_name, rows.to_dict("records"))
    rows = rows.assign(target=pd.Series(words, rows.index, dtype=object)).dropna(subset=["psnr_db"])
    searched = rows[rows["kind"] == "searched"]
    own = searched.assign(source=searched["target"])[TRANSFER]
    given = rows[rows["kind"] == "given"][["target", "seed", "architecture", "psnr_db"]]
    others = own[["source", "seed", "architecture"]].drop_duplicates().merge(given, on=["seed", "architecture"])
    others = others[others["source"] != others["target"]]
    return pd.concat([own, others[TRANSFER]], ignore_index=True).drop_duplicates()


def transfer_lines(rows: pd.DataFrame) -> list[str]:
    """Mean PSNR by source and target, and what a target's own architecture gains over the others', in words."""
    table = transfer(rows)
    if table["source"].nunique() < 2:
        return []
    means = table.pivot_table(index="source", columns="target", values="psnr_db", aggfunc="mean")
    lines = ["PSNR in dB of the architecture that a task found (row), trained and tested on a task (column):"]
    lines += means.to_string(float_format=lambda value: f"{value:.2f}", na_rep="").splitlines()
    for target, group in table.groupby("target"):
        sides = (group[group["source"] == target], group[group["source"] != target])
        own, other = (side.groupby("seed")["psnr_db"].mean() for side in sides)
        gains = (own - other).dropna()
        if len(gains):
            told = counted(len(gains), "seed") + (f", standard deviation {gains.std():.2f}" if len(gains) > 1 else "")
            gained = f"its own architecture gains {gains.mean():+.2f} dB over the other tasks'"
            lines.append(f"{target}: {gained} ({told})")
    return lines


def fidelity(rows: pd.DataFrame, oneshot: pd.DataFrame) -> pd.DataFrame:
    """One row for each search and each architecture that it scored: `oneshot_psnr_db` beside the trained `psnr_db`.

    `oneshot` is of `analysis.load_oneshot`. A trained row belongs to a search where seed, space, training and scored
    pixels are the same; of several trainings of one architecture (found and drawn) the results are equal.
    """
    if not len(rows) or not len(oneshot):
        return pd.DataFrame()
    held = dict.fromkeys([*pixel_fields(), HASH, *shape_fields(), *training_fields()])
    shared = [name for name in held if name in rows]
    searches = rows[rows["kind"] == "searched"][["trial_id", *shared]].rename(columns={"trial_id": "search_trial_id"})
    keys = [*shared, "seed", "architecture"]
    trained = rows.dropna(subset=["psnr_db"])[[*keys, "psnr_db", "parameters"]].drop_duplicates(keys)
    return oneshot.merge(searches, on="search_trial_id").merge(trained, on=keys)


def agreement(table: pd.DataFrame, generator: np.random.Generator, draws: int = 2000) -> dict[str, float]:
    """Kendall's τ-b of one-shot and trained PSNR over architectures, its p-value, and a 95 % bootstrap interval.

    `table` holds one search of `fidelity`; the bootstrap draws architectures. NaN where there are fewer than three.
    """
    pairs = table[["oneshot_psnr_db", "psnr_db"]].to_numpy(float)
    if len(pairs) < 3:
        return dict.fromkeys(("tau", "p", "low", "high"), float("nan"))
    found = scipy.stats.kendalltau(*pairs.T)
    drawn = (pairs[generator.integers(len(pairs), size=len(pairs))] for _ in range(draws))
    again = [scipy.stats.kendalltau(*each.T).statistic for each in drawn]
    low, high = np.nanpercentile(again, [2.5, 97.5])
    return {"tau": float(found.statistic), "p": float(found.pvalue), "low": float(low), "high": float(high)}


def fidelity_lines(rows: pd.DataFrame, oneshot: pd.DataFrame) -> list[str]:
    """τ and the gap at argmax of every search, in words."""
    table, lines = fidelity(rows, oneshot), []
    for _, group in table.groupby("search_trial_id", sort=False) if len(table) else ():
        first, found = group.iloc[0], agreement(group, np.random.default_rng(0))
        search = f"λ1={first['lambda1']:g} λ2={first['lambda2']:g} seed {first['seed']}"
        interval = f"95 %: {found['low']:.2f} to {found['high']:.2f}, p = {found['p']:.2g}"
        tau = f"Kendall's τ between one-shot and trained PSNR is {found['tau']:.2f}"
        lines.append(f"{search}: {tau} ({interval}) over {len(group)} architectures")
        for one in group[group["architecture"] == first["argmax"]].head(1).to_dict("records"):
            lines.append(
                f"{search}: the supernet scores {first['supernet_psnr_db']:.2f} dB at its own α, "
                f"its argmax {first['argmax']} with the same weights {one['oneshot_psnr_db']:.2f} dB, "
                f"and trained {one['psnr_db']:.2f} dB"
            )
    return lines

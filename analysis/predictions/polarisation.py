"""What α says: how far apart the modules' weights are, and whether data or the regulariser took a column there.

Adam's weight decay pulls the logits together, the entropy of α (base 10, as the published α require) pushes them apart.
With the restoration loss silent they balance at `fixed_point`; a search of finite length gets as far as `silent_alpha`.
That needs no network: without L_Res the loss of a column's two logits a^p, a^f is a formula, whose gradient is, with n
columns, d = a^f − a^p and α = α^f,

    ∂(λ1·L_Arch + λ2·L_Comp)/∂a^f = α(1−α)·(−λ1·d/(n·ln 10) + λ2·(C^f − C^p)/(2n)),    and minus that for a^p.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.predictions.space import module_counts
from analysis.rows.published import published_alpha

LN10 = np.log(10)
Numbers = np.ndarray | float
EPSILON = 1e-8
"""Adam's, as torch has it."""

MARGIN = 0.05
"""α nearer than this to ½, or to what the regulariser explains, is not told apart from it."""
_RATES = "alpha_learning_rate alpha_weight_decay alpha_beta1 alpha_beta2".split()
SETTINGS = ["columns", "search_iterations", "warmup_iterations", "alpha_initial_std", *_RATES]
"""What the regulariser alone makes of α follows from these columns of a searched row, beside λ1 and λ2."""
_READ = "kind trial_id replicate_id lambda1 lambda2 seed alpha architecture search_stopped_at".split()
GAPS = (
    "kind trial_id replicate_id lambda1 lambda2 seed columns mean_gap threshold fixed_point_gap reachable_gap source"
).split()
TRAJECTORIES = "trial_id lambda1 lambda2 seed iteration cell column module alpha".split()
DECIDED_BY = (
    "trial_id replicate_id lambda1 lambda2 seed cell column module alpha furthest_alpha silent_alpha "
    "decided_by because seeds share"
).split()
_VERDICTS: list[tuple[str | None, str]] = [
    ("nobody", "α is at ½"),
    (None, "what the modules cost in the search is not known"),
    ("data", "α is further out than the regulariser can hold it"),
    (None, "the regulariser could have done it, and the start is not known"),
    ("data", "the regulariser alone takes it to the other side"),
    ("data", "the regulariser alone leaves it at ½"),
    ("regulariser", "the regulariser alone takes it to this side"),
]
"""Who decided a column, and why: the first of these that is the case."""


def silent_alpha(
    start: np.ndarray, steps: int, *, lambda1: Numbers, pressed: Numbers, columns: Numbers, rates: Iterable[Numbers]
) -> np.ndarray:
    """α^f, (n,), after `steps` steps of Adam with L2 weight decay on λ1·L_Arch + λ2·L_Comp, from the logits `start`.

    `start` is (n, 2): parallel, fusion. All else is (n,) or a scalar: `pressed` is λ2·(C^f − C^p) of Eq. 5, `columns`
    how many columns the losses are means over. `rates` are Adam's learning rate, weight decay, β1 and β2, constant as a
    search's. The restoration loss is absent from Adam's second moment too: no noisy search moves faster by these terms.
    """
    logits = np.array(start, dtype=float)
    first, second = np.zeros_like(logits), np.zeros_like(logits)
    signs = np.array([-1.0, 1.0])
    rate, decay, beta1, beta2 = (np.asarray(value, float)[..., np.newaxis] for value in rates)
    pull, push = lambda1 / (columns * LN10), pressed / (2 * columns)
    for step in range(1, steps + 1):
        difference = logits[:, 1] - logits[:, 0]
        slope = 0.25 / np.cosh(difference / 2) ** 2 * (push - pull * difference)
        gradient = signs * slope[:, np.newaxis] + decay * logits
        first += (1 - beta1) * (gradient - first)
        second += (1 - beta2) * (gradient**2 - second)
        scale = np.sqrt(second / (1 - beta2**step)) + EPSILON
        logits -= rate / (1 - beta1**step) * first / scale
    return alpha_of(logits[:, 1] - logits[:, 0])


def furthest_alpha(
    side: np.ndarray, *, lambda1: Numbers, pressed: Numbers, columns: Numbers, weight_decay: Numbers
) -> np.ndarray:
    """The α^f, (n,), furthest from ½ at which λ1·L_Arch + λ2·L_Comp and weight decay can hold a column, on one `side`.

    `side` is +1 for fusion, −1 for parallel; all else is as in `silent_alpha`. ½ where they hold it nowhere on that
    side, NaN where `pressed` is. Without λ2 it is the closed form, found to 1e-3.
    """
    distance = np.linspace(0, 20, 20001)
    given = (side, lambda1, pressed, columns, weight_decay)
    side, lambda1, pressed, columns, weight_decay = (np.asarray(value, float)[..., np.newaxis] for value in given)
    outward = lambda1 * distance / (columns * LN10) - side * pressed / (2 * columns)
    held = 0.25 / np.cosh(distance / 2) ** 2 * outward > weight_decay * distance / 2
    last = np.where(held.any(axis=-1), held.shape[-1] - 1 - np.argmax(held[..., ::-1], axis=-1), 0)
    return np.where(np.isnan(outward[..., -1]), np.nan, alpha_of(side[..., 0] * distance[last]))


def contrasts(row: Mapping[Any, Any]) -> np.ndarray:
    """C^f − C^p of every column of a searched row, (columns,), with C^p + C^f = 1 on average; NaN if unknown."""
    columns = [int(part) for part in str(row["columns"]).split("-")]
    measured = [] if row.get("module_times_ms") is None else list(row["module_times_ms"])
    kind = row.get("complexity")
    if kind == "authors":
        return np.full(sum(columns), 2 * (0.3 - 0.7))
    if kind == "time" and len(measured) == 2 * len(columns):
        by_cell = np.array(measured, float).reshape(-1, 2)
    elif kind in ("parameters", "flops"):
        modules = (module_counts(cell, int(row["channels"])) for cell in range(1, len(columns) + 1))
        by_cell = np.array(list(modules), float)[:, :, ("parameters", "flops").index(kind)]
    else:
        return np.full(sum(columns), np.nan)
    costs = np.repeat(by_cell, columns, axis=0)
    return (costs[:, 1] - costs[:, 0]) / costs.sum(axis=1).mean()


def alpha_of(difference: np.ndarray) -> np.ndarray:
    """α^f of logits that differ by a^f − a^p."""
    return 0.5 + 0.5 * np.tanh(np.asarray(difference) / 2)


def threshold(columns: int, weight_decay: float) -> float:
    """The λ1 below which the regulariser alone cannot polarise: N·w·ln 10, N = 2·`columns` (ΣN_i, of all cells)."""
    return float(2 * columns * weight_decay * LN10)


def fixed_point(lambda1: Any, columns: int, weight_decay: float) -> np.ndarray:
    """The larger α where λ1·L_Arch and Adam's L2 weight decay balance, of the shape of `lambda1`.

    α(1−α) = N·w·ln 10/(4·λ1); ½ at and below `threshold`. L_Res and λ2 are silent.
    """
    values = np.asarray(lambda1, float)
    ratio = np.divide(threshold(columns, weight_decay), values, out=np.ones_like(values), where=values > 0)
    return 0.5 + 0.5 * np.sqrt(np.maximum(0.0, 1 - ratio))


def alpha_gaps(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each searched row, and each published search: what mean |α^p − α^f| is, and would be without data.

    Columns: `kind` (`searched`, `published`), `trial_id, replicate_id, lambda1, lambda2, seed, columns`, `mean_gap`,
    `threshold` (the λ1), `fixed_point_gap` (of λ1 and weight decay alone), `reachable_gap` (after the search's own
    steps from a typical start, λ2 included: `reachable`; null where that is not known), `source`.
    """
    known = [rows.assign(source="measured"), published_alpha()]
    table = columns_of(pd.concat(known[not len(rows) :]))
    gaps = {"mean_gap": np.abs(1 - 2 * table["alpha"]), "reachable_gap": np.abs(1 - 2 * _typical(table)).mean(axis=0)}
    found = table.drop_duplicates("search").set_index("search").join(pd.DataFrame(gaps).groupby(table["search"]).mean())
    about = list(zip(found["lambda1"], found["count"], found["alpha_weight_decay"], strict=True))
    rest = [2 * float(fixed_point(*one)) - 1 for one in about]
    found = found.assign(threshold=[threshold(*one[1:]) for one in about], fixed_point_gap=rest)
    return found[GAPS].reset_index(drop=True)


def reachable(row: dict[str, Any], lambda1: Any = None) -> np.ndarray:
    """α^f, (…, 2, columns), that the regulariser alone reaches in the steps of a searched `row`, from either side.

    For the row's own λ1, or for each of `lambda1`. The logits start apart by ∓ one standard deviation of the initial
    logits, which about half of all columns exceed. NaN where λ2 presses and the modules' costs are not known.
    """
    values = np.asarray(row["lambda1"] if lambda1 is None else lambda1, float)
    table = columns_of(pd.DataFrame([{**row, "alpha": [np.nan] * sum(map(int, row["columns"].split("-")))}]))
    every = pd.concat([table] * values.size).assign(lambda1=np.repeat(values.ravel(), len(table)))
    return np.moveaxis(_typical(every).reshape(2, *values.shape, len(table)), 0, -2)


def trajectories(rows: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """α^f of every column at every reported iteration of the searches of `rows`, one row each.

    Columns: `trial_id, lambda1, lambda2, seed, iteration, cell, column, module` (what the search chose) and `alpha`.
    `cell` and `column` count from 1, as in `column_agreement`.
    """
    recorded = _recorded(curves)
    recorded["place"] = [list(range(len(alpha))) for alpha in recorded["alpha"]]
    recorded = recorded.explode(["alpha", "place"]).astype({"alpha": float})
    searches = columns_of(rows).assign(place=lambda table: table.groupby("search").cumcount()).drop(columns="alpha")
    table = searches.merge(recorded, on=["trial_id", "place"])[TRAJECTORIES]
    return table.sort_values(["trial_id", "iteration", "cell", "column"], ignore_index=True)


def decided_by(rows: pd.DataFrame, curves: pd.DataFrame | None = None, margin: float = MARGIN) -> pd.DataFrame:
    """One row for each searched row and column: did the data decide it, or would the regulariser have done so alone.

    "The regulariser" is λ1·L_Arch + λ2·L_Comp with weight decay. `furthest_alpha` is the furthest from ½ that it holds
    a column on the side where α is, whatever the steps and the start; `silent_alpha` where it alone takes this column
    from its own start in this search's steps. The start is the α that `curves` report in the warm-up, when logits rest;
    it is null where none was. `decided_by` is

    * `nobody`: α is nearer than `margin` to ½. The module is the larger by a hair.
    * `data`: α is over `margin` beyond `furthest_alpha`, or the regulariser alone leaves it at ½ or on the other side.
    * `regulariser`: none of that: it suffices. The data may have wished the same; this cannot show it.
    * null: the regulariser could have done it, from a start that is not known, or under costs that are not.

    `seeds` counts the seeds of the same replicate, `share` those that chose this module (null for one seed). What
    these answers do not show: docs/explanation/space_and_alpha.md.
    """
    table = columns_of(rows)
    alpha, side = table["alpha"].to_numpy(), np.where(table["alpha"] > 0.5, 1.0, -1.0)
    held = [
        furthest_alpha(side[those], **_forces(own), weight_decay=own["alpha_weight_decay"].to_numpy(float))
        for those, own in ((those, table.iloc[those]) for those in table.groupby("search").indices.values())
    ]  # search by search: this takes much memory
    table["furthest_alpha"] = np.concatenate([np.empty(0), *held])
    table["silent_alpha"] = _silent(table, _starts(table, curves))
    found, furthest, alone = (side * (table[name] - 0.5) for name in ("alpha", "furthest_alpha", "silent_alpha"))
    cases = [found < margin, furthest.isna(), found > furthest + margin, alone.isna(), alone <= -margin, alone < margin]
    verdicts = [_VERDICTS[number] for number in np.select(cases, range(len(cases)), len(cases))]
    table["decided_by"], table["because"] = ([verdict[part] for verdict in verdicts] for part in (0, 1))
    table["module"] = np.where(alpha > 0.5, "F", "P")
    groups = table.groupby(["replicate_id", "cell", "column"], dropna=False)
    fusions = groups["module"].transform(lambda modules: (modules == "F").mean()).astype(float)
    share, seeds = fusions.where(table["module"] == "F", 1 - fusions), groups["seed"].transform("nunique")
    return table.assign(seeds=seeds, share=share.where(seeds > 1))[DECIDED_BY]


def columns_of(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each column of each search of `rows` that recorded its α, searches and columns in order.

    Beside the search's own figures: `search` (its number), `cell` and `column` (from 1), `module` (what it chose),
    `alpha` (α^f of this column), `count` (of its columns), and `pressed`, λ2·(C^f − C^p).
    """
    rows = rows.reindex(columns=list(dict.fromkeys([*rows.columns, *_READ, *SETTINGS])))
    found = rows[rows["kind"].isin(["searched", "published"]) & rows["alpha"].notna()].reset_index(drop=True)
    cells = [[int(part) for part in columns.split("-")] for columns in found["columns"]]
    pressed = [row["lambda2"] * contrasts(row) if row["lambda2"] else None for row in found.to_dict("records")]
    texts = [text.replace("-", "") if isinstance(text, str) else "" for text in found["architecture"]]
    lists: dict[str, list[Any]] = {
        "place": [[(i, n) for i, last in enumerate(each, 1) for n in range(1, last + 1)] for each in cells],
        "pressed": [np.zeros(sum(each)) if one is None else one for one, each in zip(pressed, cells, strict=True)],
        "module": [[*text] or [None] * sum(each) for text, each in zip(texts, cells, strict=True)],
    }
    found = found.assign(search=found.index, count=list(map(sum, cells)), **lists)
    table = found.explode(["alpha", "place", "pressed", "module"], ignore_index=True)
    places = pd.DataFrame(table["place"].tolist(), table.index, columns=["cell", "column"])
    return table.assign(cell=places["cell"], column=places["column"]).astype({"alpha": float, "pressed": float})


def _forces(table: pd.DataFrame) -> dict[str, np.ndarray]:
    lambda1, pressed, columns = table[["lambda1", "pressed", "count"]].to_numpy(float).T
    return {"lambda1": lambda1, "pressed": pressed, "columns": columns}


def _typical(table: pd.DataFrame) -> np.ndarray:
    """What columns reach from either side of ½, (2, columns)."""
    apart = table["alpha_initial_std"].to_numpy(float)
    return np.stack([_silent(table, start) for start in (-apart, apart)])


def _silent(table: pd.DataFrame, start: np.ndarray) -> np.ndarray:
    """`silent_alpha` of columns from a^f − a^p = `start`, NaN where that is; those of as many steps at once."""
    found = np.full(len(table), np.nan)
    last = table["search_stopped_at"].fillna(table["search_iterations"])
    steps = (last - table["warmup_iterations"]).to_numpy(float)
    for number in np.unique(steps[~np.isnan(start)]):
        those = np.flatnonzero((steps == number) & ~np.isnan(start))
        own, starts = table.iloc[those], np.column_stack([-start, start])[those] / 2
        found[those] = silent_alpha(starts, int(number), **_forces(own), rates=own[_RATES].to_numpy(float).T)
    return found


def _recorded(curves: pd.DataFrame | None) -> pd.DataFrame:
    """The α of searches that curves report, in order: `trial_id, iteration, alpha`."""
    curves = (pd.DataFrame() if curves is None else curves).reindex(columns=["trial_id", "iteration", "alpha", "stage"])
    return curves[(curves["stage"] == "search") & curves["alpha"].notna()].drop(columns="stage")


def _starts(table: pd.DataFrame, curves: pd.DataFrame | None) -> np.ndarray:
    """a^f − a^p of every column before the first step on the logits, (columns,); NaN where no curve says."""
    recorded, warmup = _recorded(curves), table.drop_duplicates("trial_id").set_index("trial_id")["warmup_iterations"]
    resting = recorded[recorded["iteration"] <= recorded["trial_id"].map(warmup)]
    first = resting.drop_duplicates("trial_id").set_index("trial_id")["alpha"].to_dict()
    places = zip(table["trial_id"], table.groupby("search").cumcount(), strict=True)
    alpha = np.array([first[trial][place] if trial in first else np.nan for trial, place in places], float)
    return np.log(alpha) - np.log1p(-alpha)

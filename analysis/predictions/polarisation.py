"""What α says: how far apart the modules' weights are, and whether data or the regulariser took a column there.

Adam's weight decay pulls the logits together, the entropy of α (base 10, as the published α require) pushes them apart.
With the restoration loss silent they balance at `fixed_point`; a search of finite length gets as far as `silent_alpha`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.predictions.silent_search import LN10, Adam, contrasts, furthest_alpha, silent_alpha
from analysis.rows.published import published_alpha

MARGIN = 0.05
"""α nearer than this to ½, or to what the regulariser explains, is not told apart from it."""
SETTINGS = ["columns", "search_iterations", "warmup_iterations", "alpha_initial_std"]
SETTINGS += [f"alpha_{name}" for name in Adam._fields]
"""What the regulariser alone makes of α follows from these columns of a searched row, beside λ1 and λ2."""
GAPS = (
    "kind trial_id replicate_id lambda1 lambda2 seed columns mean_gap threshold fixed_point_gap reachable_gap source"
).split()
TRAJECTORIES = "trial_id lambda1 lambda2 seed iteration cell column module alpha".split()
DECIDED_BY = (
    "trial_id replicate_id lambda1 lambda2 seed cell column module alpha furthest_alpha silent_alpha "
    "decided_by because seeds share"
).split()


class Job(NamedTuple):
    """Columns of the search of a row to simulate: a^f − a^p at the start, λ1, and λ2·(C^f − C^p), (n,) each."""

    row: dict[str, Any]
    start: np.ndarray
    lambda1: np.ndarray
    pressed: np.ndarray


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
    table, found = [], [*_searched(rows), *_searched(published_alpha())]
    for row, alone in zip(found, _silent([_typical(row, row["lambda1"]) for row in found]), strict=True):
        columns, decay = _total(row), float(row["alpha_weight_decay"])
        gap = {"mean_gap": _mean_gap(np.asarray(row["alpha"], float)), "reachable_gap": _mean_gap(alone)}
        gap |= {"threshold": threshold(columns, decay)}
        gap |= {"fixed_point_gap": float(2 * fixed_point(row["lambda1"], columns, decay) - 1)}
        table.append({**row, **gap, "source": row["source"] if row["kind"] == "published" else "measured"})
    return pd.DataFrame(table, columns=GAPS)


def reachable(row: dict[str, Any], lambda1: Any = None) -> np.ndarray:
    """α^f, (…, 2, columns), that the regulariser alone reaches in the steps of a searched `row`, from either side.

    For the row's own λ1, or for each of `lambda1`. The logits start apart by ∓ one standard deviation of the initial
    logits, which about half of all columns exceed. NaN where λ2 presses and the modules' costs are not known.
    """
    values = np.asarray(row["lambda1"] if lambda1 is None else lambda1, float)
    return _silent([_typical(row, values)])[0].reshape(*values.shape, 2, -1)


def trajectories(rows: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """α^f of every column at every reported iteration of the searches of `rows`, one row each.

    Columns: `trial_id, lambda1, lambda2, seed, iteration, cell, column, module` (what the search chose) and `alpha`.
    `cell` and `column` count from 1, as in `column_agreement`.
    """
    table: list[tuple[Any, ...]] = []
    recorded = curves[(curves["stage"] == "search") & curves["alpha"].notna()] if len(curves) else curves
    for row in _searched(rows):
        places = list(zip(_places(row), str(row["architecture"]).replace("-", ""), strict=True))
        own = recorded[recorded["trial_id"] == row["trial_id"]] if len(recorded) else recorded
        for iteration, alpha in zip(own.get("iteration", []), own.get("alpha", []), strict=True):
            about = (row["trial_id"], row["lambda1"], row["lambda2"], row["seed"], iteration)
            table += [(*about, *place, letter, one) for (place, letter), one in zip(places, alpha, strict=True)]
    frame = pd.DataFrame(table, columns=TRAJECTORIES)
    return frame.sort_values(["trial_id", "iteration", "cell", "column"], ignore_index=True)


def decided_by(rows: pd.DataFrame, curves: pd.DataFrame | None = None, margin: float = MARGIN) -> pd.DataFrame:
    """One row for each searched row and column: did the data decide it, or would the regulariser have done so alone.

    "The regulariser" is λ1·L_Arch + λ2·L_Comp with weight decay. `furthest_alpha` is the furthest from ½ that it holds
    a column on the side where α is, whatever the steps and the start; `silent_alpha` where it alone takes this column
    from its own start in this search's steps. The start is the α that `curves` report in the warm-up, when logits rest;
    it is null where none was. `decided_by` is

    * `nobody`: α is nearer than `margin` to ½. The module is the larger by a hair.
    * `data`: α is beyond `furthest_alpha` by more than `margin`, or the regulariser alone would have left the column at
      ½ or put it on the other side.
    * `regulariser`: none of that: it suffices. The data may have wished the same; this cannot show it.
    * null: the regulariser could have done it, from a start that is not known, or under costs that are not.

    Limits. `data` is all that L_Res does to logits, with the noise of its mini-batches, which Adam's normalised steps
    amplify: only agreement of seeds tells a finding from a walk, so `seeds` counts those of the same replicate and
    `share` those that chose this module (null for one seed). With noise in Adam's second moment the regulariser is
    slower than alone, so `silent_alpha` errs towards the regulariser. An early push by the data that the regulariser
    then enlarged on the start's own side counts as the regulariser's; where α is nearer to ½ than `silent_alpha`,
    something held it back.
    """
    found = _searched(rows)
    starts = {n: start for n, row in enumerate(found) if (start := _start(row, curves)) is not None}
    own = ((found[n], start, float(found[n]["lambda1"])) for n, start in starts.items())
    jobs = [Job(row, start, np.full(_total(row), lambda1), _pressed(row)) for row, start, lambda1 in own]
    alone = dict(zip(starts, _silent(jobs), strict=True))
    silent = (alone.get(n, np.full(_total(row), np.nan)) for n, row in enumerate(found))
    table = [one for row, end in zip(found, silent, strict=True) for one in _columns(row, end, margin)]
    frame = pd.DataFrame(table, columns=DECIDED_BY[:-2])
    groups = frame.groupby(["replicate_id", "cell", "column"], dropna=False)
    fusions = groups["module"].transform(lambda modules: (modules == "F").mean()).astype(float)
    share, seeds = fusions.where(frame["module"] == "F", 1 - fusions), groups["seed"].transform("nunique")
    return frame.assign(seeds=seeds, share=share.where(seeds > 1))


def _columns(row: dict[str, Any], silent: np.ndarray, margin: float) -> Iterator[tuple[Any, ...]]:
    alpha = np.asarray(row["alpha"], float)
    side, settings = np.where(alpha > 0.5, 1.0, -1.0), {"lambda1": row["lambda1"], "columns": _total(row)}
    held = furthest_alpha(side, **settings, pressed=_pressed(row), weight_decay=row["alpha_weight_decay"])
    about = tuple(row.get(name) for name in DECIDED_BY[:5])
    for n, place in enumerate(_places(row)):
        values = alpha[n], held[n], silent[n]
        found, furthest, alone = (side[n] * (value - 0.5) for value in values)
        verdict = _verdict(found, furthest, alone, margin)
        yield (*about, *place, "F" if alpha[n] > 0.5 else "P", *values, *verdict)


def _verdict(found: float, furthest: float, alone: float, margin: float) -> tuple[str | None, str]:
    """Who decided, and why, from distances to ½ on the side where α is; `alone` is negative on the other side."""
    if found < margin:
        return "nobody", "α is at ½"
    if np.isnan(furthest):
        return None, "what the modules cost in the search is not known"
    if found > furthest + margin:
        return "data", "α is further out than the regulariser can hold it"
    if np.isnan(alone):
        return None, "the regulariser could have done it, and the start is not known"
    if alone <= -margin:
        return "data", "the regulariser alone takes it to the other side"
    if alone < margin:
        return "data", "the regulariser alone leaves it at ½"
    return "regulariser", "the regulariser alone takes it to this side"


def _mean_gap(alpha: np.ndarray) -> float:
    return float(np.abs(1 - 2 * alpha).mean())


def _typical(row: dict[str, Any], lambda1: Any) -> Job:
    """A column of every place and either side, for each of `lambda1`, flat."""
    values = np.asarray(lambda1, float)
    apart = float(row["alpha_initial_std"]) * np.array([-1.0, 1.0])
    shape = (*values.shape, 2, _total(row))
    arrays = apart[:, np.newaxis], values[..., np.newaxis, np.newaxis], _pressed(row)
    return Job(row, *(np.broadcast_to(array, shape).ravel() for array in arrays))


def _silent(jobs: Sequence[Job]) -> list[np.ndarray]:
    """`silent_alpha` of every job under its row's settings; jobs of as many steps are simulated at once."""
    steps = [_steps(job.row) for job in jobs]
    found: dict[int, np.ndarray] = {}
    for number in sorted(set(steps)):
        places = [place for place, own in enumerate(steps) if own == number]
        those = [jobs[place] for place in places]
        sizes = [len(job.start) for job in those]
        start, lambda1, pressed = (np.concatenate(parts) for parts in zip(*(job[1:] for job in those), strict=True))
        rates = np.array([[job.row[f"alpha_{name}"] for name in Adam._fields] for job in those], float)
        columns = np.repeat([_total(job.row) for job in those], sizes)
        settings = {"lambda1": lambda1, "pressed": pressed, "columns": columns}
        starts = np.column_stack([-start / 2, start / 2])
        alpha = silent_alpha(starts, number, **settings, optimiser=Adam(*np.repeat(rates, sizes, axis=0).T))
        found |= dict(zip(places, np.split(alpha, np.cumsum(sizes)[:-1]), strict=True))
    return [found[place] for place in range(len(jobs))]


def _steps(row: dict[str, Any]) -> int:
    """The steps that a search has made on its logits."""
    last = row["search_iterations"] if pd.isna(row.get("search_stopped_at")) else row["search_stopped_at"]
    return int(last) - int(row["warmup_iterations"])


def _pressed(row: dict[str, Any]) -> np.ndarray:
    """λ2·(C^f − C^p) of every column, (columns,)."""
    return float(row["lambda2"]) * contrasts(row) if row["lambda2"] else np.zeros(_total(row))


def _start(row: dict[str, Any], curves: pd.DataFrame | None) -> np.ndarray | None:
    """a^f − a^p of every column before the first step on the logits, (columns,); None where no curve says."""
    if curves is None or not len(curves):
        return None
    own = curves[(curves["trial_id"] == row["trial_id"]) & (curves["stage"] == "search") & curves["alpha"].notna()]
    resting = own[own["iteration"] <= row["warmup_iterations"]]
    if not len(resting):
        return None
    alpha = np.asarray(resting["alpha"].iloc[0], float)
    return np.log(alpha) - np.log1p(-alpha)


def _searched(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of searches that recorded their α."""
    if not len(rows):
        return []
    found = rows[rows["kind"].isin(["searched", "published"]) & rows["alpha"].notna()]
    return found.to_dict("records")  # type: ignore[return-value]


def _total(row: dict[str, Any]) -> int:
    return sum(int(part) for part in row["columns"].split("-"))


def _places(row: dict[str, Any]) -> list[tuple[int, int]]:
    """(cell, column) of every α, both from 1."""
    cells = enumerate(row["columns"].split("-"), start=1)
    return [(cell, column) for cell, number in cells for column in range(1, int(number) + 1)]

"""What early stopping saved in a study, and what it would have saved and cost where it was off: the rules, replayed on curves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd

from analysis.rows.load import load, load_curves
from analysis.tables.typesetting import markdown
from clearer.configuration import Configuration, digest
from clearer.stopping import has_settled
from studies.planning import halving
from studies.store.store import Store

TOLERANCE = 0.02
REDUCTION = 3
"""The rules that are replayed where a study had none: patience a fifth of the iterations, this tolerance; this η."""


@dataclass(frozen=True)
class Stage:
    """A search or a training of a study: its first trial, its curve, and the iteration at which it was stopped, if any."""

    name: str
    trial_id: str
    configuration: Configuration
    curve: list[dict[str, Any]]
    stopped_at: int | None

    @property
    def may_stop(self) -> bool:
        """Whether its configuration asks for early stopping."""
        c = self.configuration
        return bool(c.search_patience if self.name == "search" else c.train_halving)

    @property
    def iterations(self) -> int:
        """Those it would have had without early stopping."""
        c = self.configuration
        return c.search_iterations if self.name == "search" else c.train_iterations


def replay_search(
    curve: Sequence[Mapping[str, Any]], warmup_iterations: int, patience: int, tolerance: float
) -> tuple[int | None, bool]:
    """Where a search that ran to its end would have stopped (None: nowhere), and whether it had found its last architecture there.

    `curve` holds the `iteration` and the `alpha` of every reported iteration.
    """
    for count in range(1, len(curve)):
        if has_settled(curve[:count], warmup_iterations, patience, tolerance):
            then, last = ([a > 0.5 for a in curve[n]["alpha"]] for n in (count - 1, -1))
            return curve[count - 1]["iteration"], then == last
    return None, True


def findings(store: Store, study: str, trials: Collection[Configuration]) -> tuple[list[str], pd.DataFrame]:
    """What is to say of early stopping in the rows of `trials`: a few lines, and a row for each search and training replayed or stopped."""
    rows, curves = load(store.storage, study), load_curves(store.storage, study)
    if not len(rows) or not len(curves):
        return [], pd.DataFrame()
    searches, trainings = (_stages(rows, curves, trials, name) for name in ("search", "train"))
    lines = [*_saved("searches", searches), *_saved("trainings", trainings)]
    table = [_row(stage, "on", stage.stopped_at) for stage in (*searches, *trainings) if stage.stopped_at is not None]
    for said, replayed in (_replayed_searches(searches), _replayed_trainings(trainings)):
        lines, table = lines + said, table + replayed
    return lines, pd.DataFrame(table).astype({"stops_at": "Int64"}) if table else pd.DataFrame()


def write(store: Store, study: str, trials: Collection[Configuration]) -> list[str]:
    """Puts what there is to say, if anything, beside the study's report; its lines."""
    lines, table = findings(store, study, trials)
    if lines:
        below = ["", markdown(table)] if len(table) else []
        text = "\n".join([*(f"* {line}" for line in lines), *below, ""])
        store.write(f"studies/{study}/report/early_stopping.md", text.encode())
    return lines


def _stages(rows: pd.DataFrame, curves: pd.DataFrame, trials: Collection[Configuration], name: str) -> list[Stage]:
    """The searches or the trainings of the rows, each once, with their curves."""
    by_trial = dict(list(curves[curves["stage"] == name].groupby("trial_id")))
    wanted = {c.trial_id: c for c in trials}
    found: dict[str, Stage] = {}
    for row in rows.to_dict("records"):
        key, trial_id = row[f"{name}_key"], row["trial_id"]
        if row["status"] == "finished" and trial_id in wanted and trial_id in by_trial and key not in found:
            stopped = row.get(f"{name}_stopped_at")
            curve: Any = by_trial[trial_id].sort_values("iteration").to_dict("records")
            found[key] = Stage(name, trial_id, wanted[trial_id], curve, None if pd.isna(stopped) else int(stopped))
    return list(found.values())


def _saved(name: str, stages: Collection[Stage]) -> Iterable[str]:
    asked = [s for s in stages if s.may_stop]
    stopped = [s for s in asked if s.stopped_at is not None]
    if asked:
        saved = sum(s.iterations - (s.stopped_at or 0) for s in stopped)
        yield f"{len(stopped)} of {len(asked)} {name} stopped early: {_share(saved, asked)} saved"


def _replayed_searches(searches: Collection[Stage]) -> tuple[list[str], list[dict[str, Any]]]:
    """The study's own rules, or the usual one, on the searches that ran to their end without one."""
    lines, table = [], []
    rules = {_rule(s.configuration) for s in searches if s.may_stop}
    whole = [s for s in searches if not s.may_stop]
    pairs = [(rule, s) for s in whole for rule in rules or {(max(1, s.iterations // 5), TOLERANCE)}]
    for rule, group in groupby(sorted(pairs, key=lambda pair: pair[0]), key=lambda pair: pair[0]):
        name = f"patience {rule[0]}, tolerance {rule[1]:g}"
        those = [s for _, s in group]
        found = [(s, *replay_search(s.curve, s.configuration.warmup_iterations, *rule)) for s in those]
        table += [_row(s, f"replayed: {name}", at, not same) for s, at, same in found]
        saved = sum(s.iterations - at for s, at, _ in found if at is not None)
        changed = sum(not same for _, _, same in found)
        lines.append(
            f"{name} would have saved {_share(saved, those)} of the searches that ran to their end, "
            f"and changed the architecture of {changed} of {len(those)}"
        )
    return lines, table


def _rule(c: Configuration) -> tuple[int, float]:
    return c.search_patience, c.search_tolerance


def _replayed_trainings(trainings: Collection[Stage]) -> tuple[list[str], list[dict[str, Any]]]:
    """The study's own η, or the usual one, on the groups of rivals that ran to their end without halving."""
    lines, table = [], []
    whole = [s for s in trainings if not s.may_stop]
    groups: dict[str, list[Stage]] = {}
    for stage in whole:
        groups.setdefault(digest(stage.configuration.of_stage("train")), []).append(stage)
    rivals = [group for group in groups.values() if len(group) > 1]
    for reduction in sorted({s.configuration.train_halving for s in trainings} - {0} or {REDUCTION}):
        saved, lost = 0, 0
        for group in rivals:
            c = group[0].configuration
            levels = halving.rungs(c.train_iterations, c.report_iterations, reduction)
            stops = halving.replay({s.trial_id: s.curve for s in group}, levels, reduction)
            best = max(group, key=lambda s: s.curve[-1]["psnr_db"])
            saved += sum(c.train_iterations - at for at in stops.values())
            lost += best.trial_id in stops
            name = f"replayed: halving {reduction}"
            for s in group:
                at = stops.get(s.trial_id)
                table.append(_row(s, name, at, at is not None if s is best else None))
        if rivals:
            lines.append(
                f"halving {reduction} would have saved {_share(saved, [s for g in rivals for s in g])} of the trainings that ran to their end, "
                f"and stopped the best by validation PSNR in {lost} of {len(rivals)} comparisons"
            )
    return lines, table


def _row(stage: Stage, rule: str, at: int | None, changed: bool | None = None) -> dict[str, Any]:
    return {
        "stage": stage.name, "trial_id": stage.trial_id, "rule": rule, "iterations": stage.iterations, "stops_at": at,
        "answer": "" if changed is None else "lost" if changed else "kept", "validation_psnr_db": stage.curve[-1]["psnr_db"],
    }  # fmt: skip


def _share(saved: int, stages: Collection[Stage]) -> str:
    return f"{saved:,} of {sum(s.iterations for s in stages):,} iterations"

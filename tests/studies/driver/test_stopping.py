"""What a study says of early stopping: what it saved, and what it would have changed where it was off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.presets import QUICK
from studies.driver import stopping
from studies.planning import halving
from studies.store.rows import configuration_columns, curve_table, row_table
from studies.store.store import Store
from studies.work import stages
from studies.work.jobs import Job, Pack
from studies.work.learning import load_curve, run_pack
from studies.work.stages import Place
from studies.work.trials import Trial, trial_row

C = Configuration(**QUICK)
STUDY = "a_study"


def search_curve(*alphas: float) -> list[dict[str, Any]]:
    """The curve of a search of one column, a record every 20 iterations."""
    return [{"stage": "search", "iteration": 20 * n, "alpha": [a], "psnr_db": 20.0} for n, a in enumerate(alphas, 1)]


def train_curve(clock: float, *scores: float) -> list[dict[str, Any]]:
    """The curve of a training, a record every 20 iterations from `clock` on."""
    return [
        {"stage": "train", "iteration": 20 * n, "psnr_db": score, "recorded_at": clock + n}
        for n, score in enumerate(scores, 1)
    ]


def put(store: Store, c: Configuration, curve: list[dict[str, Any]], **values: Any) -> None:
    """Writes a trial's row and curve."""
    row = configuration_columns(c) | {"study": STUDY, "trial_id": c.trial_id, "status": "finished", **values}
    store.end_trial(STUDY, c.trial_id, row_table(row), curve_table(curve, c.trial_id))


def test_a_replay_says_where_a_search_would_have_stopped_and_whether_it_had_its_answer() -> None:
    settled, late, never = [0.9] * 8, [*[0.6] * 6, 0.5, 0.4], [0.3, 0.9] * 4
    found = [stopping.replay_search(search_curve(*alphas), 60, 40, 0.02) for alphas in (settled, late, never)]
    assert found == [(100, True), (100, False), (None, True)]
    assert stopping.replay_search(search_curve(*settled), 60, 100, 0.02) == (None, True), "only at its end"


def test_searches_that_ran_to_their_end_are_replayed_with_a_usual_rule(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    curves = ([0.9] * 8, [*[0.6] * 6, 0.5, 0.4], [0.3, 0.9] * 4)
    trials = [C.with_values(lambda1=0.1 * n) for n in range(3)]
    for n, (c, alphas) in enumerate(zip(trials, curves, strict=True)):
        put(store, c, search_curve(*alphas), search_key=f"s{n}")
    lines, table = stopping.findings(store, STUDY, trials)
    assert lines == [
        "patience 32, tolerance 0.02 would have saved 120 of 480 iterations of the searches that ran to their end, "
        "and changed the architecture of 1 of 3"
    ]
    by_trial = table.set_index("trial_id")
    assert [by_trial.loc[c.trial_id, "answer"] for c in trials] == ["kept", "lost", "kept"]
    assert by_trial.loc[trials[0].trial_id, "stops_at"] == 100
    assert stopping.findings(store, STUDY, trials[:1])[0][0].endswith(" of 0 of 1")


def test_the_studys_own_rule_is_replayed_on_its_other_searches(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    off, on = C, C.with_values(search_patience=20, search_tolerance=0.1)
    put(store, off, search_curve(*[0.9] * 8), search_key="off")
    put(store, on, search_curve(*[0.9] * 4), search_key="on", search_stopped_at=80)
    lines, _ = stopping.findings(store, STUDY, [off, on])
    assert lines[0] == "1 of 1 searches stopped early: 80 of 160 iterations saved"
    assert lines[1].startswith("patience 20, tolerance 0.1 would have saved 80 of 160 iterations")


def test_rivals_that_ran_to_their_end_are_halved_in_the_order_of_their_reports(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    letters = ("PPPP-PPPP-PPPP", "FFFF-FFFF-FFFF", "PFPF-PFPF-PFPF")
    trials = [C.with_values(kind="given", architecture=text, train_iterations=180) for text in letters]
    other = trials[0].with_values(seed=1)
    assert halving.rungs(180, 20, 3) == (20, 60)
    flat = {"good at first": [30.0] * 9, "best at last": [20.0] * 8 + [40.0], "middling": [25.0] * 9}
    for n, (c, scores) in enumerate(zip(trials, flat.values(), strict=True)):
        put(store, c, train_curve(100.0 * n, *scores), train_key=f"t{n}")
    put(store, other, train_curve(0, *[10.0] * 9), train_key="alone")
    lines, table = stopping.findings(store, STUDY, [*trials, other])
    assert lines == [
        "halving 3 would have saved 320 of 540 iterations of the trainings that ran to their end, "
        "and stopped the best by validation PSNR in 1 of 1 comparisons"
    ]
    assert other.trial_id not in set(table["trial_id"])
    assert table.set_index("trial_id")["answer"].to_dict() == {
        trials[0].trial_id: "", trials[1].trial_id: "lost", trials[2].trial_id: "",
    }  # fmt: skip


def test_nothing_is_said_and_written_where_nothing_can_be(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    c = C.with_values(kind="given", architecture="PPPP-PPPP-PPPP")
    put(store, c, train_curve(0, *[10.0] * 15), train_key="alone")
    assert stopping.write(store, STUDY, [c]) == []
    assert not list(tmp_path.glob("**/early_stopping.md"))


def test_a_search_that_stopped_says_so_in_its_row(tmp_path: Path) -> None:
    small = {"channels": 2, "cells": 1, "columns": 2, "batch_size": 2, "patch_size": 16, "report_iterations": 3}
    fast = {"search_iterations": 60, "warmup_iterations": 5, "alpha_learning_rate": 0.3, "lambda1": 3.0}
    c = C.with_values(**small, **fast, search_patience=6)
    data, store = stages.fingerprints(c, None), Store(str(tmp_path))
    key = stages.search_key(c, data)
    *_, told, _ = run_pack(Pack((Job("search", key, c, data),)), Place(str(tmp_path), None, checkpoint_seconds=0))
    last = told["iteration"]
    result = store.result("search", key)
    assert result is not None
    assert c.warmup_iterations + c.search_patience < last == result["iterations"] < c.search_iterations
    trial = Trial(c, data, Architecture.parse(result["architecture"]), search_key=key)
    row = trial_row(STUDY, trial, store)
    assert (row["search_stopped_at"], row["search_iterations"], row.get("train_stopped_at")) == (last, 60, None)
    store.end_trial(STUDY, c.trial_id, row_table(row), curve_table(load_curve(store, "search", key), c.trial_id))
    assert stopping.findings(store, STUDY, [c])[0] == [
        f"1 of 1 searches stopped early: {60 - last} of 60 iterations saved"
    ]


def test_a_finished_study_says_what_stopping_would_have_saved(study_storage: Path) -> None:
    said = (study_storage / "studies/lambda_pareto/report/early_stopping.md").read_text()
    lines = [line.removeprefix("* ") for line in said.splitlines() if line.startswith("* ")]
    assert [line.split(" would ")[0] for line in lines] == ["patience 1, tolerance 0.02", "halving 3"]
    output = (study_storage.parent / "output.txt").read_text()
    assert all(line in output for line in lines)

"""What the sampler is taught: every ended trial of the store once, and nothing that is not a number as the best."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from in_process import InProcess, session_of
from optuna.trial import TrialState

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from studies.adaptive_pareto import STUDY
from studies.driver.proposals import LOWEST, Adaptive
from studies.driver.rounds import Outcome, findings
from studies.driver.study import configuration
from studies.store.rows import architecture_columns, configuration_columns, curve_table, row_table
from studies.store.store import Store
from studies.store.study_file import write_study
from studies.work.module_times import module_times

ARCHITECTURE = "FP-FF"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the module times of quick trials are known."""
    folder = tmp_path_factory.mktemp("measured")
    module_times(configuration("quick", {}), str(folder), "cpu", keep=True)
    return folder


@pytest.fixture
def store(measured: Path, tmp_path: Path) -> Store:
    shutil.copytree(measured, tmp_path / "runs")
    return Store(str(tmp_path / "runs"))


def sampler(store: Store, wanted: int = 6, seeds: int = 1, slots: int = 2, **assigned: list) -> Adaptive:
    """The sampler of a run of the study whose cluster holds two trials."""
    session = session_of(Path(store.root), InProcess(slots), seeds=seeds, assigned=assigned)
    if not store.names("studies"):
        write_study(store, "adaptive_pareto", [], preset="quick", command="command")
    return Adaptive(findings(Outcome(STUDY, []), session), wanted)


def add(
    store: Store,
    psnr_db: float | None = 25.0,
    study: str = "adaptive_pareto",
    status: str = "finished",
    curve: Sequence[dict[str, object]] = (),
    **values: object,
) -> Configuration:
    """A row as a study would leave it."""
    c = configuration("quick", values)
    row = {**configuration_columns(c), "study": study, "trial_id": c.trial_id, "status": status}
    row |= {"psnr_db": -1.0, "validation_psnr_db": psnr_db}
    row |= architecture_columns(c, Architecture.parse(ARCHITECTURE)) if status == "finished" else {"architecture": None}
    write_study(store, study, [c], preset="quick", command="command")
    store.end_trial(study, c.trial_id, row_table(row), curve_table(list(curve), c.trial_id))
    return c


def test_rows_without_a_validation_score_take_it_from_their_curves(store: Store) -> None:
    """As versions before the column wrote them; the last record of the training counts."""
    stages = [("search", 40, 30.0), ("train", 10, 20.0), ("train", 20, 21.5)]
    curve = [{"stage": stage, "iteration": n, "psnr_db": psnr} for stage, n, psnr in stages]
    c = add(store, psnr_db=None, curve=curve, lambda1=0.02, lambda2=0.3)
    ((found, row),) = sampler(store).taught()
    assert (found, row["validation_psnr_db"]) == (c, 21.5)
    (trial,) = told(sampler(store))
    assert trial.values[:2] == [21.5, row["parameters"]]


def ids(trials: list[Configuration]) -> set[str]:
    """The trials, in no order."""
    return {c.trial_id for c in trials}


def told(found: Adaptive) -> list:
    """The trials that Optuna knows."""
    return found._sampler().trials


def test_each_trial_is_told_once_whatever_number_of_studies_hold_it(store: Store) -> None:
    same = {"lambda1": 0.02, "lambda2": 0.3}
    add(store, **same), add(store, study="lambda_pareto", **same), add(store, study="seeds", seed=1, **same)
    add(store, study="other", sigma=50.0, **same), add(store, study="other", channels=6, **same)
    trials = told(sampler(store))
    assert [t.params for t in trials] == [same, same], "two seeds; other noise and other width teach nothing"
    assert {t.user_attrs["trial_id"] for t in trials} == {
        configuration("quick", {**same, "seed": n}).trial_id for n in (0, 1)
    }
    assert [t.values[:2] for t in trials] == [[25.0, Architecture.parse(ARCHITECTURE).parameters(4, 1)]] * 2


def test_what_is_not_finite_has_failed(store: Store) -> None:
    add(store, lambda1=0.01, lambda2=0.1)
    for number, psnr in enumerate((math.nan, math.inf, -math.inf, None), start=2):
        add(store, psnr_db=psnr, lambda1=number / 100, lambda2=0.1)
    add(store, psnr_db=None, status="failed", lambda1=0.5, lambda2=0.1)
    states = [t.state for t in told(sampler(store))]
    assert (states.count(TrialState.COMPLETE), states.count(TrialState.FAIL)) == (1, 5)
    study = sampler(store)._sampler()
    assert [t.params["lambda1"] for t in study.best_trials] == [0.01]


def test_a_lambda_of_zero_counts_as_the_lowest_and_what_is_out_of_range_teaches_nothing(store: Store) -> None:
    add(store, lambda1=0.0, lambda2=0.1), add(store, lambda1=0.5, lambda2=0.1)
    assert sorted(t.params["lambda1"] for t in told(sampler(store))) == [LOWEST, 0.5]
    assert [t.params["lambda1"] for t in told(sampler(store, lambda1=[0.1, 1.0]))] == [0.5]


def test_a_restart_runs_what_was_planned_before_it_asks(store: Store) -> None:
    first = sampler(store).next_round()
    assert len(first) == 2, "as many as the cluster holds"
    write_study(store, "adaptive_pareto", first, preset="quick", command="command")
    assert ids(sampler(store).next_round()) == ids(first), "nothing new is asked"
    add(store, lambda1=first[0].lambda1, lambda2=first[0].lambda2)
    write_study(store, "adaptive_pareto", first, preset="quick", command="command")
    assert len(sampler(store).next_round()) == 2, "one is still to run"
    add(store, lambda1=first[1].lambda1, lambda2=first[1].lambda2)
    write_study(store, "adaptive_pareto", first, preset="quick", command="command")
    second = sampler(store).next_round()
    assert len(second) == 4
    assert ids(sampler(store).next_round()) == ids(second), "proposals follow from the rows"
    assert len(sampler(store, wanted=2).next_round()) == 2, "as many as were wanted"


def test_choices_and_replicates(store: Store) -> None:
    found = sampler(store, seeds=2, columns=[(2,), (2, 4)], channels=[2, 4], lambda2=[0.1]).next_round()
    assert [c.seed for c in found] == [0, 1, 0, 1]
    assert {c.lambda2 for c in found} == {0.1}
    assert {c.columns for c in found} <= {(2,), (2, 4)}
    assert {c.channels for c in found} <= {2, 4}
    assert all(LOWEST <= c.lambda1 <= 1 for c in found)


def test_the_number_of_columns_is_chosen_with_the_number_of_cells(store: Store) -> None:
    choices = {"cells": [2, 3], "columns": [(2,), (4,)]}
    space = {(2, (2,)), (2, (4,)), (3, (2,)), (3, (4,))}
    found = sampler(store, wanted=12, slots=12, **choices)
    assert {(c.cells, c.columns) for c in found.next_round()} == space
    add(store, status="failed", cells=3, columns=(2,)), add(store, status="failed", cells=3, columns=(2, 2, 4))
    assert [(t.params["cells"], t.params["columns"]) for t in told(sampler(store, **choices))] == [(3, "2")]
    assert len(told(sampler(store, cells=[2, 3]))) == 1, "N_i that are not asked for teach nothing"


def test_more_seeds_replicate_what_was_proposed(store: Store) -> None:
    first = sampler(store, wanted=2).next_round()
    write_study(store, "adaptive_pareto", first, preset="quick", command="command")
    more = sampler(store, wanted=2, seeds=3).next_round()
    assert ids(first) < ids(more)
    assert {(c.replicate_id, c.seed) for c in more} == {(c.replicate_id, n) for c in first for n in range(3)}
    assert len(more) == 3 * len(first)


def test_another_range_asks_for_proposals_of_its_own(store: Store) -> None:
    c = add(store, lambda1=0.001, lambda2=0.1)
    write_study(store, "adaptive_pareto", [c], preset="quick", command="command")
    assert ids(sampler(store, wanted=1).next_round()) == {c.trial_id}
    (other,) = sampler(store, wanted=1, lambda1=[0.1234567, 0.1234568]).next_round()
    assert 0.1234567 <= other.lambda1 <= 0.1234568, "rounding does not leave the range"
    assert sampler(store, wanted=1, lambda2=[0.0]).next_round()[0].lambda2 == 0


def test_what_any_study_finished_is_not_told_as_failed(store: Store) -> None:
    same = {"lambda1": 0.02, "lambda2": 0.3}
    add(store, status="failed", psnr_db=None, **same), add(store, study="lambda_pareto", **same)
    assert [t.state for t in told(sampler(store))] == [TrialState.COMPLETE]

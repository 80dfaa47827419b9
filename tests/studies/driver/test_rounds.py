"""A run of a study's command: round after round until nothing new follows, alone on its name, from few reads."""

import dataclasses
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from counting import counted
from in_process import InProcess, compute_learning, said, session_of
from running import wait_for
from small import ASSIGNED, NO_DATA, SMALL, put_row, search_of

import analysis
from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.fields import ConfigurationError
from clearer.presets import edition
from clearer.tasks.task import Method
from studies.driver import rounds
from studies.driver.rounds import Outcome, findings, first_round
from studies.driver.session import Session
from studies.driver.study import Findings, Study
from studies.driver.summary import conclude
from studies.store.claims import Claims
from studies.store.rows import architecture_columns, configuration_columns, row_table
from studies.store.store import Store
from studies.store.study_file import planned_trials, read_study, write_study
from studies.work.jobs import Ended, Event, Failure, Pack, References, Search
from studies.work.keys import Trial
from studies.work.learning import compute_pack
from studies.work.place import Place

GRID = Study(name="s", axes={"quick": {"lambda1": [0.0, 0.5]}}, random={"quick": 0}, ends=False)
ARCHITECTURES = ("FF", "FP", "PF", "PP")


@pytest.fixture(autouse=True)
def reports(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What reports were asked for; none is drawn."""
    asked: list[Any] = []
    monkeypatch.setattr("analysis.report.report.write_report", asked.append)
    return asked


def run(session: Session, study: Study = GRID) -> Outcome:
    """A run of a study of small trials."""
    with session:
        return rounds.run(study, session, first_round(study, session))


def session(storage: Path, cluster: InProcess | None = None, **options: Any) -> Session:
    """A session whose trials are small."""
    return session_of(storage, cluster, **{"assigned": ASSIGNED, **options})


def test_a_run_leaves_rows_a_copy_of_them_and_a_report(tmp_path: Path, reports: list[Any]) -> None:
    mine = session(tmp_path)
    outcome = run(mine)
    assert set(analysis.load(tmp_path)["trial_id"]) == {c.trial_id for c in outcome.planned}
    assert (outcome.unfinished, outcome.lost, outcome.is_out_of_time) == ([], [], False)
    assert {"trials.parquet", "curves.parquet", "study.json"} <= set(mine.store.names("studies/s"))
    assert len(reports) == 1
    assert set(reports[0].frame["trial_id"]) == set(outcome.results(mine).frame["trial_id"])
    (about,) = read_study(mine.store, "s")["runs"]
    assert about["preset"] == "quick"
    assert planned_trials(mine.store, "s").keys() == {c.trial_id for c in outcome.planned}


def test_a_run_that_has_nothing_to_do_opens_no_cluster_and_is_no_run_of_the_study(tmp_path: Path) -> None:
    run(session(tmp_path))
    before = (tmp_path / "studies/s/study.json").read_bytes()
    mine = session(tmp_path)
    del mine.cluster
    mine.options = dataclasses.replace(mine.options, address="127.0.0.1:1")  # would raise if it were joined
    run(mine)
    assert (tmp_path / "studies/s/study.json").read_bytes() == before
    assert len(read_study(mine.store, "s")["runs"]) == 1


def test_what_follows_is_the_next_round_until_nothing_new_does(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def follow(found: Findings) -> list[Configuration]:
        seen.append((len(found.trials), len(found.rows)))
        given = [SMALL.with_values(kind="given", architecture=text) for text in ARCHITECTURES]
        return [*found.trials, *given[: len(seen)]] if len(seen) < 3 else list(found.trials)

    mine = session(tmp_path)
    outcome = run(mine, dataclasses.replace(GRID, follow=follow))
    assert seen == [(2, 2), (3, 3), (4, 4)], "each round is asked once all before it has rows"
    assert [c.architecture for c in outcome.planned[2:]] == ["FF", "FP"]
    assert said(mine).count("what was found asks for 1 more trials, 0 there, 1 to run") == 2
    assert len(read_study(mine.store, "s")["runs"]) == 3


def losing_searches(pack: Pack, place: Place) -> Iterator[list[Event]]:
    """Computes packs; searches lose their workers."""
    if isinstance(pack.jobs[0], Search):
        yield [Ended(job.key, Failure("its worker was lost", permanent=False)) for job in pack.jobs]
    else:
        yield from compute_learning(pack, place)


def test_nothing_follows_from_what_another_run_has_to_finish(tmp_path: Path) -> None:
    def follow(found: Findings) -> list[Configuration]:
        raise AssertionError("asked too early")

    outcome = run(session(tmp_path, InProcess(compute=losing_searches)), dataclasses.replace(GRID, follow=follow))
    assert [failure.reason for _, failure in outcome.unfinished] == ["its worker was lost"] * 2
    assert Store(str(tmp_path)).trial_ids("s") == set()


def test_with_a_budget_trials_run_in_waves_and_what_has_begun_is_ended(tmp_path: Path) -> None:
    spent = run(session(tmp_path, budget=0.0))
    assert spent.is_out_of_time
    assert Store(str(tmp_path)).trial_ids("s") == set()
    whole = run(session(tmp_path, InProcess(slots=1), budget=3600.0))
    assert not whole.is_out_of_time
    assert Store(str(tmp_path)).trial_ids("s") == {c.trial_id for c in whole.planned}


def test_the_first_wave_is_as_many_trials_as_the_cluster_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 100.0])
    monkeypatch.setattr(rounds, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    outcome = run(session(tmp_path, InProcess(slots=1), budget=50.0))
    assert outcome.is_out_of_time
    assert Store(str(tmp_path)).trial_ids("s") == {outcome.planned[0].trial_id}


def test_a_study_goes_on_with_the_edition_of_its_preset_that_it_began_with(tmp_path: Path) -> None:
    study = dataclasses.replace(GRID, axes={"quick": {"lambda1": [0.0]}})
    for number, length in ((1, 300), (2, 1_200)):
        mine = session(tmp_path / str(number), assigned={})
        write_study(mine.store, "s", [], preset="quick", command="command", edition=number)
        (c,) = first_round(study, mine)
        assert (c.train_iterations, c.time_set, c.test_border == "crop64") == (length, True, number == 1)
        assert "began with an earlier edition of the preset quick" in said(mine)
        about = write_study(mine.store, "s", [c], preset=mine.options.preset, command="again")
        assert [one["edition"] for one in about["runs"]] == [number, number]


def test_an_earlier_edition_with_the_same_values_is_not_said(tmp_path: Path) -> None:
    mine = session(tmp_path, assigned={})
    write_study(mine.store, "s", [], preset="quick", command="command", edition=3)  # deraining alone differs
    first_round(dataclasses.replace(GRID, axes={"quick": {"lambda1": [0.0]}}), mine)
    assert edition(mine.options.preset) == 3
    assert "earlier edition" not in said(mine)


def test_failures_are_tried_again_where_that_is_asked(tmp_path: Path) -> None:
    study = dataclasses.replace(GRID, axes={"quick": {"lambda1": [0.0]}})
    (c,) = first_round(study, session(tmp_path))
    put_row(Store(str(tmp_path)), "s", c, status="failed", error="no memory")
    run(session(tmp_path), study)
    assert analysis.load(tmp_path)["status"].tolist() == ["failed"]
    run(session(tmp_path, retry_failed=True), study)
    assert analysis.load(tmp_path)["status"].tolist() == ["finished"]


def test_a_classical_method_that_fails_is_named_and_tried_again_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restore(degraded: Any, c: Configuration) -> Any:
        if is_broken:
            raise ValueError("no such wavelet")
        return degraded

    monkeypatch.setattr("clearer.references.available", lambda task: {"own": Method(restore)})
    study = dataclasses.replace(GRID, axes={"quick": {"sigma": [30.0, 50.0]}})
    for is_broken in (True, True, False):
        cluster = InProcess(compute=compute_pack)
        mine = session(tmp_path, cluster)
        with mine:
            outcome = run(mine, study)
            status = conclude(outcome, mine)
        told = "failed  references on embedded: ValueError: no such wavelet\n"
        assert (status, said(mine).count(told)) == ((1, 2) if is_broken else (0, 0))
        assert ("2 jobs failed (reference), see above; the same command tries again" in said(mine)) is is_broken
        assert set(analysis.load(tmp_path)["status"]) == {"finished"}
    assert [type(job) for pack in cluster.packs for job in pack.jobs] == [References] * 2
    assert sorted(analysis.load_references(tmp_path, "s")["method"]) == ["noisy input"] * 2 + ["own"] * 2
    run(session(tmp_path, again := InProcess()), study)
    assert again.packs == []


def test_module_times_are_measured_before_trials_are_planned_with_them(tmp_path: Path) -> None:
    mine = session(tmp_path, assigned={**ASSIGNED, "complexity": ["time"]})
    first = first_round(GRID, mine)
    assert all(len(c.module_times_ms) == 2 for c in first)
    assert [c.trial_id for c in first_round(GRID, session(tmp_path, assigned=mine.options.assigned))] == [
        c.trial_id for c in first
    ]
    dry = session(tmp_path / "dry", assigned=mine.options.assigned, dry_run=True)
    assert all(c.module_times_ms for c in first_round(GRID, dry))
    assert not (tmp_path / "dry").exists()


def test_a_mistake_is_known_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="kind"):
        first_round(GRID, session(tmp_path / "runs", assigned={"kind": ["random"]}))
    assert not (tmp_path / "runs").exists()


def test_findings_are_the_finished_rows_of_the_planned_trials(tmp_path: Path) -> None:
    mine = session(tmp_path, InProcess(slots=3))
    planned = first_round(GRID, mine)
    put_row(mine.store, "s", planned[0], found="PF", psnr_db=25.0)
    put_row(mine.store, "s", planned[1], status="failed")
    put_row(mine.store, "s", SMALL.with_values(seed=9), found="PF", psnr_db=20.0)
    write_study(mine.store, "s", [*planned, SMALL.with_values(seed=9)], preset="quick", command="command")
    found = findings(Outcome(GRID, planned), mine)
    assert found.rows["trial_id"].tolist() == [planned[0].trial_id]
    assert (found.study, found.trials, found.options) == ("s", planned, mine.options)
    assert {c.trial_id for c in found.recorded} == {c.trial_id for c in [*planned, SMALL.with_values(seed=9)]}
    assert found.slots() == 3


def test_jobs_that_findings_ask_for_are_computed_once_and_those_that_fail_are_kept(tmp_path: Path) -> None:
    mine = session(tmp_path, InProcess(compute=losing_searches))
    outcome = Outcome(GRID, first_round(GRID, mine))
    write_study(mine.store, "s", outcome.planned, preset="quick", command="command")
    found = findings(outcome, mine)
    there, lost = search_of(SMALL), search_of(SMALL.with_values(lambda1=0.5))
    mine.store.finish("search", there.key, {"architecture": "PF"}, {})
    found.compute("some", [there, lost])
    assert [task.job for task in outcome.lost] == [lost]
    assert "some: 1 to do" in said(mine)
    found.compute("none", [there])
    assert "none" not in said(mine)


def test_a_second_run_of_a_study_waits_for_the_first_and_computes_what_that_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.store.claims.POLL_SECONDS", 0.05)
    cluster = InProcess()
    second = session(tmp_path, cluster)
    planned, outcomes = first_round(GRID, second), list[Outcome]()
    with Claims(second.store) as first, first.alone("studies/s", lambda owner: None):
        thread = threading.Thread(target=lambda: outcomes.append(run(second)))
        thread.start()
        wait_for(lambda: "s is being run by process " in said(second))
        put_row(second.store, "s", planned[0], found="PF", psnr_db=25.0)
        assert cluster.packs == []
    thread.join(60)
    assert len(outcomes) == 1
    assert {job.configuration.lambda1 for pack in cluster.packs for job in pack.jobs} == {planned[1].lambda1}
    assert second.store.trial_ids("s") == {c.trial_id for c in planned}


# A store of many rows.

MANY = 400


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """A store of a finished study of many searches, which share the trainings of four architectures; and their λ1."""
    storage = tmp_path_factory.mktemp("many")
    store, lambdas = Store(str(storage)), [n / MANY for n in range(MANY)]
    configurations = [SMALL.with_values(lambda1=value) for value in lambdas]
    real = session_of(storage).pixels.of(SMALL)
    for number, trial in enumerate(Trial(c, real) for c in configurations):
        text = ARCHITECTURES[number % 4]
        train = trial.train_key(text)
        keys = {"search": str(trial.search_key), "train": train, "test": trial.tested_key(train)}
        for stage, key in {**keys, "reference": trial.reference_key}.items():
            folder = storage / "stages" / stage / key
            if not folder.exists():
                folder.mkdir(parents=True)
                (folder / "result.json").write_text(f'{{"architecture": "{text}", "format": 1, "rows": []}}')
        about = {"study": "s", "trial_id": trial.trial_id, "status": "finished", "psnr_db": 25.0}
        row = configuration_columns(trial.configuration) | about | {f"{stage}_key": key for stage, key in keys.items()}
        row |= architecture_columns(trial.configuration, Architecture.parse(text))
        (storage / "studies/s/trials").mkdir(parents=True, exist_ok=True)
        pq.write_table(row_table(row), storage / f"studies/s/trials/{trial.trial_id}.parquet")
    write_study(store, "s", configurations, preset="quick", command="command")
    store.compact("s")
    return storage, lambdas


class _BegunError(Exception):
    """The first jobs were handed out."""


class Beginning(InProcess):
    """A cluster whose first pack ends the test."""

    def __init__(self, read: list[str]):
        super().__init__()
        self.read, self.before, self.jobs = read, -1, 0

    def _work(self, exchange: Any, place: Place) -> None:
        while not exchange.is_closed:
            pack = exchange.next_pack()
            if pack is not None:
                self.before = len(self.read) if self.before < 0 else self.before
                self.jobs += len(pack.jobs)
                exchange.tell(_BegunError())


@pytest.mark.parametrize("study", ["s", "another"])
def test_starting_on_a_store_of_many_rows_reads_few_objects(
    many: tuple[Path, list[float]], study: str, tmp_path: Path
) -> None:
    storage = tmp_path / "runs"
    shutil.copytree(many[0], storage)
    assigned = {**ASSIGNED, "lambda1": [*many[1], 1.1, 1.2, 1.3]}
    with counted() as (read, listed):
        cluster = Beginning(read)
        with pytest.raises(_BegunError):
            run(session(storage, cluster, assigned=assigned), dataclasses.replace(GRID, name=study))
    assert cluster.jobs == 3, "three λ more are three searches"
    assert 0 < cluster.before <= 100, cluster.before
    assert len(listed) <= 50


def test_keys_of_many_trials_are_those_of_one(many: tuple[Path, list[float]]) -> None:
    """What the store of many rows rests on: the keys that it was written with are the keys that are asked for."""
    store = Store(str(many[0]))
    (row,) = store.rows("s", {SMALL.with_values(lambda1=0.5).trial_id})
    data = session_of(many[0]).pixels.of(SMALL)
    assert row["search_key"] == search_of(SMALL.with_values(lambda1=0.5), data).key
    assert row["search_key"] != search_of(SMALL.with_values(lambda1=0.5), NO_DATA).key

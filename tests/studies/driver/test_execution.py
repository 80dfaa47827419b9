"""From what is missing to rows: jobs that are claimed, computed once and shared, and how trials end."""

import io
import math
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from in_process import InProcess, compute_learning, said, session_of
from rich.console import Console
from small import NO_DATA, SMALL, search_of, train_of

import analysis
from clearer.configuration import Configuration
from studies.driver import execution
from studies.driver.execution import Execution, Tasks, failed_references, run_jobs
from studies.driver.progress import Progress
from studies.driver.session import Session
from studies.nodes.exchange import Exchange
from studies.planning.plan import Task
from studies.store.claims import Claims, timing_name
from studies.store.store import Store
from studies.work.jobs import Ended, Event, Failure, Job, Pack, Progressed, References, Search, Started, Train
from studies.work.keys import Trial
from studies.work.place import Place

SEARCHES = [search_of(SMALL.with_values(lambda1=n / 10)) for n in range(4)]
LOST = Failure("its worker was lost", permanent=False)


class Answering(Exchange):
    """Answers at once that each pack that is submitted has started, and that its jobs have ended as `failures` say."""

    def __init__(self, **failures: Failure):
        super().__init__()
        self.failures, self.submitted = failures, list[Pack]()

    def submit(self, packs: Any) -> None:
        for pack in packs:
            self.submitted.append(pack)
            self.tell(Started(pack))
            for job in pack.jobs:
                self.tell(Ended(job.key, self.failures.get(job.key)))

    @property
    def keys(self) -> list[str]:
        """The jobs that were submitted."""
        return [job.key for pack in self.submitted for job in pack.jobs]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(execution, "POLL_SECONDS", 0.05)
    return Store(str(tmp_path / "runs"))


@pytest.fixture
def claims(store: Store) -> Iterator[Claims]:
    with Claims(store) as mine:
        yield mine


@pytest.fixture
def out() -> io.StringIO:
    """What is shown."""
    return io.StringIO()


@pytest.fixture
def progress(out: io.StringIO) -> Progress:
    return Progress(Console(file=out, width=200, highlight=False))


def tasks_of(jobs: Sequence[Job]) -> dict[str, Task]:
    """A task of one trial for each job."""
    return {job.key: Task(job, [Trial(job.configuration, NO_DATA)]) for job in jobs}


def test_every_task_ends_once_and_is_given_up_then(store: Store, claims: Claims, progress: Progress) -> None:
    exchange = Answering()
    tasks = Tasks(store, progress, claims, exchange)
    assert tasks.add("searches", tasks_of(SEARCHES), {})
    with Claims(store) as other:
        held = []
        for task in tasks.ends():
            held.append(other.take({"job": task.job.claims}))
            other.release(task.job.claims)
            assert task.has_started
            assert task.has_ended
    assert held == [{"job"}] * 4
    assert exchange.keys == [job.key for job in SEARCHES]
    assert tasks.open == []
    assert list(tasks.ends()) == []


def test_tasks_are_packed_as_their_widths_say(store: Store, claims: Claims, progress: Progress) -> None:
    exchange = Answering()
    tasks = Tasks(store, progress, claims, exchange)
    tasks.add("searches", tasks_of(SEARCHES), {job.name: 2 for job in SEARCHES[:3]})
    assert len(list(tasks.ends())) == len(SEARCHES)
    assert [(len(pack.jobs), pack.width) for pack in exchange.submitted] == [(2, 2), (1, 2), (1, 1)]


def test_what_another_study_computes_is_left_to_it_and_won_later(
    store: Store, claims: Claims, progress: Progress, out: io.StringIO
) -> None:
    exchange, (first, second, *_) = Answering(), SEARCHES
    tasks = Tasks(store, progress, claims, exchange)
    tasks.add("searches", tasks_of([first, second]), {})
    with Claims(store) as other:
        assert other.take({"job": first.claims})
        ends = tasks.ends()
        assert next(ends).job == second
        threading.Timer(0.3, other.release, [first.claims]).start()
        assert [task.job for task in ends] == [first]
    assert exchange.keys == [second.key, first.key]
    assert out.getvalue().count("1 stage is being computed by another study (process ") == 1


def test_what_another_study_has_finished_meanwhile_is_not_computed(
    store: Store, claims: Claims, progress: Progress, out: io.StringIO
) -> None:
    exchange, search, train = Answering(), SEARCHES[0], train_of(SMALL, "PF")
    tasks = Tasks(store, progress, claims, exchange)
    tasks.add("searches", tasks_of([search, train]), {})
    store.finish("search", search.key, {"architecture": "PF", "seconds": 3}, {})
    store.finish("train", train.key, {"architecture": "PF", "seconds": 3}, {})
    ended = {task.job.key: task for task in tasks.ends()}
    assert exchange.keys == [train.key], "its test is missing"
    assert not ended[search.key].is_new
    assert not ended[train.key].is_new, "its training was another's"
    assert "PF  3 s  by another study" in out.getvalue()


def test_trials_that_come_later_share_a_task_that_is_under_way(
    store: Store, claims: Claims, progress: Progress
) -> None:
    exchange, job = Answering(), SEARCHES[0]
    tasks = Tasks(store, progress, claims, exchange)
    first, second = Trial(SMALL, NO_DATA), Trial(SMALL.with_values(self_ensemble=8), NO_DATA)
    tasks.add("searches", {job.key: Task(job, [first])}, {})
    assert not tasks.add("more", {job.key: Task(job, [first, second])}, {}), "it is on its way"
    assert tasks.add("more", {**tasks_of(SEARCHES[1:2]), job.key: Task(job, [second])}, {}), "one is new"
    assert {task.job.key: len(task.trials) for task in tasks.ends()} == {job.key: 2, SEARCHES[1].key: 1}
    assert tasks.all[job.key].trials == [first, second]
    assert exchange.keys.count(job.key) == 1


def test_tasks_may_be_added_while_others_end(store: Store, claims: Claims, progress: Progress) -> None:
    exchange = Answering()
    tasks = Tasks(store, progress, claims, exchange)
    tasks.add("searches", tasks_of(SEARCHES[:2]), {})
    ended = []
    for task in tasks.ends():
        ended.append(task.job)
        if task.job == SEARCHES[0]:
            tasks.add("trainings", tasks_of([train_of(SMALL, "PF")]), {})
    assert ended == [*SEARCHES[:2], train_of(SMALL, "PF")]


def test_what_has_failed_is_not_tried_again_in_the_same_run(store: Store, claims: Claims, progress: Progress) -> None:
    for failure in (LOST, Failure("search diverged")):
        exchange = Answering(**{SEARCHES[0].key: failure})
        tasks = Tasks(store, progress, claims, exchange)
        tasks.add("searches", tasks_of(SEARCHES[:1]), {})
        assert [task.failure for task in tasks.ends()] == [failure]
        assert not tasks.add("searches", tasks_of(SEARCHES[:1]), {})
        assert list(tasks.ends()) == []
        assert len(exchange.submitted) == 1


def test_another_test_of_a_training_that_has_ended_is_computed(
    store: Store, claims: Claims, progress: Progress
) -> None:
    exchange, tasks = Answering(), None
    tasks = Tasks(store, progress, claims, exchange)
    once = train_of(SMALL, "PF")
    tasks.add("trainings", tasks_of([once]), {})
    assert len(list(tasks.ends())) == 1
    other = SMALL.with_values(self_ensemble=8)
    again = Train(once.key, SMALL, NO_DATA, "PF", (*once.tests, *train_of(other, "PF").tests))
    assert tasks.add("trainings", tasks_of([again]), {})
    assert [task.job for task in tasks.ends()] == [again]


def row(iteration: int, at: float, psnr_db: float = 20.0) -> dict[str, Any]:
    """A row of a curve."""
    return {"stage": "search", "iteration": iteration, "psnr_db": psnr_db, "recorded_at": at}


def told(store: Store, claims: Claims, progress: Progress, *events: Event) -> Task:
    """The task of a search after some events."""
    exchange, job = Exchange(), SEARCHES[0]
    tasks = Tasks(store, progress, claims, exchange)
    tasks.add("searches", tasks_of([job]), {})
    for event in (Started(Pack((job,))), *events):
        exchange.tell(event)
    return next(tasks.ends())


def test_a_task_knows_the_rows_that_were_told_and_of_what_diverged_the_whole_curve(
    store: Store, claims: Claims, progress: Progress
) -> None:
    key = SEARCHES[0].key
    first, second = row(2, 1.0), row(4, 2.0)
    rows = [Progressed(key, record, 8, 1.0) for record in (first, second)]
    assert told(store, claims, progress, *rows, Ended(key)).records == [first, second]
    diverged = Ended(key, Failure("search diverged"), (first, second, row(6, 3.0, math.nan)))
    assert [r["iteration"] for r in told(store, claims, progress, rows[0], diverged).records] == [2, 4, 6]


def test_rows_that_a_pack_tells_again_take_the_place_of_those_that_were_lost(
    store: Store, claims: Claims, progress: Progress
) -> None:
    key = SEARCHES[0].key
    lost = [Progressed(key, row(2 * n, n), 8, 1.0) for n in (1, 2, 3)]
    again = [Progressed(key, row(2 * n, 10 * n), 8, 1.0) for n in (2, 3, 4)]
    task = told(store, claims, progress, *lost, Started(Pack((SEARCHES[0],))), *again, Ended(key))
    assert [(r["iteration"], r["recorded_at"]) for r in task.records] == [(2, 1), (4, 20), (6, 30), (8, 40)]


def test_what_ends_the_cluster_is_raised(store: Store, claims: Claims, progress: Progress) -> None:
    exchange = Exchange()
    tasks = Tasks(store, progress, claims, exchange)
    tasks.add("searches", tasks_of(SEARCHES), {})
    exchange.tell(OSError("no space"))
    with pytest.raises(OSError, match="no space"):
        list(tasks.ends())


# Trials, computed by the real code on a cluster in this process.

GIVEN = SMALL.with_values(kind="given", architecture="PF")


def executed(
    session: Session, configurations: Sequence[Configuration], planned: Sequence[Configuration] = ()
) -> Execution:
    """The execution of trials of the study `s`, at its end."""
    trials = session.pixels.trials(configurations)
    now = datetime.now(UTC).isoformat()
    around = session.pixels.trials(planned or configurations)
    made = Execution("s", session, trials, around, {trial.trial_id: now for trial in trials})
    with Progress(session.console) as progress:
        made.run_to_rows(progress)
    return made


def rows_of(session: Session) -> dict[str, dict[str, Any]]:
    """The rows by trial."""
    return {row["trial_id"]: row for row in session.store.rows("s", session.store.trial_ids("s"))}


def test_trials_become_rows_and_what_they_share_is_computed_once(tmp_path: Path) -> None:
    cluster = InProcess()
    session = session_of(tmp_path / "runs", cluster)
    searched = [SMALL.with_values(lambda1=value) for value in (0.0, 0.5)]
    given = [SMALL.with_values(kind="given", architecture=text) for text in ("PF", "FP", "PP", "FF")]
    made = executed(session, [*searched, *given])
    rows = rows_of(session)
    assert len(rows) == 6
    assert all(row["status"] == "finished" and row["psnr_db"] and row["test_time_ms"] for row in rows.values())
    assert made.left == made.trials
    jobs = [job for pack in cluster.packs for job in pack.jobs]
    assert len({job.key for job in jobs}) == len(jobs) == 2 + 4 + 1
    for c in searched:
        row, same = rows[c.trial_id], next(g for g in given if g.architecture == rows[c.trial_id]["architecture"])
        assert row["train_key"] == rows[same.trial_id]["train_key"]
        assert row["train_reused"] or rows[same.trial_id]["train_reused"], "one training served both"
        assert row["search_reused"] is False
    made_by = [row["train_key"] for row in rows.values() if row["train_reused"] is False]
    assert sorted(made_by) == sorted({row["train_key"] for row in rows.values()}), "one trial of each made it"
    assert all(row["search_reused"] is None for row in rows.values() if row["kind"] == "given")
    assert session.store.names("studies/s/references") == [f"{made.trials[0].reference_key[:12]}.parquet"]
    assert not session.store.names("drivers"), "all claims are given up"
    assert list(session.under_way()) == []


def test_a_row_has_the_curve_of_its_stages(tmp_path: Path) -> None:
    session = session_of(tmp_path / "runs")
    executed(session, [SMALL])
    (row,) = rows_of(session).values()
    curve = analysis.load_curves(tmp_path / "runs")
    expected = session.store.learnt_curve("search", row["search_key"])
    expected += session.store.learnt_curve("train", row["train_key"])
    assert list(zip(curve["stage"], curve["iteration"], curve["psnr_db"], strict=True)) == [
        (record["stage"], record["iteration"], record["psnr_db"]) for record in expected
    ]
    assert set(curve["trial_id"]) == {SMALL.trial_id}


def test_what_is_there_is_not_computed_again_and_its_row_says_so(tmp_path: Path) -> None:
    executed(session_of(tmp_path / "runs"), [SMALL])
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs/stages").rglob("*")}
    cluster = InProcess()
    session = session_of(tmp_path / "runs", cluster)
    session.store.forget_trial("s", SMALL.trial_id)
    executed(session, [SMALL])
    assert cluster.packs == []
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs/stages").rglob("*")} == before
    (row,) = rows_of(session).values()
    assert (row["search_reused"], row["train_reused"]) == (True, True)


def test_a_job_that_can_not_succeed_fails_its_trials_alone_with_the_reason(tmp_path: Path) -> None:
    wild = SMALL.with_values(lambda1=1e39)  # infinite in fp32
    also = wild.with_values(self_ensemble=8)
    session = session_of(tmp_path / "runs")
    made = executed(session, [wild, also, GIVEN])
    rows = rows_of(session)
    for c in (wild, also):
        assert rows[c.trial_id]["status"] == "failed"
        assert rows[c.trial_id]["error"].startswith("search diverged")
        assert rows[c.trial_id]["psnr_db"] is None
    assert rows[GIVEN.trial_id]["status"] == "finished"
    assert [trial.configuration for trial in made.left] == [GIVEN]
    curve = analysis.load_curves(tmp_path / "runs")
    assert len(curve[curve["trial_id"] == wild.trial_id]) > 0, "a failed trial keeps its curve"


def test_a_trial_that_comes_to_a_training_that_has_failed_fails_with_it(tmp_path: Path) -> None:
    """Trainings of given architectures take longest, hence are first; then the search finds one of them."""
    training = {"train_iterations": 60, "train_learning_rate": 1e30}
    given = [SMALL.with_values(kind="given", architecture=text, **training) for text in ("PF", "FP", "PP", "FF")]
    searched = SMALL.with_values(**training)
    session = session_of(tmp_path / "runs")
    executed(session, [searched, *given])
    rows = rows_of(session)
    assert {row["status"] for row in rows.values()} == {"failed"}
    assert all(row["error"].startswith("train diverged") for row in rows.values())


def losing(lost: type[Job]) -> Any:
    """Computes packs; those of one kind of job lose their worker."""

    def compute(pack: Pack, place: Place) -> Iterator[list[Event]]:
        if isinstance(pack.jobs[0], lost):
            yield [Ended(job.key, LOST) for job in pack.jobs]
        else:
            yield from compute_learning(pack, place)

    return compute


def test_what_another_run_may_mend_leaves_no_row(tmp_path: Path) -> None:
    cluster = InProcess(compute=losing(Search))
    session = session_of(tmp_path / "runs", cluster)
    made = executed(session, [SMALL, GIVEN])
    assert set(rows_of(session)) == {GIVEN.trial_id}
    assert made.failures == {SMALL.trial_id: LOST}
    assert sum(isinstance(pack.jobs[0], Search) for pack in cluster.packs) == 1, "not tried again in this run"
    later = session_of(tmp_path / "runs")
    executed(later, [SMALL])
    assert rows_of(later)[SMALL.trial_id]["status"] == "finished"


def test_references_that_fail_fail_no_trial(tmp_path: Path) -> None:
    session = session_of(tmp_path / "runs", InProcess(compute=losing(References)))
    made = executed(session, [GIVEN])
    assert rows_of(session)[GIVEN.trial_id]["status"] == "finished"
    assert [task.job.stage for task in made.lost] == ["reference"]
    assert failed_references(session.store, "s") == {made.trials[0].reference_key[:12]}
    assert len(analysis.load_references(tmp_path / "runs")) == 0
    assert "failed 2/2  references on embedded  its worker was lost" in said(session)


def test_trainings_of_what_was_found_do_not_wait_for_other_trainings(tmp_path: Path) -> None:
    """A training that lasts until the one of what was found has begun."""
    found_begins = threading.Event()

    def compute(pack: Pack, place: Place) -> Iterator[list[Event]]:
        (job,) = pack.jobs
        if isinstance(job, Train) and job.configuration.kind == "given":
            assert found_begins.wait(30)
        elif isinstance(job, Train):
            found_begins.set()
        yield from compute_learning(pack, place)

    session = session_of(tmp_path / "runs", InProcess(compute=compute, threads=2))
    given = SMALL.with_values(kind="given", architecture="PF", seed=1)
    executed(session, [SMALL, given])
    assert {row["status"] for row in rows_of(session).values()} == {"finished"}


@pytest.mark.parametrize("is_saved", [True, False])
def test_tracking_sees_of_what_is_under_way_what_is_safe_in_the_store(tmp_path: Path, is_saved: bool) -> None:
    seen: list[tuple[str, list[int]]] = []

    def compute(pack: Pack, place: Place) -> Iterator[list[Event]]:
        for events in compute_learning(pack, place):
            yield events
            wait_until_heard()
            for trial in session.under_way() if isinstance(pack.jobs[0], Search) else ():
                seen.append((trial.configuration.trial_id, [record["iteration"] for record in trial.records]))

    def wait_until_heard() -> None:
        threading.Event().wait(0.05)

    session = session_of(tmp_path / "runs", InProcess(compute=compute), checkpoint_seconds=0 if is_saved else 600)
    executed(session, [SMALL])
    assert {trial for trial, _ in seen} == {SMALL.trial_id}
    told = [iterations for _, iterations in seen]
    assert told[:3] == ([[2], [2, 4], [2, 4, 6]] if is_saved else [[], [], []])
    assert told[-1] == [2, 4, 6, 8], "what has ended is safe"


def test_a_pack_is_as_wide_as_the_whole_study_asks_for(tmp_path: Path) -> None:
    planned = [SMALL.with_values(lambda1=n / 10, channels=4) for n in range(6)]
    session = session_of(tmp_path / "runs")
    executed(session, planned[:1], planned)
    (row,) = rows_of(session).values()
    assert row["search_pack"] == 4


def test_times_are_taken_while_no_other_study_takes_any_on_that_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.store.claims.POLL_SECONDS", 0.05)
    session = session_of(tmp_path / "runs", InProcess(host="its name"))
    with Claims(session.store) as other:
        assert other.take({"job": {timing_name("its name")}})
        thread = threading.Thread(target=executed, args=(session, [GIVEN]))
        thread.start()
        end = threading.Event()
        while "takes times on its name: waiting" not in said(session) and thread.is_alive():
            end.wait(0.05)
        assert thread.is_alive()
        assert rows_of(session) == {}
        other.release({timing_name("its name")})
        thread.join(60)
    assert rows_of(session)[GIVEN.trial_id]["test_time_ms"] > 0


def test_a_network_that_can_not_be_timed_has_a_row_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsteady(*_: object) -> str:
        raise ArithmeticError("the device is not steady")

    monkeypatch.setattr("studies.work.stages.compute_time", unsteady)
    session = session_of(tmp_path / "runs")
    executed(session, [GIVEN])
    (row,) = rows_of(session).values()
    assert (row["status"], row["test_time_ms"], row["test_time_error"]) == (
        "finished",
        None,
        "the device is not steady",
    )
    assert "not timed: the device is not steady" in said(session)


def test_jobs_that_belong_to_no_trial_are_run_and_those_that_failed_are_given(tmp_path: Path) -> None:
    session = session_of(tmp_path / "runs", InProcess(compute=losing(Search)))
    (trial,) = session.pixels.trials([GIVEN])
    jobs = [search_of(SMALL, trial.data), References(trial.reference_key, GIVEN, trial.data)]
    with Progress(session.console) as progress:
        assert [task.job for task in run_jobs("some jobs", jobs, session, progress)] == jobs[:1]
    assert session.store.result("reference", trial.reference_key) is not None
    assert "some jobs: 2 to do" in said(session)

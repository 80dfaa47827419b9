"""What Tune asks and tells, as it reaches the driver."""

import pickle
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.search import Searcher
from small import SMALL, search_of

from studies.nodes.exchange import Exchange
from studies.nodes.queueing import Queue, Report, Stop
from studies.work.jobs import Ended, Failure, Pack, Progressed, Started

JOBS = tuple(search_of(SMALL.with_values(seed=seed)) for seed in range(2))
PACK = Pack(JOBS, 2)
ROW = {"stage": "search", "psnr_db": 20.0}


def progressed(iteration: int, key: str = JOBS[0].key) -> Progressed:
    """A row of a job's curve."""
    return Progressed(key, ROW | {"iteration": iteration}, 8, 1.0)


class Tune:
    """The end of Ray Tune that calls back about one trial, a pack."""

    def __init__(self, error: str = "") -> None:
        self.exchange = Exchange()
        self.report = Report(self.exchange)
        metadata = SimpleNamespace(num_failures=0)
        self.trial = SimpleNamespace(
            trial_id="1", config={"pack": PACK}, run_metadata=metadata, get_error=lambda: error
        )

    def starts(self) -> None:
        self.report.on_trial_start(0, [self.trial], self.trial)

    def has(self, *events: Any) -> None:
        self.report.on_trial_result(0, [self.trial], self.trial, {"events": list(events)})

    def gives_up(self) -> None:
        self.report.on_trial_error(0, [self.trial], self.trial)

    def heard(self) -> list[Any]:
        """All that the driver hears."""
        return list(iter(lambda: self.exchange.heard(0), None))


def test_tune_gets_packs_then_waits_and_ends_when_the_driver_wants_nothing_more() -> None:
    exchange = Exchange()
    queue, stop = Queue(exchange), Stop(exchange)
    exchange.submit([PACK])
    assert queue.suggest("1") == {"pack": PACK}
    assert queue.suggest("2") is None, "nothing now, perhaps later"
    assert not stop.stop_all()
    assert not stop("1", {})
    exchange.close()
    assert queue.suggest("3") == Searcher.FINISHED
    assert stop.stop_all()


def test_the_driver_hears_when_a_pack_starts_what_it_tells_and_that_it_has_ended() -> None:
    tune = Tune()
    tune.starts()
    tune.has(progressed(2), progressed(2, JOBS[1].key))
    tune.has(progressed(4), Ended(JOBS[0].key), Ended(JOBS[1].key))
    tune.has()
    tune.report.on_trial_result(0, [], tune.trial, {"done": True})
    rows = [progressed(2), progressed(2, JOBS[1].key), progressed(4)]
    assert tune.heard() == [Started(PACK), *rows, Ended(JOBS[0].key), Ended(JOBS[1].key)]


def test_each_job_ends_once_however_often_its_pack_is_started_again() -> None:
    tune = Tune()
    tune.has(Ended(JOBS[0].key))
    tune.starts()
    tune.has(Ended(JOBS[0].key, Failure("late")), Ended(JOBS[1].key))
    tune.gives_up()
    assert tune.heard() == [Ended(JOBS[0].key), Started(PACK), Ended(JOBS[1].key)]


def test_a_training_that_is_asked_for_another_test_ends_again() -> None:
    tune = Tune()
    tune.has(Ended(JOBS[0].key))
    tune.trial.trial_id = "2"
    tune.starts()
    tune.has(Ended(JOBS[0].key))
    assert tune.heard() == [Ended(JOBS[0].key), Started(PACK), Ended(JOBS[0].key)]


def test_a_pack_that_gets_further_may_lose_its_workers_any_number_of_times() -> None:
    tune = Tune()
    failures = tune.trial.run_metadata
    failures.num_failures = 2
    tune.has(progressed(4))
    assert failures.num_failures == 0
    failures.num_failures = 2
    tune.has(progressed(2)), tune.has(progressed(4))
    assert failures.num_failures == 2, "it is where it was before"
    tune.has(progressed(6))
    assert failures.num_failures == 0


LOST = Failure("its worker was lost again and again without getting further", permanent=False)
FULL = Failure("its worker was killed: the node's memory was full")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ("ray.exceptions.ActorDiedError", LOST),
        ("Task was killed due to the node running low on memory.", FULL),
        ("", LOST),
    ],
)
def test_what_tune_has_given_up_is_the_failure_of_every_job(error: str, failure: Failure) -> None:
    tune = Tune(error)
    tune.gives_up()
    assert tune.heard() == [Ended(job.key, failure) for job in JOBS]
    assert failure.permanent == ("memory" in error), "another run may mend a lost node, and not a full memory"


def test_tunes_own_files_hold_nothing_of_the_driver() -> None:
    exchange = Exchange()  # it holds a lock, which can't be pickled
    for one in (Queue(exchange), Stop(exchange), Report(exchange)):
        assert type(pickle.loads(pickle.dumps(one))) is object

"""What Tune asks and tells, as it reaches the driver; a worker that has to leave saves what it was computing."""

import itertools
import os
import pickle
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.search import Searcher
from small import SMALL, search_of

from studies.nodes import tuning
from studies.nodes.exchange import Exchange
from studies.nodes.tuning import Queue, Report, Stop
from studies.store.store import Store
from studies.work.jobs import Ended, Event, Failure, Pack, Progressed, References, Search, Started
from studies.work.learning import compute_pack
from studies.work.place import Place, fingerprints

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


# A worker, without Ray.

C = SMALL.with_values(search_iterations=9, report_iterations=3, lambda1=0.0, lambda2=0.0)


class PlacedWorker(tuning.PackWorker):
    """A worker that has its place from where a test can put it."""

    def setup(self, config: dict[str, Any], place: Place | None = None) -> None:
        super().setup(config, config["place"])


@pytest.fixture(scope="module")
def job() -> Search:
    return search_of(C, fingerprints(C, None))


def placed(job: Search, storage: Path) -> PlacedWorker:
    """A worker without Ray."""
    return PlacedWorker({"pack": Pack((job,)), "place": Place(str(storage), None, checkpoint_seconds=600)})


def begun(job: Search, storage: Path) -> PlacedWorker:
    """A worker that has told something."""
    made = placed(job, storage)
    (told,) = made.step()["events"]
    assert told.iteration == 3
    return made


def whole(job: Search, storage: Path) -> object:
    """What a search finds, gone on with where it was left."""
    list(compute_pack(Pack((job,)), Place(str(storage), None)))
    store = Store(str(storage))
    assert not store.checkpoints("search", job.key)
    found = store.result("search", job.key)
    assert found is not None
    return found["architecture"], found["alpha"], store.read(f"stages/search/{job.key}/supernet.pt")


def told(worker: PlacedWorker) -> list[list[Event]]:
    """What a worker tells until it is done, step by step."""
    found, is_done = [], False
    while not is_done:
        result = worker.step()
        found.append(result["events"])
        is_done = result["done"]
    return found


def test_a_worker_tells_all_of_its_pack_and_is_done_with_its_end(job: Search, tmp_path: Path) -> None:
    *steps, last = told(placed(job, tmp_path))
    assert [event.iteration for event in itertools.chain(*steps, last) if isinstance(event, Progressed)] == [3, 6, 9]
    assert last[-1] == Ended(job.key)
    assert Ended(job.key) not in itertools.chain(*steps)


def test_a_worker_takes_another_pack_in_the_same_process(job: Search, tmp_path: Path) -> None:
    made = begun(job, tmp_path)
    other = search_of(C.with_values(seed=1), job.data)
    assert made.reset_config({**made.config, "pack": Pack((other,))})
    assert told(made)[-1][-1] == Ended(other.key)


def test_a_pack_asks_for_the_threads_and_the_share_of_its_configuration() -> None:
    pack = Pack((search_of(C.with_values(threads=2)), search_of(C.with_values(threads=2, seed=1))), 2)
    for gpus, bundle in ((0.0, {"CPU": 2}), (0.5, {"CPU": 2, "GPU": 0.5})):
        asked = tuning.PackWorker.default_resource_request({"pack": pack, "gpus": gpus})
        assert asked.bundles == [bundle]


def test_a_worker_that_is_stopped_saves(job: Search, tmp_path: Path) -> None:
    begun(job, tmp_path / "left").stop()
    assert Store(str(tmp_path / "left")).saved_iteration("search", job.key) == 3
    assert whole(job, tmp_path / "left") == whole(job, tmp_path / "whole")


def sigterm(*_: object) -> bool:
    """Sends this process SIGTERM, while something else is asked, which is false."""
    os.kill(os.getpid(), signal.SIGTERM)
    return False


def test_a_worker_that_is_sent_sigterm_saves_within_an_iteration(job: Search, tmp_path: Path) -> None:
    made = begun(job, tmp_path / "left")
    made._events.close()
    made._events = compute_pack(made.config["pack"], made._place, lambda: sigterm() or made._has_to_leave())
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        made.step()
    assert signal.getsignal(signal.SIGTERM) == before
    assert Store(str(tmp_path / "left")).saved_iteration("search", job.key) == 4
    assert whole(job, tmp_path / "left") == whole(job, tmp_path / "whole")


def test_a_signal_that_comes_while_it_is_asked_whether_the_node_is_drained_is_not_lost(
    job: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = begun(job, tmp_path)
    monkeypatch.setattr(tuning, "_DRAINING_SECONDS", 0.0)
    monkeypatch.setattr(tuning, "_node_is_drained", sigterm)
    with pytest.raises(SystemExit):
        made.step()


@pytest.mark.parametrize("report_iterations", [3, 1])
def test_a_drained_node_is_left_within_an_iteration(
    report_iterations: int, job: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "_DRAINING_SECONDS", 0.0)
    monkeypatch.setattr(tuning, "_node_is_drained", lambda: True)
    made = placed(search_of(C.with_values(report_iterations=report_iterations), job.data), tmp_path)
    with pytest.raises(SystemExit):
        made.step()
    (saved,) = (tmp_path / "stages/search").glob("*/checkpoint-*")
    assert saved.name == "checkpoint-000000001"


def test_an_isolated_worker_that_runs_on_beside_its_replacement_changes_no_bit(job: Search, tmp_path: Path) -> None:
    """Both write checkpoints and the result under the same names, in turns, the replacement three iterations behind."""
    place = Place(str(tmp_path / "both"), None, checkpoint_seconds=0)
    isolated = compute_pack(Pack((job,)), place)
    told = [*next(isolated)]
    Store(place.storage).forget_checkpoints("search", job.key, after=0)
    replacement = compute_pack(Pack((job,)), place)
    told += in_turns(isolated, replacement)
    assert [event for event in told if isinstance(event, Ended)] == [Ended(job.key)] * 2
    assert Store(place.storage).names(f"stages/search/{job.key}") == ["curve.parquet", "result.json", "supernet.pt"]
    assert whole(job, tmp_path / "both") == whole(job, tmp_path / "whole")


def in_turns(*packs: Iterator[list[Any]]) -> list[Any]:
    """What several packs tell, a step of each after another."""
    return [event for step in itertools.zip_longest(*packs, fillvalue=[]) for events in step for event in events]


@pytest.mark.parametrize(("share", "gpus"), [(0.0, []), (0.25, [0.25]), (1.0, [1.0])])
def test_what_computes_on_a_gpu_takes_its_share_and_references_take_none(
    job: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, gpus: list[float]
) -> None:
    taken: list[float] = []
    monkeypatch.setattr(tuning, "take_memory", taken.append)
    reference = References("r", C, job.data)
    for one in (job, reference):
        config = {"pack": Pack((one,)), "gpus": share, "place": Place(str(tmp_path), None)}
        (asked,) = tuning.PackWorker.default_resource_request(config).bundles
        assert asked == {"CPU": 1.0, **({"GPU": share} if gpus and one is job else {})}
        PlacedWorker(config)
    assert taken == gpus, "the memory is there before anything is built in it"

"""A worker that has to leave saves what it was computing; another goes on from there."""

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small import SMALL, search_of

from studies.nodes import worker
from studies.store.store import Store
from studies.work.jobs import Ended, Pack, Progressed, References, Search
from studies.work.learning import compute_pack
from studies.work.place import Place, fingerprints

C = SMALL.with_values(search_iterations=9, report_iterations=3, lambda1=0.0, lambda2=0.0)


class PlacedWorker(worker.PackWorker):
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


def test_a_worker_tells_all_of_its_pack_and_is_done(job: Search, tmp_path: Path) -> None:
    made = placed(job, tmp_path)
    told = [event for result in iter(made.step, {"done": True}) for event in result["events"]]
    assert [event.iteration for event in told if isinstance(event, Progressed)] == [3, 6, 9]
    assert told[-1] == Ended(job.key)


def test_a_worker_takes_another_pack_in_the_same_process(job: Search, tmp_path: Path) -> None:
    made = begun(job, tmp_path)
    other = search_of(C.with_values(seed=1), job.data)
    assert made.reset_config({**made.config, "pack": Pack((other,))})
    told = [event for result in iter(made.step, {"done": True}) for event in result["events"]]
    assert told[-1] == Ended(other.key)


def test_a_pack_asks_for_the_threads_and_the_share_of_its_configuration() -> None:
    pack = Pack((search_of(C.with_values(threads=2)),))
    for gpus, bundle in ((0.0, {"CPU": 2}), (0.5, {"CPU": 2, "GPU": 0.5})):
        asked = worker.PackWorker.default_resource_request({"pack": pack, "gpus": gpus})
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
    monkeypatch.setattr(worker, "_DRAINING_SECONDS", 0.0)
    monkeypatch.setattr(worker, "_node_is_drained", sigterm)
    with pytest.raises(SystemExit):
        made.step()


@pytest.mark.parametrize("report_iterations", [3, 1])
def test_a_drained_node_is_left_within_an_iteration(
    report_iterations: int, job: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_DRAINING_SECONDS", 0.0)
    monkeypatch.setattr(worker, "_node_is_drained", lambda: True)
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
    monkeypatch.setattr(worker, "take_memory", taken.append)
    reference = References("r", C, job.data)
    for one in (job, reference):
        config = {"pack": Pack((one,)), "gpus": share, "place": Place(str(tmp_path), None)}
        (asked,) = worker.PackWorker.default_resource_request(config).bundles
        assert asked == {"CPU": 1.0, **({"GPU": share} if gpus and one is job else {})}
        PlacedWorker(config)
    assert taken == gpus, "the memory is there before anything is built in it"

"""Packs and testing times on a real Ray of this machine: what is asked is computed, and what is left is stopped."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from disturbing import below, workers
from ray.util import placement_group_table
from running import wait_for
from small import SMALL, search_of, train_of

from studies.nodes import scheduling, tuning
from studies.nodes.connection import ClusterError, connect
from studies.nodes.scheduling import Cluster, alive
from studies.store.store import Store
from studies.work.jobs import Ended, Failure, Pack, Progressed, Search, Started
from studies.work.keys import Fingerprints, Trial
from studies.work.learning import compute_pack
from studies.work.place import Place, fingerprints

LONG = SMALL.with_values(search_iterations=4000)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A Ray of this machine."""
    with connect(None):
        yield Cluster()


@pytest.fixture(scope="module")
def data() -> Fingerprints:
    return fingerprints(SMALL, None)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(str(tmp_path), None, checkpoint_seconds=0)


def test_packs_are_computed_and_told_of_and_workers_are_kept_for_more(
    cluster: Cluster, data: Fingerprints, place: Place
) -> None:
    search, before = search_of(SMALL, data), len(placement_group_table())
    with cluster.workers(place) as exchange:
        exchange.submit([Pack((search,))])
        events = [exchange.heard(60) for _ in range(6)]
        assert events[0] == Started(Pack((search,)))
        assert [event.iteration for event in events if isinstance(event, Progressed)] == [2, 4, 6, 8]
        assert events[-1] == Ended(search.key)
        found = (Store(place.storage).result("search", search.key) or {})["architecture"]
        train = train_of(SMALL, found, data)
        exchange.submit([Pack((train,))])
        told = list(iter(lambda: exchange.heard(60), Ended(train.key)))
        assert [type(event) for event in told] == [Started] + [Progressed] * 4
    assert len(placement_group_table()) == before + 1, "the second pack asked for no room of its own"
    assert list(Path(place.storage).glob("ray/*")) == [], "Tune's own files are gone"
    lost, trial = (Trial(SMALL.with_values(seed=seed), data) for seed in (9, 0))
    (none, error), (key, _) = cluster.time_networks([(lost, found), (trial, found)], place)
    assert none is None
    assert error.startswith("FileNotFoundError: stages/train/"), "a network that is not there"
    assert Store(place.storage).result("time", key) is not None


def test_a_job_that_fails_is_an_event_and_no_lost_worker(cluster: Cluster, data: Fingerprints, place: Place) -> None:
    wild = Search("wild", SMALL.with_values(lambda1=1e39), data)
    with cluster.workers(place) as exchange:
        exchange.submit([Pack((wild,))])
        told = []
        while not isinstance(event := exchange.heard(60), Ended):
            told.append(event)
        assert sum(isinstance(one, Started) for one in told) == 1
        assert event.failure == Failure("search diverged: weights are not finite by iteration 3")


def test_what_is_under_way_is_saved_when_it_is_not_wanted_any_more(
    cluster: Cluster, data: Fingerprints, tmp_path: Path
) -> None:
    job = search_of(LONG, data)
    with cluster.workers(Place(str(tmp_path), None, checkpoint_seconds=600)) as exchange:
        exchange.submit([Pack((job,))])
        while not isinstance(exchange.heard(60), Progressed):
            pass
        left = time.monotonic()
    assert time.monotonic() - left < 30
    assert Store(str(tmp_path)).saved_iteration("search", job.key) > 0


def test_times_are_taken_where_a_trial_has_room(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    (own,) = alive()
    own["Resources"].pop("CPU")  # as Ray says of a head that was started with --num-cpus=0
    others = [own | {"NodeID": f"{n}", "NodeName": f"host{n}", "Resources": {"CPU": float(n)}} for n in (3, 2, 1)]
    monkeypatch.setattr(scheduling, "alive", lambda: [own, *others])
    assert cluster.timing_node(2) == others[1]
    own["Resources"]["CPU"] = 2.0
    assert cluster.timing_node(2) == own


def test_a_process_that_is_killed_while_it_takes_times_costs_times_alone(
    cluster: Cluster, data: Fingerprints, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "MAX_FAILURES", 0)
    slow = SMALL.with_values(time_series=10_000, time_calls=1000)
    list(compute_pack(Pack((train_of(slow, "FPFP-FPFF-PFFP", data),)), place))
    timed = [(Trial(slow.with_values(lambda1=n / 10), data), "FPFP-FPFF-PFFP") for n in range(4)]
    killed = set()

    def kill() -> None:
        while len(killed) < 2:
            for number, text in below(os.getpid()).items():
                if "_time_networks" in text and number not in killed:
                    killed.add(number)
                    os.kill(number, signal.SIGKILL)
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    times = list(cluster.time_networks(timed, place))
    killer.join(30)
    assert [key for key, _ in times] == [None] * 4
    assert all("the process that takes testing times was lost" in (why or "") for _, why in times)
    assert len(killed) == 2, "the last two are not tried"


@pytest.mark.drill
def test_a_pack_that_gets_further_may_lose_its_worker_again_and_again(
    cluster: Cluster, data: Fingerprints, place: Place
) -> None:
    job, lost, furthest = search_of(LONG, data), 0, 0
    with cluster.workers(place) as exchange:
        exchange.submit([Pack((job,))])
        while lost < tuning.MAX_FAILURES + 2:
            event = exchange.heard(60)
            assert event is not None
            assert not isinstance(event, Ended)
            if isinstance(event, Progressed) and event.iteration > furthest:
                furthest, lost = event.iteration, lost + 1
                wait_for(lambda: workers(os.getpid()))
                os.kill(workers(os.getpid())[0], signal.SIGKILL)


def test_slots_are_those_of_the_nodes_and_no_more_than_is_asked(cluster: Cluster) -> None:
    (node,) = alive()
    cpus = int(node["Resources"]["CPU"])
    assert cluster.slots(1) == cpus
    assert Cluster(concurrent=1).slots(1) == 1
    assert cluster.nodes() == [node["Resources"]]
    assert cluster.timing_node(1) == node
    cluster.check_request(1)
    with pytest.raises(ClusterError, match="--set threads: a trial asks for 512 CPU"):
        cluster.check_request(512)
    with pytest.raises(ClusterError, match="--gpus-per-trial"):
        Cluster(gpus_per_trial=1.0).check_request(1)
    assert ray.is_initialized()


def test_a_ray_without_tune_is_told_and_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.tune", None)
    monkeypatch.delattr(ray, "tune", raising=False)
    told = r"Ray Tune can't be loaded \(.*\); `pip install -c constraints.txt -e .` installs"
    with Cluster().workers(Place(str(tmp_path), None)) as exchange, pytest.raises(ClusterError, match=told):
        exchange.heard(60)

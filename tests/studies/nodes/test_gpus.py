"""Where Ray puts packs and times on two GPUs: logical ones of this machine, on which tasks pretend to compute."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import ray
from in_process import session_of
from ray import cloudpickle
from running import wait_for
from small import ASSIGNED, SMALL, search_of

from clearer.configuration import Configuration
from studies.driver import rounds
from studies.driver import session as session_module
from studies.driver.study import Study
from studies.nodes import scheduling, tuning
from studies.nodes.connection import connect
from studies.nodes.scheduling import Cluster
from studies.store.study_file import read_study
from studies.work.jobs import Ended, Event, Job, Pack, References
from studies.work.place import Place

SECONDS = 0.3


class Task(NamedTuple):
    """What ran: its GPUs, its process, and when."""

    name: str
    gpus: tuple[str, ...]
    process: int
    started: float
    ended: float


def pretend(name: str, folder: str, at_once: int = 1) -> None:
    """Computes until so many have begun, and a while longer; leaves a note of where and when."""
    gpus = tuple(ray.get_runtime_context().get_accelerator_ids()["GPU"])
    started = time.time()
    Path(folder, f"{name}.begun").touch()
    while len(list(Path(folder).glob("*.begun"))) < at_once and time.time() < started + 180:
        time.sleep(0.05)
    time.sleep(SECONDS)
    task = Task(name, gpus, os.getpid(), started, time.time())
    Path(folder, f"{name}.task").write_text(repr(tuple(task)))


def pretended_pack(pack: Pack, place: Place, leave: object) -> Iterator[list[Event]]:
    """A pack that pretends."""
    pretend(pack.jobs[0].key, place.storage, round(place.checkpoint_seconds))
    yield [Ended(job.key) for job in pack.jobs]


def pretended_times(names: list[str], folder: str) -> Iterator[str]:
    """Times that pretend."""
    for name in names:
        pretend(name, folder)
        yield name


class PretendingWorker(tuning.PackWorker):
    """A worker whose packs pretend."""

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        super().reset_config(new_config)
        self._events = pretended_pack(new_config["pack"], self._place, None)
        return True


@pytest.fixture(scope="module", autouse=True)
def two_gpus() -> Iterator[None]:
    """A Ray of this machine that says it has eight CPUs and two GPUs."""
    start = ray.init
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no worker can import a test
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "init", lambda *a, **more: start(*a, **{**more, "num_cpus": 8, "num_gpus": 2}))
        with connect(None):
            yield


def searches(count: int) -> list[Job]:
    """Jobs that take a GPU, named 0, 1, …"""
    return [search_of(SMALL.with_values(seed=seed)) for seed in range(count)]


def ran(
    cluster: Cluster, jobs: list[Job], at_once: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Task]:
    """What ran where, by the keys of jobs of which each is a pack, if so many can run at once."""
    monkeypatch.setattr(tuning, "PackWorker", PretendingWorker)
    with cluster.workers(Place(str(folder), None, cluster.gpus_per_trial, at_once)) as exchange:
        exchange.submit(Pack((job,)) for job in jobs)
        left = {job.key for job in jobs}
        while left:
            event = exchange.heard(240)
            assert event is not None
            left -= {event.key} if isinstance(event, Ended) else set()
    return {job.key: task(folder, job.key) for job in jobs}


def task(folder: Path, name: str) -> Task:
    """What was noted of a task."""
    return Task(*eval(Path(folder, f"{name}.task").read_text()))


def at_once(tasks: list[Task], moment: float) -> list[Task]:
    """Those that ran at a moment."""
    return [one for one in tasks if one.started <= moment < one.ended]


def test_packs_fill_the_gpus_while_references_run_on_cpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = References("reference", SMALL, searches(1)[0].data)
    cluster = Cluster(gpus_per_trial=1.0)
    found = ran(cluster, [*searches(2), reference], 3, tmp_path, monkeypatch)
    assert max(one.started for one in found.values()) < min(one.ended for one in found.values()), "all at once"
    assert found.pop("reference").gpus == ()
    assert sorted(one.gpus for one in found.values()) == [("0",), ("1",)]
    assert cluster.slots(1) == 2
    assert len({one.process for one in found.values()}) == 2


def test_shares_never_add_up_to_more_than_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(gpus_per_trial=0.5)
    found = list(ran(cluster, searches(6), 4, tmp_path, monkeypatch).values())
    most = 0
    for one in found:
        beside = [other.gpus for other in at_once(found, one.started)]
        assert all(beside.count(gpus) <= 2 for gpus in beside)
        most = max(most, len(beside))
    assert most == cluster.slots(1) == 4
    assert {one.gpus for one in found} == {("0",), ("1",)}


def test_times_are_taken_on_a_whole_gpu_by_a_process_that_gives_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @ray.remote(num_gpus=1)
    class Neighbour:
        """A trial of another study."""

        def begin(self) -> None:
            pass

    monkeypatch.setattr(scheduling, "_WAIT_SECONDS", 0.5)
    neighbours: list[Any] = [Neighbour.remote() for _ in range(2)]
    ray.get([neighbour.begin.remote() for neighbour in neighbours])
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        monkeypatch.setattr(scheduling, "_WAIT_SECONDS", 30)
        ray.kill(neighbours.pop())

    cluster = Cluster(gpus_per_trial=0.25)
    for names in (["a", "b"], ["c"]):
        assert list(cluster._alone(pretended_times, 1, "", say, names, str(tmp_path))) == names
    assert len(said) == 1
    assert said[0].startswith("waiting for a GPU of ")
    first, second, third = (task(tmp_path, name) for name in "abc")
    assert all(len(one.gpus) == 1 for one in (first, second, third))
    assert first.process == second.process != third.process
    wait_for(lambda: not any(os.path.exists(f"/proc/{one.process}") for one in (first, third)))


def pretended_modules(c: Configuration, store: str, device: str, keep: bool) -> tuple[float, ...]:
    """Module times that pretend."""
    pretend(f"{c.cells}-{device}-{keep}", store)
    return 1.0, 2.0


def test_module_times_are_taken_on_a_whole_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver, which asks before any trial is known, may have none."""
    monkeypatch.setattr(scheduling, "module_times", pretended_modules)
    assert Cluster(gpus_per_trial=0.25).module_times(SMALL, str(tmp_path), True, "", print) == (1.0, 2.0)
    found = task(tmp_path, f"{SMALL.cells}-cuda-True")
    assert len(found.gpus) == 1
    assert found.process != os.getpid()


class OnCpus(Place):
    """A place whose trials take a GPU of Ray and compute on a CPU."""

    @property
    def device(self) -> str:
        return "cpu"


def test_a_study_takes_gpus_of_ray_and_keeps_for_how_many_its_packs_were_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.report.report.write_report", lambda results: [])
    monkeypatch.setattr(session_module, "check_gpus", lambda console: [40 << 30, 80 << 30])
    monkeypatch.setattr(session_module, "this_machine", lambda with_gpus: [{"CPU": 8.0, "GPU": 2.0}])
    session = session_of(tmp_path, assigned=ASSIGNED, gpus_per_trial=1.0)
    session.cluster = Cluster(1.0)
    session.place = OnCpus(str(tmp_path), None, 1.0)
    study = Study(name="s", axes={"quick": {"lambda1": [0.0, 0.5]}}, random={"quick": 0}, ends=False)
    with session:
        outcome = rounds.run(study, session, rounds.first_round(study, session))
    assert outcome.unfinished == []
    rows = outcome.results(session).frame
    assert rows["error"].isna().all(), rows["error"].tolist()
    assert rows["search_pack"].tolist() == [1, 1], "two searches have a GPU each"
    assert rows["gpu_seconds"].tolist() == (rows["search_seconds"] + rows["train_seconds"]).tolist()
    assert rows["test_time_ms"].notna().all()
    assert rows["energy_wh"].isna().all(), "of no GPU, none is known"
    (about,) = read_study(session.store, "s")["runs"]
    assert about["packing"] == {"asked": None, "gpus": 1.0, "slots": 2, "gpu_bytes": 40 << 30}


def node(name: str, **resources: float) -> dict[str, Any]:
    """What Ray says of a node."""
    about = {"NodeID": f"id of {name}", "NodeName": name, "NodeManagerAddress": "", "NodeManagerHostname": name}
    return {**about, "Alive": True, "Resources": resources}


def test_times_are_taken_on_the_device_that_has_taken_others(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [node("d", CPU=8, GPU=4), node("c", CPU=8, GPU=1), node("b", CPU=64), node("a", CPU=8, GPU=0.5)]
    monkeypatch.setattr(scheduling, "alive", lambda: nodes)
    devices = {"d": "A100", "c": "T4", "b": "", "a": "T4"}

    def chosen(device: str = "", threads: int = 1, **asked: Any) -> str:
        found = Cluster(0.5, devices=devices, **asked).timing_node(threads, device)
        return found["NodeName"] if found else "one that is started"

    assert chosen() == "c", "by its name, and not by an id that is another after a restart"
    assert [chosen("A100"), chosen("T4")] == ["d", "c"]
    assert chosen("A100", time_on="c") == "c"
    with pytest.raises(scheduling.ClusterError, match=r"times are of H100, which no node has now; .* --time-on"):
        chosen("H100")
    with pytest.raises(scheduling.ClusterError, match="--time-on a: the node is gone, or can't hold"):
        chosen(time_on="a")
    assert chosen(threads=16) == "one that is started"
    with pytest.raises(scheduling.ClusterError, match=r"--time-on f: no such node"):
        Cluster(0.5, time_on="f").check_request(1)


def test_nodes_of_several_shapes_hold_what_each_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [node("a", CPU=8, GPU=4), node("b", CPU=2, GPU=4), node("c", CPU=64)]
    monkeypatch.setattr(scheduling, "alive", lambda: nodes)
    assert Cluster(1.0).slots(1) == 4 + 2
    assert Cluster(0.5).slots(1) == 8 + 2
    assert Cluster(0.3).slots(2) == 4 + 1
    assert Cluster(1.0, concurrent=3).slots(1) == 3
    with pytest.raises(scheduling.ClusterError, match="no node of the cluster has both"):
        Cluster(1.0).check_request(16)


def test_nodes_that_an_autoscaler_will_start_are_waited_for_where_that_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduling, "alive", lambda: [node("head", CPU=4)])
    with pytest.raises(scheduling.ClusterError, match="--slots N"):
        Cluster(1.0).check_request(1)
    cluster = Cluster(1.0, will_hold=4)
    cluster.check_request(1)
    assert cluster.slots(1) == 4
    assert cluster.timing_node(1) is None

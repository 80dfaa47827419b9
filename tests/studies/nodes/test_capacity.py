"""What nodes hold, and what a request asks for that none has."""

import pytest
import ray

from studies.nodes.capacity import Request, this_machine


def test_every_resource_that_is_missing_is_named_with_its_mend() -> None:
    nodes = [{"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}]
    both = Request(threads=8, gpus=1).problems([{"CPU": 4.0}, {"CPU": 2.0, "GPU": 0.5}])
    assert [line.split(":")[0] for line in both] == ["--set threads", "--gpus-per-trial"]
    assert "ask for 4 or less" in both[0]
    assert "ask for 0.5 or less" in both[1]
    apart = Request(threads=4, gpus=1).problems(nodes)
    assert len(apart) == 1
    assert "no node of the cluster has both" in apart[0]
    assert Request(threads=2, gpus=1).problems(nodes) == []
    (none,) = Request(threads=1, gpus=1).problems([{"CPU": 4.0}])
    assert "add a node with a GPU that CUDA or ROCm knows" in none, "Apple's are not supported"
    assert "say by --slots N how many trials they will hold" in none
    assert "start a node" in Request(threads=1, gpus=0).problems([])[0]


@pytest.mark.parametrize(
    ("threads", "gpus", "slots"), [(1, 0, 10), (3, 0, 2), (1, 0.5, 4), (1, 0.6, 2), (1, 0.2, 8), (1, 1, 2), (8, 0, 1)]
)
def test_slots_are_those_that_ray_would_place(threads: int, gpus: float, slots: int) -> None:
    assert Request(threads, gpus).slots([{"CPU": 8.0, "GPU": 2.0}, {"CPU": 2.0}]) == slots


def test_a_request_names_what_it_takes_of_ray() -> None:
    assert Request(2, 0).resources == {"CPU": 2.0}
    assert Request(1, 0.5).resources == {"CPU": 1.0, "GPU": 0.5}


def test_this_machine_is_known_without_starting_ray() -> None:
    (node,), (with_gpus,) = this_machine(False), this_machine(True)
    assert node["CPU"] >= 1
    assert set(node) == {"CPU"}
    assert with_gpus == node | {"GPU": with_gpus["GPU"]}
    assert not ray.is_initialized()

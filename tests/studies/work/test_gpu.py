"""A share of a GPU's memory, without a GPU."""

import sys
from types import SimpleNamespace

import pytest
import torch

from studies.work import gpu

GB = 10**9


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The free bytes that a GPU of 80 GB tells, one after another; the last one again and again."""
    told = [80 * GB]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (told.pop(0) if len(told) > 1 else told[0], 80 * GB))
    return told


@pytest.mark.parametrize(("share", "fractions"), [(1.0, []), (0.25, [0.25])])
def test_a_process_has_no_more_than_its_share(
    monkeypatch: pytest.MonkeyPatch, free: list[int], share: float, fractions: list[float]
) -> None:
    found: list[float] = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", found.append)
    gpu.take_memory(share)
    assert found == fractions


def test_memory_that_a_process_which_ends_still_has_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, free: list[int]
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(gpu.time, "sleep", slept.append)
    free[:] = [10 * GB, 20 * GB, 70 * GB]
    gpu.take_memory(1.0)
    assert len(slept) == 2


def test_no_memory_is_waited_for_without_end(monkeypatch: pytest.MonkeyPatch, free: list[int]) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(gpu.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(gpu.time, "monotonic", lambda: next(clock))
    free[:] = [10 * GB]
    gpu.take_memory(1.0)
    assert next(clock) > gpu.WAIT_SECONDS


def test_what_this_process_has_itself_is_not_another_s(monkeypatch: pytest.MonkeyPatch, free: list[int]) -> None:
    free[:] = [10 * GB]
    assert not gpu.is_free(0.5)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 30 * GB)
    assert gpu.is_free(0.5)


def test_without_a_gpu_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delattr(torch.cuda, "mem_get_info")
    gpu.take_memory(0.5)
    assert gpu.is_free(0.5)


def test_a_run_has_its_part_of_the_energy_by_the_mean_power(monkeypatch: pytest.MonkeyPatch) -> None:
    used = iter([100.0, 130.0, 130.0])
    monkeypatch.setattr(gpu, "watt_hours", lambda: next(used))
    energy = gpu.Energy(share=0.5, seconds=60.0)  # another process has computed for so long
    assert energy.of(seconds=80.0, until=120.0) == pytest.approx(0.5 * 30.0 * 80 / 60)
    assert energy.of(seconds=80.0, until=60.0) is None, "nothing was computed here"


def test_what_has_no_counter_has_no_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu.watt_hours() is None or torch.cuda.is_available()
    monkeypatch.setattr(gpu, "watt_hours", lambda: None)
    assert gpu.Energy(1.0, 0.0).of(10.0, 10.0) is None
    monkeypatch.setattr(gpu, "watt_hours", lambda: 1 / 0)
    assert gpu.Energy(0.0, 0.0).of(10.0, 10.0) is None, "of a CPU none is asked for"


def test_the_counter_is_read_of_the_gpu_that_this_process_has(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = {"GPU-ab-cd": 7_200_000}
    library = SimpleNamespace(nvmlInit=lambda: None, nvmlDeviceGetHandleByUUID=lambda uuid: uuid)
    library.nvmlDeviceGetTotalEnergyConsumption = counters.__getitem__
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid="ab-cd"))
    assert gpu.watt_hours() == 2.0

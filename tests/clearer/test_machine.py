"""How much of a machine a process may use."""

import ctypes
import functools
import os
import platform
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from clearer import machine

GB = 1 << 30


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of eight cores and cgroups in a folder, of which this process is in a/b of both versions."""
    own = tmp_path / "own"
    own.write_text("3:cpu,cpuacct:/a/b\n2:memory:/a/b\n0::/a/b\n")
    monkeypatch.setattr(machine, "_limits", functools.partial(machine._limits, root=tmp_path, own=own))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    return tmp_path


def put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_cores_are_those_of_the_affinity() -> None:
    usual = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(usual)})
        assert machine.cores() == 1
    finally:
        os.sched_setaffinity(0, usual)


@pytest.mark.parametrize(("folder", "text", "cores"), [
    ("", "max 100000", 8), ("", "400000 100000", 4), ("a", "250000 100000", 2), ("a/b", "50000 100000", 1),
    ("a/b", "1600000 100000", 8), ("a/c", "100000 100000", 8),
])  # fmt: skip
def test_a_quota_bounds_cores(groups: Path, folder: str, text: str, cores: int) -> None:
    put(groups / folder / "cpu.max", text)
    assert machine.cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("300000", 3)])
def test_a_quota_of_the_first_version_bounds_cores(groups: Path, quota: str, cores: int) -> None:
    put(groups / "cpu/a/cpu.cfs_quota_us", quota)
    put(groups / "cpu/a/cpu.cfs_period_us", "100000")
    assert machine.cores() == cores


def test_memory_is_the_least_of_the_machine_s_and_all_limits(groups: Path) -> None:
    whole = machine.memory_bytes()
    put(groups / "memory.max", "max")
    put(groups / "memory/a/b/memory.limit_in_bytes", "9223372036854771712")
    assert machine.memory_bytes() == whole > GB // 4
    put(groups / "memory/a/memory.limit_in_bytes", str(GB // 8))
    assert machine.memory_bytes() == GB // 8
    put(groups / "a/memory.max", str(GB // 16))
    assert machine.memory_bytes() == GB // 16


def test_a_machine_without_cgroups_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Path("/proc/no/such/file")
    monkeypatch.setattr(machine, "_limits", functools.partial(machine._limits, own=absent))
    assert machine.cores() == len(os.sched_getaffinity(0))


def test_the_device_is_named_with_its_threads() -> None:
    one, two = machine.device_name("cpu", 1), machine.device_name("cpu", 2)
    assert one.endswith(", 1 thread")
    assert two == one.removesuffix("1 thread") + "2 threads"
    assert machine.device_name("cpu").split(", ")[-1].split()[0] == str(torch.get_num_threads())


FAULTS = """
import resource, numpy
from clearer.machine import keep_freed_memory
if {kept}:
    keep_freed_memory()
for number in range(60):
    if number == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    images = [numpy.ones(300_000 + number * 100_000), numpy.ones(1_000_000)]
    del images
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps or gives back as it likes")
def test_freed_memory_is_kept() -> None:
    faults = [int(subprocess.check_output([sys.executable, "-c", FAULTS.format(kept=kept)])) for kept in (False, True)]
    assert faults[1] < faults[0] / 2


def test_another_c_library_keeps_what_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    for failure in (AttributeError("mallopt"), OSError("no such library"), TypeError("None is no name")):
        monkeypatch.setattr(ctypes, "CDLL", Mock(side_effect=failure))
        machine.keep_freed_memory()

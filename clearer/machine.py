"""This machine and what is installed on it; needs nothing but Python, and torch for a GPU's name."""

import contextlib
import ctypes
import os
import platform
import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path


def processor() -> str:
    """The name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def device_name(device: object, threads: int | None = None) -> str:
    """What runs on a device (`cpu`, `cuda` …): the GPU's name, or the processor's and the number of threads."""
    if threads is None or not str(device).startswith("cpu"):
        import torch

        if torch.device(str(device)).type == "cuda":
            return torch.cuda.get_device_name(str(device))
        threads = threads or torch.get_num_threads()
    return f"{processor()}, {threads} thread{'s' if threads > 1 else ''}"


def without_threads(device: str) -> str:
    """A name of `device_name` without its number of threads, which a GPU's does not have."""
    return re.sub(r", \d+ threads?$", "", device)


def cores() -> int:
    """How many cores this process may use at once: of its affinity (`taskset`, `srun`), of its cgroups (containers)."""
    free = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for words in _limits("cpu", "cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"):  # microseconds in so many
        if len(words) == 2 and words[0].isdigit():  # neither max nor -1
            free = min(free, int(words[0]) // int(words[1]))
    return max(1, free)


def memory_bytes() -> int:
    """How much memory this process and what it starts may use: of the machine, or less where its cgroups say so."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for words in _limits("memory", "memory.max", "memory.limit_in_bytes"):
        found = min([found, *(int(word) for word in words if word.isdigit())])
    return found


def _limits(
    controller: str, *names: str, root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> Iterator[list[str]]:
    """The words of files, named as v2 and v1 do, in this process's cgroup for a controller, and in each above it.

    A container may show the last alone.
    """
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        return
    for _, controllers, path in lines:
        if controllers == "" or controller in controllers.split(","):
            top, inner = root / controller if controllers else root, Path(path.lstrip("/"))
            for folder in (inner, *inner.parents):
                files = (top / folder / name for name in names)
                yield [word for file in files if file.is_file() for word in file.read_text().split()]


def keep_freed_memory(most: int = 2**30) -> None:
    """Lets this process keep blocks of `most` bytes that it frees; glibc gives larger ones back, to be zeroed again."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library has no mallopt
        for parameter in (-1, -3):  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
            ctypes.CDLL(None).mallopt(parameter, most)


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """The versions of Python and of those of some libraries that are installed."""
    found = {"python": platform.python_version()}
    for name in libraries:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found

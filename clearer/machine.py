"""This machine and what is installed on it; needs nothing but Python."""

import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path


def processor() -> str:
    """The name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """The versions of Python and of those of some libraries that are installed."""
    found = {"python": platform.python_version()}
    for name in libraries:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found

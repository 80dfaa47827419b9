"""Which code and which libraries made a result."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

_LIBRARIES = ("clearer-studies", "torch", "ray", "mlflow", "numpy", "pyarrow", "pandas", "scikit-image", "pillow")


@functools.cache
def commit() -> str | None:
    """The commit of the checkout that runs, with `+changes` where tracked files differ; None where it is not a checkout."""
    folder = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return found + ("+changes" if changed else "")


@functools.cache
def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """The machine of this process."""
    from clearer.timing import device_name

    return {"driver": platform.node(), "processor": device_name("cpu", 1).rsplit(",", 1)[0], "cores": os.cpu_count()}

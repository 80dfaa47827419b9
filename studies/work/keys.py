"""The keys of stages: hashes of exactly what determines a stage's result.

That is: the configuration's fields that name the stage, the pixels that it reads, the stage before it, and the version
of the method. What the store holds under a key is never computed again, whichever trial or study asks for it.
"""

import functools
import importlib.util
import runpy
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from clearer.architecture import Architecture
from clearer.configuration import Configuration, digest

METHOD = 3
"""The version of the method, raised when the same configuration would give other numbers."""
NORM_BATCHES = 20
"""From how many batches one-shot scores take batch norm's statistics."""


@dataclass(frozen=True)
class Fingerprints:
    """The hashes of the pixels that a configuration learns from and is tested on; `files` has those of files."""

    weights: str
    alpha: str
    test: str
    files: tuple[tuple[str, ...], ...] = field(default=((), (), ()), compare=False, repr=False)

    @property
    def learning(self) -> list[str]:
        """The pixels that a search and a training read."""
        return [self.weights, self.alpha]


def _key(stage: str, **about: Any) -> str:
    return digest({"stage": stage, "method": METHOD, **about})


def search_key(c: Configuration, data: Fingerprints) -> str:
    return _key("search", fields=c.of_stage("search"), data=data.learning)


def train_key(c: Configuration, architecture: Architecture | str, data: Fingerprints) -> str:
    return _key("train", fields=c.of_stage("train"), architecture=str(architecture), data=data.learning)


def tested_key(c: Configuration, train: str, data: Fingerprints) -> str:
    return _key("test", fields=c.of_stage("test"), train=train, data=data.test)


def reference_key(c: Configuration, data: Fingerprints) -> str:
    """The key of what methods without training score under a configuration's protocol."""
    fields, version = c.of_stage("test") | c.of_stage("reference"), {"scikit-image": _version("scikit-image")}
    return _key("reference", fields=fields, **version, data=[data.alpha, data.test])


def time_key(c: Configuration, architecture: Architecture | str, data: Fingerprints, device: str) -> str:
    """The key of the testing time of an architecture on a device: weights do not change it."""
    about = {"architecture": str(architecture), "device": device, "torch": _torch_version()}
    return _key("time", fields=c.of_stage("time"), **about, data=data.test)


def oneshot_key(c: Configuration, architectures: Sequence[str], data: Fingerprints) -> str:
    """The key of the one-shot scores of some architectures under the supernet of a search."""
    about = {"search": search_key(c, data), "architectures": sorted(architectures), "norm_batches": NORM_BATCHES}
    return _key("oneshot", fields=c.of_stage("test"), **about, data=data.test)


_version = functools.cache(metadata.version)


@functools.cache
def _torch_version() -> str:
    """Torch's version with its build, which the package's metadata lack; to import torch for it would take seconds."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("torch is not installed")
    return str(runpy.run_path(str(Path(spec.origin).with_name("version.py")))["__version__"])

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


@dataclass(frozen=True)
class Trial:
    """One configuration, from end to end, and the pixels that it reads. The keys of its stages follow from both."""

    configuration: Configuration
    data: Fingerprints

    @property
    def trial_id(self) -> str:
        return self.configuration.trial_id

    @functools.cached_property
    def search_key(self) -> str | None:
        """The key of its search; None where its architecture is given."""
        c = self.configuration
        return _key("search", fields=c.of_stage("search"), data=self.data.learning) if c.kind == "searched" else None

    def train_key(self, architecture: Architecture | str) -> str:
        """The key of its training, once its architecture is known."""
        fields = self.configuration.of_stage("train")
        return _key("train", fields=fields, architecture=str(architecture), data=self.data.learning)

    def tested_key(self, train: str) -> str:
        """The key of the test of what was trained."""
        return _key("test", fields=self.configuration.of_stage("test"), train=train, data=self.data.test)

    @functools.cached_property
    def reference_key(self) -> str:
        """The key of what methods without training score on its pixels, under its protocol."""
        fields = self.configuration.of_stage("test") | self.configuration.of_stage("reference")
        version = {"scikit-image": _version("scikit-image")}
        return _key("reference", fields=fields, **version, data=[self.data.alpha, self.data.test])

    def time_key(self, architecture: Architecture | str, device: str) -> str:
        """The key of the testing time of an architecture on a device: weights do not change it."""
        about = {"architecture": str(architecture), "device": device, "torch": torch_version()}
        return _key("time", fields=self.configuration.of_stage("time"), **about, data=self.data.test)

    def oneshot_key(self, architectures: Sequence[str]) -> str:
        """The key of the one-shot scores of some architectures under the supernet of its search."""
        about = {"search": self.search_key, "architectures": sorted(architectures), "norm_batches": NORM_BATCHES}
        return _key("oneshot", fields=self.configuration.of_stage("test"), **about, data=self.data.test)


_version = functools.cache(metadata.version)


@functools.cache
def torch_version() -> str:
    """Torch's version with its build, which the package's metadata lack; to import torch for it would take seconds."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("torch is not installed")
    return str(runpy.run_path(str(Path(spec.origin).with_name("version.py")))["__version__"])

"""Where a stage runs, and the images that it finds there."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearer.configuration import Configuration
from clearer.images.sets import ImageSet, fingerprint
from clearer.splits import learning_images, scored_images
from clearer.tasks import own
from studies.work.keys import Fingerprints
from studies.work.remote_images import is_remote, local_copy


@dataclass(frozen=True)
class Place:
    """Where a stage runs: what a worker needs besides the configuration."""

    storage: str
    data: str | None
    gpus: float = 0.0
    checkpoint_seconds: float = 60.0

    def __reduce__(self) -> tuple[Any, ...]:
        """On a node that it arrives at, tasks of one's own are known too."""
        return _arrived, (own.sources(), type(self), *dataclasses.astuple(self))

    @property
    def device(self) -> str:
        return "cuda" if self.gpus > 0 else "cpu"

    @property
    def folder(self) -> Path | None:
        """The data folder on this node; what `remote_images.pinned` has named is copied to it first."""
        if self.data is None:
            return None
        return local_copy(self.data) if is_remote(self.data) else Path(self.data)


def _arrived(sources: list[str], kind: type[Place], *values: Any) -> Place:
    for text in sources:
        own.load(text)
    return kind(*values)


def fingerprints(c: Configuration, folder: Path | None) -> Fingerprints:
    """The hashes of all images that a configuration uses. Raises ImageError: names the file or the folder."""
    sets = [*learning_sets(c, folder), scored_images(c, folder)]
    weights, alpha, test = map(fingerprint, sets)
    return Fingerprints(weights, alpha, test, tuple(images.contents for images in sets))


def learning_sets(c: Configuration, folder: Path | None) -> tuple[ImageSet, ImageSet]:
    """What the weights and what α learn from."""
    return learning_images(c, c.weights_split, folder), learning_images(c, c.alpha_split, folder)

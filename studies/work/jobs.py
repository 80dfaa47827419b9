"""What a study has computed: jobs, of which each belongs to one key in the store, and packs of jobs, which Ray places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clearer.configuration import Configuration, digest
from clearer.images.reading import ImageError
from studies.planning import halving
from studies.work.stages import Fingerprints

Event = dict[str, Any]
"""What a pack tells on its way, as plain data: `records` of curves by key, with what was `spent`; or who has `ended`, and its failure."""


@dataclass(frozen=True)
class Failure:
    """Why a job ended without its result, in one line. What is not `permanent` (disk, network) another run may mend."""

    reason: str
    permanent: bool = True


@dataclass(frozen=True)
class Job:
    """One search, one training with the tests of it (`tests` are (key, configuration)), the references of a protocol, or
    the one-shot scores of `architectures` under a search's supernet.

    `reduction` is η of successive halving among the trainings that have the same `rivals`; 0: the job runs to its end.
    """

    stage: str
    key: str
    configuration: Configuration
    data: Fingerprints
    architecture: str = ""
    tests: tuple[tuple[str, Configuration], ...] = ()
    reduction: int = 0
    architectures: tuple[str, ...] = ()

    @property
    def rungs(self) -> tuple[int, ...]:
        """The iterations at which the job may be stopped."""
        return halving.rungs(self.configuration.train_iterations, self.configuration.report_iterations, self.reduction)

    @property
    def rivals(self) -> str:
        """The same for trainings that differ in nothing but the architecture."""
        return digest([self.configuration.of_stage("train"), self.data.weights, self.data.alpha, self.reduction])

    @property
    def stages(self) -> list[tuple[str, str]]:
        """The stages that the job computes where they are missing, as (stage, key)."""
        return [(self.stage, self.key), *(("test", key) for key, _ in self.tests)]


@dataclass(frozen=True)
class Pack:
    """Jobs of one shape, which are computed as one network of `width` searches or trainings; any other job is alone."""

    jobs: tuple[Job, ...]
    width: int = 1

    @property
    def configuration(self) -> Configuration:
        """What all jobs of the pack have in common, as the first has it."""
        return self.jobs[0].configuration


def finished(job: Job, failure: Failure | None) -> Event:
    """That a job has ended."""
    return {"ended": {job.key: failure}}


def failure_of(error: Exception) -> Failure:
    """The failure that an exception of a job stands for."""
    detail = str(error).strip().splitlines()
    text = detail[0] if detail else "no detail"
    reason = text if isinstance(error, ImageError | ArithmeticError) else f"{type(error).__name__}: {text}"
    return Failure(reason, permanent=not isinstance(error, OSError))

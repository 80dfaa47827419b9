"""What a study has computed: jobs, of which each belongs to one key in the store, packs of them, and what they tell.

`Search` and `Train` learn, many as one network where they are in one pack (`studies.work.learning`).
`References` and `OneShot` are computed alone. What computes is imported where it is needed: to plan needs no torch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from clearer.architecture import Architecture
from clearer.configuration import Configuration, digest
from clearer.images.reading import ImageError
from clearer.images.sets import ImageSet
from clearer.tasks.known import task_of
from studies.work.keys import Fingerprints
from studies.work.place import Place

if TYPE_CHECKING:
    from clearer.runs import Member, Run
    from studies.work.stages import Found

Sets = tuple[ImageSet, ImageSet]
"""What the weights learn from, and what α learns from, which curves watch too."""


@dataclass(frozen=True)
class Failure:
    """Why a job ended without its result, in one line. What is not `permanent` (disk, network) another run may mend."""

    reason: str
    permanent: bool = True


@dataclass(frozen=True)
class Job:
    """One thing to compute. Others follow where `others_wait`; its failure is a trial's where it `is_a_trial_s`.

    One that takes no GPU (`on_gpu`) computes on a CPU in every study.
    """

    key: str
    configuration: Configuration
    data: Fingerprints
    stage: ClassVar[str] = ""
    others_wait: ClassVar[bool] = False
    is_a_trial_s: ClassVar[bool] = True
    on_gpu: ClassVar[bool] = True

    @property
    def stages(self) -> list[tuple[str, str]]:
        """The stages that the job computes where they are missing, as (stage, key)."""
        return [(self.stage, self.key)]

    @property
    def claims(self) -> set[str]:
        """What other studies are kept from meanwhile: all that it computes."""
        return {f"{stage}/{key}" for stage, key in self.stages}

    @property
    def text(self) -> str:
        """The job in a few words, where no trial names it."""
        return self.stage

    def compute(self, place: Place) -> None:
        """Computes what is missing of a job that does not learn, or that has learnt."""


class Learning(Job):
    """A job that learns. Those of one `shape` can be one pack, whose width goes by the `name`."""

    @cached_property
    def shape(self) -> str:
        """Jobs of equal shape can be computed as one network."""
        from clearer.packing import shape

        return shape(self.configuration, self.stage)

    @cached_property
    def name(self) -> str:
        """The same for jobs that differ in their images alone."""
        return digest(self.configuration.of_stage(self.stage))

    @property
    def operations(self) -> float:
        """About how many multiplications its steps take."""
        c, (steps, networks) = self.configuration, self._steps()
        a_pixel = sum(a.flops_per_pixel(c.channels, c.image_channels) for a in networks)
        return steps * c.batch_size * c.patch_size**2 * a_pixel

    _steps: Callable[[], tuple[int, list[Architecture]]]
    begin: Callable[[Sequence[Configuration], Sets, str, int], "Run"]
    """The run of the configurations of a pack of such jobs, on a device, in a pack of a width."""
    found: Callable[[Any, "Member"], "Found"]
    """What a member of a run has found at its end."""


@dataclass(frozen=True)
class Search(Learning):
    """The search of an architecture."""

    stage = "search"
    others_wait = True

    def _steps(self) -> tuple[int, list[Architecture]]:
        c = self.configuration
        both = [Architecture.repeating(letter, c.columns_by_cell) for letter in "PF"]
        return 2 * c.search_iterations - c.warmup_iterations, both

    def begin(self, members: Sequence[Configuration], sets: Sets, device: str, width: int) -> "Run":
        from clearer.search import Search as SearchRun

        return SearchRun(members, *sets, device, width)

    def found(self, run: Any, member: "Member") -> "Found":
        from clearer.checkpoint import pack_state

        found = {"architecture": str(run.architecture(member)), "alpha": run.alpha(member)[:, 1].tolist()}
        return found, {"supernet.pt": pack_state(run.weights_of(member))}


@dataclass(frozen=True)
class Train(Learning):
    """The training of an architecture, with the tests of it (`tests` are (key, configuration))."""

    architecture: str = ""
    tests: tuple[tuple[str, Configuration], ...] = ()
    stage = "train"

    @property
    def stages(self) -> list[tuple[str, str]]:
        return [(self.stage, self.key), *(("test", key) for key, _ in self.tests)]

    @cached_property
    def shape(self) -> str:
        return f"{super().shape} {self.architecture}"

    @cached_property
    def name(self) -> str:
        return digest([self.configuration.of_stage(self.stage), self.architecture])

    def _steps(self) -> tuple[int, list[Architecture]]:
        return self.configuration.train_iterations, [Architecture.parse(self.architecture)]

    def begin(self, members: Sequence[Configuration], sets: Sets, device: str, width: int) -> "Run":
        from clearer.training import Training

        return Training(members, Architecture.parse(self.architecture), *sets, device, width)

    def found(self, run: Any, member: "Member") -> "Found":
        from clearer.checkpoint import pack_network

        c = self.configuration
        network = pack_network(run.network_of(member), task=c.task, **task_of(c).values(c))
        return {"architecture": self.architecture}, {"network.safetensors": network}

    def compute(self, place: Place) -> None:
        from studies.work import stages

        for key, configuration in self.tests:
            stages.compute_test(configuration, key, self.key, self.data, place)


@dataclass(frozen=True)
class References(Job):
    """What methods without training score under a configuration's protocol."""

    stage = "reference"
    is_a_trial_s = on_gpu = False

    @property
    def text(self) -> str:
        return f"references on {self.configuration.test_set or self.configuration.dataset}"

    def compute(self, place: Place) -> None:
        from studies.work import stages

        stages.compute_references(self.configuration, self.key, place)


@dataclass(frozen=True)
class OneShot(Job):
    """The one-shot scores of `architectures` under a search's supernet."""

    architectures: tuple[str, ...] = ()
    stage = "oneshot"

    def compute(self, place: Place) -> None:
        from studies.work import stages

        stages.compute_oneshot(self.configuration, self.key, self.architectures, self.data, place)


@dataclass(frozen=True)
class Pack:
    """Jobs of one shape, which are computed as one network of `width` searches or trainings; any other job is alone."""

    jobs: tuple[Job, ...]
    width: int = 1


@dataclass(frozen=True)
class Started:
    """A worker has begun with a pack, or begins again."""

    pack: Pack


@dataclass(frozen=True)
class Progressed:
    """A row of a job's curve, and how far its pack is: `iteration` of `iterations`, after `seconds`."""

    key: str
    record: dict[str, Any]
    iterations: int
    seconds: float

    @property
    def iteration(self) -> int:
        return self.record["iteration"]


@dataclass(frozen=True)
class Ended:
    """A job has ended: its stages are in the store, unless there is a failure, which has the curve of what diverged."""

    key: str
    failure: Failure | None = None
    curve: tuple[dict[str, Any], ...] = ()


Event = Started | Progressed | Ended


def failure_of(error: Exception) -> Failure:
    """The failure that an exception of a job stands for."""
    detail = str(error).strip().splitlines()
    text = detail[0] if detail else "no detail"
    reason = text if isinstance(error, ImageError | ArithmeticError) else f"{type(error).__name__}: {text}"
    return Failure(reason, permanent=not isinstance(error, OSError))

"""A resumable optimisation: what a search and a training have in common.

A run is a pack of K members: searches, or trainings, of one shape that are computed as one network
(`clearer.packing`). K = 1 is the same code. The caller holds the loop:

* `for run in run.advance(every): …` iterates; stopping is leaving the loop;
* `state_dict()` of each member saves;
* `load_state_dicts()`, on a run built from the same configurations and images, resumes.

On the CPU 20 + 20 iterations equal 40, bit for bit: batches are functions of the iteration, and all
else that an iteration reads is in the state. A member's bits then depend on its own configuration and
on K, and on no other member.
"""

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor
from torch.optim import Optimizer

from clearer.configuration import Configuration
from clearer.crops import Crops
from clearer.graphs import Losses, StaticStep, set_rate
from clearer.images.sets import ImageSet
from clearer.networks import MultiScale
from clearer.packing import clip_gradients, full_width, joined, mean_square_error, packed, part, shape
from clearer.streams import torch_generator

Loss = Callable[[Tensor, Tensor], tuple[Tensor, Losses]]
"""Of a degraded and a clean batch: what is descended, (K,), and the losses that the curve records."""


class DivergedError(ArithmeticError):
    """A loss that is not finite; the message names the stage and the iteration."""


def cosine(iteration: int, iterations: int, epoch_iterations: int, start: float, end: float) -> float:
    """The cosine-annealed learning rate at `iteration` (from 0), which steps once an epoch."""
    epochs = max(1, iterations // epoch_iterations)
    epoch = min(iteration // epoch_iterations, epochs)
    return end + (start - end) * (1 + math.cos(math.pi * epoch / epochs)) / 2


@dataclass
class Member:
    """One of the searches or trainings of a pack, from its beginning to its end.

    `seconds` is its share of the pack's. `problem` is why it ended without a result.
    """

    configuration: Configuration
    place: int
    curve: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    problem: ArithmeticError | None = None
    has_ended: bool = False

    @property
    def iteration(self) -> int:
        """The last iteration of the curve."""
        return self.curve[-1]["iteration"] if self.curve else 0


class Run:
    """The members of a pack under optimisation, iteration by iteration.

    A subclass has a `stage`, adds its optimisers by `_learn`, and iterates in `_iterate`.

    A member's bits depend on the width, which is `full_width` of the one asked for. A pack with fewer
    configurations is filled up.
    """

    stage = ""

    def __init__(
        self,
        configurations: Sequence[Configuration],
        network: Callable[[Configuration], MultiScale],
        iterations: int,
        watched: ImageSet,
        device: torch.device | str,
        width: int | None,
    ):
        c, width = configurations[0], width or len(configurations)
        self.width = full_width(width, c.channels, c.precision)
        shapes, count = {shape(own, self.stage) for own in configurations}, len(configurations)
        if len(shapes) != 1 or count > min(width, self.width):
            raise ValueError(f"a pack of {width} does not hold these {count} configurations")
        self.members = [Member(c, place) for place, c in enumerate(configurations)]
        self.configuration, self.iterations, self.device = c, iterations, torch.device(device)
        self._filled = [*configurations, *[configurations[-1]] * (self.width - count)]
        networks = [network(own) for own in self._filled]
        for one, own in zip(networks, self._filled, strict=True):
            one.initialise(torch_generator(own.seed, f"{self.stage} weights"), own.initial_std)
        whole = packed(networks)
        self.network = whole.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizers: dict[str, Optimizer] = {}
        self.crops: dict[str, Crops] = {}
        self.steps: dict[str, StaticStep] = {}
        self.iteration = 0
        self._sums: dict[str, Tensor] = {}
        self._watched = Crops(watched, self._filled, f"{self.stage} watched crops", self.device).batch(0)

    def _learn(self, name: str, optimizer: Optimizer, crops: Crops, loss: Loss, clip: float | None) -> None:
        """Adds an optimiser, which `step(name)` steps from now on; `clip` is the largest norm of its gradient."""
        self.optimizers[name], self.crops[name] = optimizer, crops
        self.steps[name] = StaticStep(functools.partial(self._descend, optimizer, loss, clip), self.device)

    def advance(self, every: int | None = None) -> Iterator[Self]:
        """Iterates to the end, yielding itself every `every` iterations and whenever a member has ended.

        A curve has a row for each `report_iterations`, whatever `every` is.

        Raises:
            DivergedError: of no member was a loss finite since the last row of its curve.
        """
        report = self.configuration.report_iterations
        every = every or report
        while not self.ended:
            started = time.perf_counter()
            for name, values in self._iterate().items():
                if name not in self._sums:
                    self._sums[name] = torch.zeros(2, self.width, dtype=torch.double, device=self.device)
                total, count = self._sums[name]
                total += values
                count += 1
            self.iteration += 1
            under_way = [member for member in self.members if not member.has_ended]
            if self.iteration == self.iterations or self.iteration % report == 0:
                self._report(under_way)
            self._share(time.perf_counter() - started, under_way)
            if self.iteration % every == 0 or any(member.has_ended for member in under_way):
                yield self
            if all(member.problem for member in self.members):
                raise self.members[0].problem  # type: ignore[misc]

    @property
    def ended(self) -> bool:
        """Whether every member has ended."""
        return all(member.has_ended for member in self.members)

    def _iterate(self) -> Losses:
        """One iteration; the losses of it, (K,) each."""
        raise NotImplementedError

    def _has_settled(self, member: Member) -> bool:
        """A subclass's rule of early stopping: a function of the curve, hence unchanged by a resume."""
        return False

    def _record(self, member: Member) -> dict[str, Any]:
        """What a subclass adds to a row of the curve."""
        return {}

    def _report(self, under_way: Sequence[Member]) -> None:
        means = {name: (total / count).tolist() for name, (total, count) in self._sums.items()}
        self._sums = {}
        watched = self._watched_errors()
        for member in under_way:
            losses = {name: values[member.place] for name, values in means.items()}
            error = watched[member.place]
            member.problem = self._diverged(losses | {"the error on watched crops": error})
            if member.problem is None:
                row = {"iteration": self.iteration, "stage": self.stage, **losses}
                member.curve.append({**row, "psnr_db": -10 * math.log10(max(error, 1e-10)), **self._record(member)})
            ended = member.problem is not None or self.iteration >= self.iterations
            member.has_ended = ended or self._has_settled(member)

    def _diverged(self, losses: dict[str, float]) -> DivergedError | None:
        said = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
        return DivergedError(f"{self.stage} diverged: {said[0]} by iteration {self.iteration}") if said else None

    def _share(self, seconds: float, under_way: Sequence[Member]) -> None:
        for member in under_way:
            member.seconds += seconds / len(under_way)
            if member.iteration == self.iteration:
                member.curve[-1] |= {"seconds": member.seconds, "recorded_at": time.time()}

    def _watched_errors(self) -> list[float]:
        """The mean squared errors over one fixed batch of held-out crops, in evaluation mode and in fp32.

        Leaves the network in training mode.
        """
        degraded, clean = self._watched
        self.network.eval()
        with torch.inference_mode():
            errors = mean_square_error(self.network(degraded).clamp(0, 1), clean, self.width).tolist()
        self.network.train()
        return errors

    def step(self, name: str) -> Losses:
        """One step of an optimiser on its batch of this iteration; the losses of it, (K,) each."""
        return self.steps[name](*self.crops[name].batch(self.iteration))

    def _anneal(self, epoch_iterations: int, start: float, end: float) -> None:
        """Sets the learning rate of the weights at this iteration."""
        set_rate(self.optimizers["weights"], cosine(self.iteration, self.iterations, epoch_iterations, start, end))

    def _restoration(self, degraded: Tensor, clean: Tensor, *alpha: Tensor) -> Tensor:
        """L_Res of every member over a batch, (K,), in fp32.

        The network's own operations are in the configured precision.
        """
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.configuration.precision == "bf16"):
            restored = self.network(degraded, *alpha)
        return mean_square_error(restored, clean, self.width)

    def _descend(self, optimizer: Optimizer, loss: Loss, clip: float | None, *batch: Tensor) -> Losses:
        """One step on an optimiser's parameters alone: no other gradient is computed or kept."""
        parameters = optimizer.param_groups[0]["params"]
        # backward lays each gradient out as its parameter is, which fused optimisers rely on; autograd.grad does not.
        try:
            total, losses = loss(*batch)
            total.sum().backward(inputs=parameters)
            if clip is not None:
                clip_gradients(parameters, self.width, clip)
            optimizer.step()
        finally:
            optimizer.zero_grad(set_to_none=True)
        return {name: values.detach() for name, values in losses.items()}

    def weights_of(self, member: Member) -> dict[str, Tensor]:
        """The state of a member's own network, as a network of its own has it."""
        return part(self.network.state_dict(), member.place, self.width)

    def state_dict(self, member: Member) -> dict[str, Any]:
        """All that a member needs to go on: tensors, numbers and texts only, as a safe unpickler reads them."""
        about = {"stage": self.stage, "width": self.width, "iteration": self.iteration}
        sums = {name: value[:, member.place].clone() for name, value in self._sums.items()}
        optimizers = {
            name: {"state": part(optimizer.state_dict()["state"], member.place, self.width)}
            for name, optimizer in self.optimizers.items()
        }
        own = {"seconds": member.seconds, "curve": member.curve, "sums": sums}
        return {**about, **own, "network": self.weights_of(member), "optimizers": optimizers}

    def load_state_dicts(self, states: Sequence[dict[str, Any]]) -> None:
        """Goes on from `state_dict()` of each member, of runs of equal configurations, images and width.

        Raises:
            ValueError: states of another stage, of another width, of different iterations, or not one for each member.
        """
        about = {(state["stage"], state["width"], state["iteration"]) for state in states}
        if len(states) != len(self.members) or len(about) != 1 or min(about)[:2] != (self.stage, self.width):
            mine = f"{len(self.members)} members of a {self.stage} of {self.width}"
            raise ValueError(f"states of {sorted(about)}, not of {mine}")
        filled = [*states, *[states[-1]] * (self.width - len(states))]
        self.network.load_state_dict(joined([state["network"] for state in filled]))
        for name, optimizer in self.optimizers.items():
            own = joined([state["optimizers"][name]["state"] for state in filled])
            # Settings are no state: they are the configuration's, and a rate lies in a tensor of this run's own.
            optimizer.load_state_dict({"state": own, "param_groups": optimizer.state_dict()["param_groups"]})
        self.steps = {name: step.anew() for name, step in self.steps.items()}
        self.iteration = states[0]["iteration"]
        sums = [state["sums"] for state in filled]
        self._sums = {name: torch.stack([own[name] for own in sums], dim=1).to(self.device) for name in sums[0]}
        for member, state in zip(self.members, states, strict=True):
            member.curve, member.seconds = list(state["curve"]), state["seconds"]
            member.has_ended = self.iteration >= self.iterations

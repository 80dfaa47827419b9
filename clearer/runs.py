"""A resumable optimisation: what a search and a training have in common.

A run is a pack of K members: searches, or trainings, of one shape that are computed as one network (`clearer.packing`).
The caller holds the loop `for run in run.advance(every): …` and leaves it to stop. `state_dict()` of each member saves;
`load_state_dicts()`, on a run built from the same configurations and images, resumes.

On the CPU 20 + 20 iterations equal 40, bit for bit: batches are functions of the iteration, and all else that an
iteration reads is in the state. A member's bits then depend on its own configuration and on K, and on no other member.

Some processors compute several members' channels in one vector, where 0·NaN = NaN carries what is not finite from one
to its neighbours. So a pack in which something is not finite goes back to the last row of its curves, and goes on
without the members that diverge by themselves.
"""

import functools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor
from torch.optim import Optimizer

from clearer import graphs
from clearer.configuration import Configuration
from clearer.crops import Crops
from clearer.graphs import Losses, StaticStep
from clearer.images.sets import ImageSet
from clearer.modules import fp32
from clearer.networks import MultiScale
from clearer.packing import clip_gradients, full_width, joined, mean_square_error, packed, part, shape
from clearer.streams import torch_seed


class DivergedError(ArithmeticError):
    """What a member computes is not finite; the message names the stage, what is not, and the iteration."""


@dataclass(eq=False)
class _NotFiniteError(Exception):
    """Something of members of a pack is not finite: what, by place."""

    what: Mapping[int, str]


def cosine(iteration: int, iterations: int, epoch_iterations: int, start: float, end: float) -> float:
    """The cosine-annealed learning rate at `iteration` (from 0), which steps once an epoch."""
    epochs = max(1, iterations // epoch_iterations)
    epoch = min(iteration // epoch_iterations, epochs)
    return end + (start - end) * (1 + math.cos(math.pi * epoch / epochs)) / 2


@dataclass(eq=False)
class Member:
    """One of the searches or trainings of a pack; `seconds` is its share, `problem` why it ended without a result."""

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
    """The members of a pack under optimisation: weights learn from `images`, one batch of `watched_images` is watched.

    A subclass has a `stage`, a `_build` and a `_loss`, adds its optimisers by `_learn` in `_place`, and iterates in
    `_iterate`. No run holds its own methods: let go, it is freed at once, and so is a GPU's memory.

    A member's bits depend on the width, which is `full_width` of the one asked for. Places that are left over are
    filled by copies of the last member.
    """

    stage = ""

    def __init__(
        self,
        configurations: Sequence[Configuration],
        images: ImageSet,
        watched_images: ImageSet,
        device: torch.device | str = "cpu",
        width: int | None = None,
    ):
        c, width = configurations[0], width or len(configurations)
        self.width = full_width(width, c.channels, c.precision)
        shapes, count = {shape(own, self.stage) for own in configurations}, len(configurations)
        if len(shapes) != 1 or count > min(width, self.width):
            raise ValueError(f"a pack of {width} does not hold these {count} configurations")
        self.members = [Member(c, place) for place, c in enumerate(configurations)]
        self.configuration, self.device = c, torch.device(device)
        self.iterations: int = getattr(c, f"{self.stage}_iterations")
        self._images, self._watched_images = images, watched_images
        self._place(self.members)

    def _build(self, c: Configuration) -> MultiScale:
        """A member's network, on its own."""
        raise NotImplementedError

    def _place(self, members: Sequence[Member]) -> None:
        """Begins anew, with `members` alone."""
        self._placed = list(members)
        for place, member in enumerate(members):
            member.place = place
        configurations = [member.configuration for member in members]
        self._filled = [*configurations, *configurations[-1:] * (self.width - len(members))]
        networks = [self._build(own) for own in self._filled]
        for one, own in zip(networks, self._filled, strict=True):
            generator = torch.Generator().manual_seed(torch_seed(own.seed, f"{self.stage} weights"))
            one.initialise(generator, own.initial_std, own.initialisation)
        whole = packed(networks)
        self.network = whole.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizers: dict[str, Optimizer] = {}
        self.crops: dict[str, Crops] = {}
        self.steps: dict[str, StaticStep] = {}  # where steps are static
        self._pool = graphs.new_pool(self.device)
        self.iteration = 0
        self._sums: dict[str, Tensor] = {}
        self._watched = Crops(self._watched_images, self._filled, f"{self.stage} watched crops", self.device).batch(0)

    def _learn(self, name: str, optimizer: Optimizer, images: ImageSet, role: str) -> None:
        """Adds an optimiser, which `step(name)` steps from now on."""
        self.optimizers[name], self.crops[name] = optimizer, Crops(images, self._filled, role, self.device)

    def _loss(self, name: str, degraded: Tensor, clean: Tensor) -> tuple[Tensor, Losses]:
        """What an optimiser descends, (K,), and the losses that the curve records."""
        raise NotImplementedError

    def advance(self, every: int | None = None) -> Iterator[Self]:
        """Iterates to the end, yielding itself every `every` iterations and whenever a member has ended.

        Raises DivergedError: no member is left that has not diverged.
        """
        every = every or self.configuration.report_iterations
        kept: dict[Member, dict[str, Any]] = {}
        while not self.ended:
            if not kept or not self._sums:  # at the beginning, and after a row
                kept = {member: self.state_dict(member) for member in self._placed}
            started, under_way = time.perf_counter(), self._under_way
            try:
                self._advance()
            except _NotFiniteError as found:
                kept = self._go_back(kept, found.what)
            else:
                self._share(time.perf_counter() - started, under_way)
            if self.iteration % every == 0 or any(member.has_ended for member in under_way):
                yield self
        if all(member.problem for member in self.members):
            raise self.members[0].problem  # type: ignore[misc]

    def _advance(self) -> None:
        """One iteration, and the rows of the curves where they are due."""
        for name, values in self._iterate().items():
            if name not in self._sums:
                self._sums[name] = torch.zeros(2, self.width, dtype=torch.double, device=self.device)
            total, count = self._sums[name]
            total += values
            count += 1
        self.iteration += 1
        if self.iteration == self.iterations or self.iteration % self.configuration.report_iterations == 0:
            self._report()

    def _go_back(self, kept: dict[Member, dict[str, Any]], what: Mapping[int, str]) -> dict[Member, dict[str, Any]]:
        """Goes on from kept states without the members that diverged; of several, that do so as a pack of copies."""
        until, before = self.iteration + 1, self._placed
        told = {member: what[member.place] for member in before if member.place in what}
        diverged = list(told)
        if len(told) > 1:
            diverged = [member for member in told if self._diverges(member, kept[member], until)] or diverged
        for member in diverged:
            text = f"{self.stage} diverged: {told[member]} by iteration {until}"
            member.problem, member.has_ended = DivergedError(text), True
        left = [member for member in before if member not in diverged]
        if left:
            self._place(left)
            self._load([kept[member] for member in left])
        self._placed = left
        return {member: kept[member] for member in left}

    def _diverges(self, member: Member, state: dict[str, Any], until: int) -> bool:
        """Whether a pack of copies of one member, which begins from a state, meets what is not finite."""
        self._place([member])
        self._load([state])
        try:
            while self.iteration < until:
                self._advance()
        except _NotFiniteError:
            return True
        return False

    def _refuse(self, tensors: Sequence[Tensor], what: str) -> None:
        """Raises what is not finite in tensors whose first axis is the pack's."""
        if torch.cat([tensor.flatten() for tensor in tensors]).sum().isfinite():  # of all ways the fastest
            return
        parts = enumerate(zip(*[tensor.chunk(self.width) for tensor in tensors], strict=True))
        if found := {place: what for place, own in parts if not all(tensor.isfinite().all() for tensor in own)}:
            raise _NotFiniteError(found)

    @property
    def ended(self) -> bool:
        """Whether every member has ended."""
        return all(member.has_ended for member in self.members)

    @property
    def _under_way(self) -> list[Member]:
        return [member for member in self._placed if not member.has_ended]

    def _iterate(self) -> Losses:
        """One iteration; the losses of it, (K,) each."""
        raise NotImplementedError

    def _has_settled(self, member: Member) -> bool:
        """A subclass's rule of early stopping: a function of the curve, hence unchanged by a resume."""
        return False

    def _record(self, member: Member) -> dict[str, Any]:
        """What a subclass adds to a row of the curve."""
        return {}

    def _report(self) -> None:
        means = {name: (total / count).tolist() for name, (total, count) in self._sums.items()}
        found, self._sums = {**means, "the error on watched crops": self._watched_errors()}, {}
        wrong = [(name, place, value) for name, values in found.items() for place, value in enumerate(values)]
        if what := {place: f"{name} is {value}" for name, place, value in reversed(wrong) if not math.isfinite(value)}:
            raise _NotFiniteError(what)
        self._refuse(self._state(), "weights are not finite")
        *_, watched = found.values()
        for member in self._under_way:
            losses = {name: values[member.place] for name, values in means.items()}
            row = {"iteration": self.iteration, "stage": self.stage, **losses}
            psnr = -10 * math.log10(max(watched[member.place], 1e-10))
            member.curve.append({**row, "psnr_db": psnr, **self._record(member)})
            member.has_ended = self.iteration >= self.iterations or self._has_settled(member)

    def _share(self, seconds: float, under_way: Sequence[Member]) -> None:
        for member in under_way:
            member.seconds += seconds / len(under_way)
            if member.iteration == self.iteration:
                member.curve[-1] |= {"seconds": member.seconds, "recorded_at": time.time()}

    def _watched_errors(self) -> list[float]:
        """The mean squared errors over the watched crops, in evaluation mode and fp32; leaves it in training mode."""
        degraded, clean = self._watched
        self.network.eval()
        with torch.inference_mode(), fp32():
            errors = mean_square_error(self.network(degraded).clamp(0, 1), clean, self.width).tolist()
        self.network.train()
        return errors

    def step(self, name: str) -> Losses:
        """One step of an optimiser on its batch of this iteration; the losses of it, (K,) each."""
        batch = self.crops[name].batch(self.iteration)
        if self.device.type == "cpu":  # a GPU would be waited for; there the rows of the curve tell
            self._refuse(self._state(), "weights are not finite")
            self._refuse([images.transpose(0, 1) for images in batch], "a batch is not finite")
        if not graphs.is_static(self.device):
            return self._descend(name, *batch)
        static = self.steps.setdefault(name, StaticStep(self.device, self._pool))
        return static(functools.partial(self._descend, name), *batch)

    def _state(self) -> list[Tensor]:
        """Weights and running statistics."""
        tensors = [*self.network.parameters(), *self.network.buffers()]
        return [tensor.detach() for tensor in tensors if tensor.ndim]

    def _anneal(self, start: float, end: float) -> None:
        """Sets the learning rate of the weights at this iteration."""
        epoch: int = getattr(self.configuration, f"{self.stage}_epoch_iterations")
        rate: Tensor = self.optimizers["weights"].param_groups[0]["lr"]
        rate.fill_(cosine(self.iteration, self.iterations, epoch, start, end))

    def _restoration(self, degraded: Tensor, clean: Tensor, *alpha: Tensor) -> Tensor:
        """L_Res of every member over a batch, (K,), in fp32; the network itself runs in the configured precision."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.configuration.precision == "bf16"):
            restored = self.network(degraded, *alpha)
        return mean_square_error(restored, clean, self.width)

    def _descend(self, name: str, *batch: Tensor) -> Losses:
        """One step on an optimiser's parameters alone: no other gradient is computed or kept."""
        optimizer = self.optimizers[name]
        parameters = optimizer.param_groups[0]["params"]
        # backward lays each gradient out as its parameter is, which fused optimisers rely on; autograd.grad does not.
        try:
            with fp32(self.configuration.precision == "tf32"):
                total, losses = self._loss(name, *batch)
                total.sum().backward(inputs=parameters)
            if name == "weights":
                clip_gradients(parameters, self.width, self.configuration.clip_norm)
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
        if member.problem is not None:
            return {**about, "seconds": member.seconds, "curve": member.curve, "problem": str(member.problem)}
        sums = {name: value[:, member.place].clone() for name, value in self._sums.items()}
        optimizers = {
            name: {"state": part(optimizer.state_dict()["state"], member.place, self.width)}
            for name, optimizer in self.optimizers.items()
        }
        own = {"seconds": member.seconds, "curve": list(member.curve), "sums": sums}
        return {**about, **own, "network": self.weights_of(member), "optimizers": optimizers}

    def load_state_dicts(self, states: Sequence[dict[str, Any]]) -> None:
        """Goes on from `state_dict()` of each member, of runs of equal configurations, images and width.

        Raises ValueError: states of another stage, another width or different iterations, or not one for each member.
        """
        about = {(state["stage"], state["width"], state["iteration"]) for state in states}
        if len(states) != len(self.members) or len(about) != 1 or min(about)[:2] != (self.stage, self.width):
            mine = f"{len(self.members)} members of a {self.stage} of {self.width}"
            raise ValueError(f"states of {sorted(about)}, not of {mine}")
        for member, state in zip(self.members, states, strict=True):
            member.problem = DivergedError(state["problem"]) if "problem" in state else None
            member.curve, member.seconds = list(state["curve"]), state["seconds"]
            member.has_ended = member.problem is not None
        kept = {member: state for member, state in zip(self.members, states, strict=True) if not member.problem}
        if not kept:  # all have ended
            return
        if len(kept) < len(self.members):
            self._place(list(kept))
        self._load(list(kept.values()))

    def _load(self, states: Sequence[dict[str, Any]]) -> None:
        """Goes on from a state of each member that has a place."""
        filled = [*states, *[states[-1]] * (self.width - len(states))]
        self.network.load_state_dict(joined([state["network"] for state in filled]))
        for name, optimizer in self.optimizers.items():
            own = joined([state["optimizers"][name]["state"] for state in filled])
            # Settings are no state: they are the configuration's, and a rate lies in a tensor of this run's own.
            optimizer.load_state_dict({"state": own, "param_groups": optimizer.state_dict()["param_groups"]})
        # A graph writes into tensors that are the run's no longer; its pool can't be captured into again.
        self.steps, self._pool = {}, graphs.new_pool(self.device)
        self.iteration = states[0]["iteration"]
        sums = [state["sums"] for state in filled]
        self._sums = {name: torch.stack([own[name] for own in sums], dim=1).to(self.device) for name in sums[0]}
        for member, state in zip(self._placed, states, strict=True):
            member.curve, member.seconds = list(state["curve"]), state["seconds"]
            member.has_ended = self.iteration >= self.iterations or self._has_settled(member)

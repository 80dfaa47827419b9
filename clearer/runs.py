"""A resumable optimisation: what a search and a training have in common.

A run is a pack of K members, searches or trainings of one shape that are computed as one network (`clearer.packing`); K = 1 is
the same code. The caller holds the loop: `for run in run.advance(every): …`. Stopping is leaving the loop, saving is
`state_dict()` of each member, resuming is `load_state_dicts()` on a run built from the same configurations and images. On
the CPU 20 + 20 iterations equal 40, bit for bit: batches are functions of the iteration, and everything
else that an iteration reads is in the state. There a member's bits depend on its own configuration and on K, and on no other member.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from clearer.configuration import Configuration
from clearer.crops import Crops
from clearer.graphs import Losses, StaticStep
from clearer.images.sets import ImageSet
from clearer.members import Member, shape
from clearer.packing import clip_gradients, full_width, joined, mean_square_error, packed, part
from clearer.streams import torch_generator


class DivergedError(ArithmeticError):
    """A loss that is not finite; the message names the stage and the iteration."""


def cosine(iteration: int, iterations: int, epoch_iterations: int, start: float, end: float) -> float:
    """The cosine-annealed learning rate at `iteration` (from 0), which steps once an epoch."""
    epochs = max(1, iterations // epoch_iterations)
    epoch = min(iteration // epoch_iterations, epochs)
    return end + (start - end) * (1 + math.cos(math.pi * epoch / epochs)) / 2


class Run:
    """The members of a pack under optimisation, iteration by iteration. A subclass has `stage`, `_iterate` and its own losses.

    A pack with fewer configurations than its `width` is filled up: a member's bits depend on the width, which is `full_width`.
    """

    stage = ""

    def __init__(
        self,
        configurations: Sequence[Configuration],
        network: Callable[[Configuration], nn.Module],
        iterations: int,
        watched: ImageSet,
        device: torch.device | str,
        width: int | None,
    ):
        c, width = configurations[0], width or len(configurations)
        self.width = full_width(width, c.channels, c.precision)
        if len({shape(c, self.stage) for c in configurations}) != 1 or len(configurations) > min(width, self.width):
            raise ValueError(f"a pack of {width} does not hold these {len(configurations)} configurations")
        self.members = [Member(c, place) for place, c in enumerate(configurations)]
        self.configuration, self.iterations, self.device = configurations[0], iterations, torch.device(device)
        self._filled = [*configurations, *[configurations[-1]] * (self.width - len(configurations))]
        networks = []
        for c in self._filled:
            one = network(c)
            one.initialise(torch_generator(c.seed, f"{self.stage} weights"), c.initial_std)  # type: ignore[operator]
            networks.append(one)
        self.network = packed(networks).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.steps: dict[str, StaticStep] = {}
        self.iteration = 0
        self._sums: dict[str, Tensor] = {}
        self._watched = self._batch(self._crops(watched, f"{self.stage} watched crops"), 0)

    def advance(self, every: int | None = None) -> Iterator[Run]:
        """Iterates until it has `ended`, yielding itself after every `every` iterations and whenever a member has ended.

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

    def _has_settled(self, member: Member) -> bool:
        """A subclass's rule of early stopping: a function of the curve, hence the same after a resume."""
        return False

    def _iterate(self) -> dict[str, Tensor]:
        """One iteration; the losses of it, (K,) each."""
        raise NotImplementedError

    def _record(self, member: Member) -> dict[str, Any]:
        """What a subclass adds to a row of the curve."""
        return {}

    def _report(self, under_way: Sequence[Member]) -> None:
        means = {name: (total / count).tolist() for name, (total, count) in self._sums.items()}
        self._sums = {}
        watched = self._watched_errors()
        for member in under_way:
            losses = {name: values[member.place] for name, values in means.items()}
            member.problem = self._diverged(losses | {"the error on watched crops": watched[member.place]})
            if member.problem is None:
                psnr_db = -10 * math.log10(max(watched[member.place], 1e-10))
                row = {"iteration": self.iteration, "stage": self.stage, **losses, "psnr_db": psnr_db}
                member.curve.append({**row, **self._record(member)})
            member.has_ended = (
                member.problem is not None or self.iteration >= self.iterations or self._has_settled(member)
            )

    def _diverged(self, losses: dict[str, float]) -> DivergedError | None:
        for name, value in losses.items():
            if not math.isfinite(value):
                return DivergedError(f"{self.stage} diverged: {name} is {value} by iteration {self.iteration}")
        return None

    def _share(self, seconds: float, under_way: Sequence[Member]) -> None:
        for member in under_way:
            member.seconds += seconds / len(under_way)
            if member.iteration == self.iteration:
                member.curve[-1] |= {"seconds": member.seconds, "recorded_at": time.time()}

    def _watched_errors(self) -> list[float]:
        """The mean squared errors over one fixed batch of held-out crops, in evaluation mode, fp32; leaves the network in training mode."""
        degraded, clean = self._watched
        self.network.eval()
        with torch.inference_mode():
            errors = mean_square_error(self.network(degraded).clamp(0, 1), clean, self.width).tolist()
        self.network.train()
        return errors

    def _crops(self, images: ImageSet, role: str) -> Crops:
        return Crops(images, self._filled, role, self.device)

    def _batch(self, crops: Crops, iteration: int) -> tuple[Tensor, Tensor]:
        """Degraded and clean crops of every member, (batch, K·channels, patch, patch)."""
        return crops.batch(iteration)

    def _restoration(self, batch: tuple[Tensor, Tensor], *more: Tensor) -> Tensor:
        """L_Res of every member over a batch, (K,), in fp32; the network's own operations are in the configured precision."""
        degraded, clean = batch
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.configuration.precision == "bf16"):
            restored = self.network(degraded, *more)
        return mean_square_error(restored, clean, self.width)

    def _step(self, name: str, body: Callable[[Tensor, Tensor], Losses], batch: tuple[Tensor, Tensor]) -> Losses:
        """One step of `body`, which is always the same for a name, on a batch; its losses have no history."""
        if name not in self.steps:
            self.steps[name] = StaticStep(body, self.device)
        return {name: losses.detach() for name, losses in self.steps[name](*batch).items()}

    def _descend(
        self, optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter], losses: Tensor, clip: float | None
    ) -> None:
        """One step on `parameters` alone: no other gradient is computed or kept."""
        # backward lays each gradient out as its parameter is, which fused optimisers rely on; autograd.grad does not.
        try:
            losses.sum().backward(inputs=list(parameters))
            if clip is not None:
                clip_gradients(parameters, self.width, clip)
            optimizer.step()
        finally:
            optimizer.zero_grad(set_to_none=True)

    def weights_of(self, member: Member) -> dict[str, Tensor]:
        """The state of a member's own network, as a network of its own has it."""
        return part(self.network.state_dict(), member.place, self.width)

    def state_dict(self, member: Member) -> dict[str, Any]:
        """All that a member needs to go on: tensors, numbers and texts only, as `torch.load(weights_only=True)` reads them."""
        sums = {name: value[:, member.place].clone() for name, value in self._sums.items()}
        optimizers = {
            name: {"state": part(optimizer.state_dict()["state"], member.place, self.width)}
            for name, optimizer in self.optimizers.items()
        }
        return {
            "stage": self.stage, "width": self.width, "iteration": self.iteration, "seconds": member.seconds, "curve": member.curve,
            "sums": sums, "network": self.weights_of(member), "optimizers": optimizers,
        }  # fmt: skip

    def load_state_dicts(self, states: Sequence[dict[str, Any]]) -> None:
        """Goes on from `state_dict()` of each member, of runs of the same configurations, images and width.

        Raises:
            ValueError: states of another stage, of another width, of different iterations, or not one for each member.
        """
        about = {(state["stage"], state["width"], state["iteration"]) for state in states}
        if len(states) != len(self.members) or len(about) != 1 or min(about)[:2] != (self.stage, self.width):
            raise ValueError(
                f"states of {sorted(about)}, not of {len(self.members)} members of a {self.stage} of {self.width}"
            )
        filled = [*states, *[states[-1]] * (self.width - len(states))]
        self.network.load_state_dict(joined([state["network"] for state in filled]))
        for name, optimizer in self.optimizers.items():
            each = [state["optimizers"][name] for state in filled]
            # Settings are no state: they are the configuration's, and a rate lies in a tensor of this run's own.
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": joined([own["state"] for own in each]), "param_groups": groups})
        self.steps.clear()  # graphs write into states that are no more
        self.iteration = states[0]["iteration"]
        sums = [state["sums"] for state in filled]
        self._sums = {name: torch.stack([own[name] for own in sums], dim=1).to(self.device) for name in sums[0]}
        for member, state in zip(self.members, states, strict=True):
            member.curve, member.seconds = list(state["curve"]), state["seconds"]
            member.has_ended = self.iteration >= self.iterations

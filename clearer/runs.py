"""A resumable optimisation: what a search and a training have in common.

The caller holds the loop: `for run in run.advance(every): …`. Stopping is leaving the loop, saving is
`state_dict()`, resuming is `load_state_dict()` on a run built from the same configuration and images. On
the CPU 20 + 20 iterations equal 40, bit for bit: batches are functions of the iteration, and everything
else that an iteration reads is in the state.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearer.configuration import Configuration
from clearer.images import Crops, ImageSet, load_images
from clearer.overlap import configured_files
from clearer.streams import torch_generator


class DivergedError(ArithmeticError):
    """A loss that is not finite; the message names the stage and the iteration."""


def cosine(iteration: int, iterations: int, epoch_iterations: int, start: float, end: float) -> float:
    """The cosine-annealed learning rate at `iteration` (from 0), which steps once an epoch."""
    epochs = max(1, iterations // epoch_iterations)
    epoch = min(iteration // epoch_iterations, epochs)
    return end + (start - end) * (1 + math.cos(math.pi * epoch / epochs)) / 2


def crops(configuration: Configuration, images: ImageSet, role: str) -> Crops:
    """The crops of one role, as the configuration asks for them."""
    return Crops(
        images,
        configuration.batch_size,
        configuration.patch_size,
        configuration.sigma,
        configuration.protocol,
        configuration.seed,
        role,
    )


def learning_images(configuration: Configuration, split: str, data: Path | None) -> ImageSet:
    """The split that a search or a training learns from; every image holds at least one patch."""
    c = configuration
    return load_images(configured_files(c, split, data), c.image_channels, c.grayscale, smallest=c.patch_size)


def scored_images(configuration: Configuration, data: Path | None) -> ImageSet:
    """The images that a configuration is tested on: the first `test_limit` by name, or all."""
    c = configuration
    return load_images(configured_files(c, "test", data)[: c.test_limit or None], c.image_channels, c.grayscale)


class Run:
    """Weights under optimisation, iteration by iteration. A subclass has `stage`, `_iterate` and its own losses."""

    stage = ""

    def __init__(
        self,
        configuration: Configuration,
        network: nn.Module,
        iterations: int,
        watched: ImageSet,
        device: torch.device | str,
    ):
        self.configuration, self.iterations, self.device = configuration, iterations, torch.device(device)
        network.initialise(torch_generator(configuration.seed, f"{self.stage} weights"), configuration.initial_std)  # type: ignore[operator]
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.iteration, self.seconds = 0, 0.0
        self.curve: list[dict[str, Any]] = []
        self._sums: dict[str, Tensor] = {}
        self._watched = self._to_device(crops(configuration, watched, f"{self.stage} watched crops").batch(0))

    def advance(self, every: int | None = None) -> Iterator[Run]:
        """Iterates until it has `ended`, yielding itself after every `every` iterations and after the last.

        The curve has a row for each `report_iterations`, whatever `every` is.

        Raises:
            DivergedError: a loss was not finite since the last row of the curve.
        """
        report = self.configuration.report_iterations
        every = every or report
        while not self.ended:
            started = time.perf_counter()
            for name, value in self._iterate().items():
                self._sums[name] = self._sums.get(name, 0) + torch.stack(
                    [value.detach().double(), torch.ones_like(value, dtype=torch.double)]
                )  # type: ignore[assignment]
            self.iteration += 1
            if self.iteration == self.iterations or self.iteration % report == 0:
                self._report()
            self.seconds += time.perf_counter() - started
            if self.curve and self.curve[-1]["iteration"] == self.iteration:
                self.curve[-1] |= {"seconds": self.seconds, "recorded_at": time.time()}
            if self.ended or self.iteration % every == 0:
                yield self

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do: all iterations are done, or the curve says that more would not help."""
        return self.iteration >= self.iterations or self._settled()

    def _settled(self) -> bool:
        """A subclass's rule of early stopping: a function of the curve, hence the same after a resume."""
        return False

    def _iterate(self) -> dict[str, Tensor]:
        """One iteration; the losses of it, scalars."""
        raise NotImplementedError

    def _record(self) -> dict[str, Any]:
        """What a subclass adds to a row of the curve."""
        return {}

    def _report(self) -> None:
        means = {name: float(total / count) for name, (total, count) in self._sums.items()}
        self._sums = {}
        for name, value in means.items():
            if not math.isfinite(value):
                raise DivergedError(f"{self.stage} diverged: {name} is {value} by iteration {self.iteration}")
        self.curve.append(
            {
                "iteration": self.iteration,
                "stage": self.stage,
                **means,
                "psnr_db": self._watched_psnr(),
                **self._record(),
            }
        )

    def _watched_psnr(self) -> float:
        """PSNR in dB over one fixed batch of held-out crops, in evaluation mode, fp32; leaves the network in training mode."""
        degraded, clean = self._watched
        self.network.eval()
        with torch.inference_mode():
            error = F.mse_loss(self.network(degraded).clamp(0, 1), clean).item()
        self.network.train()
        if not math.isfinite(error):
            raise DivergedError(
                f"{self.stage} diverged: the restored image is not finite at iteration {self.iteration}"
            )
        return -10 * math.log10(max(error, 1e-10))

    def _to_device(self, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        degraded, clean = (t.to(self.device, memory_format=torch.channels_last) for t in pair)
        return degraded, clean

    def _restoration(self, batch: tuple[Tensor, Tensor], *more: Tensor) -> Tensor:
        """L_Res over a batch, in fp32; the network's own operations are in the configured precision."""
        degraded, clean = self._to_device(batch)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.configuration.precision == "bf16"):
            restored = self.network(degraded, *more)
        return F.mse_loss(restored.to(clean.dtype), clean)

    def _descend(
        self, optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter], loss: Tensor, clip: float | None
    ) -> None:
        """One step on `parameters` alone: no other gradient is computed or kept."""
        # backward lays each gradient out as its parameter is, which fused optimisers rely on; autograd.grad does not.
        loss.backward(inputs=list(parameters))
        if clip is not None:
            nn.utils.clip_grad_norm_(parameters, clip, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on: tensors, numbers and texts only, as `torch.load(weights_only=True)` reads them."""
        return {
            "stage": self.stage, "iteration": self.iteration, "seconds": self.seconds, "curve": self.curve, "sums": self._sums,
            "network": self.network.state_dict(), "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from `state_dict()` of a run of the same configuration and images."""
        if state["stage"] != self.stage:
            raise ValueError(f"a state of {state['stage']}, not of {self.stage}")
        self.network.load_state_dict(state["network"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.iteration, self.seconds, self.curve = state["iteration"], state["seconds"], list(state["curve"])
        self._sums = {name: value.to(self.device) for name, value in state["sums"].items()}

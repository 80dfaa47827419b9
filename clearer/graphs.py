"""A step of a run on static tensors, which a GPU replays as one CUDA graph (torch's notes, whole-network capture).

A step launches thousands of kernels; a graph is launched once. For that a step reads its batch and its learning rates
from tensors that stay where they are, changes weights, running statistics and optimisers in place, and leaves its
losses in tensors that stay, too. Nothing in it waits for the device. On a CPU no step is static.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Losses = Mapping[str, Tensor]
"""By name, (K,) each, without history."""
WARM_UP = 3
"""Steps before a graph is captured: optimisers make their states in them, and cuDNN chooses its algorithms."""


def is_static(device: torch.device) -> bool:
    """Whether steps on a device run on static tensors."""
    return device.type == "cuda"


def rate_of(value: float, device: torch.device) -> float | Tensor:
    """A learning rate as an optimiser takes it; where steps are static, a tensor for `set_rate` to change."""
    dtype = torch.float32 if device.type == "cuda" else torch.float64
    return torch.tensor(value, dtype=dtype, device=device) if is_static(device) else value


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of the next step."""
    group = optimizer.param_groups[0]
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


class StaticStep:
    """`body` of a batch, degraded and clean: captured after `WARM_UP` steps, which count, and replayed from then on.

    The losses that a step returns are overwritten by the next. Where capturing fails, steps go on: `problem` says why.
    """

    def __init__(self, body: Callable[[Tensor, Tensor], Losses], device: torch.device):
        self._body, self._device = body, device
        self.problem: str | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._outputs: Losses = {}
        self._graph: torch.cuda.CUDAGraph | None = None
        self._left = WARM_UP

    @property
    def is_captured(self) -> bool:
        """Whether a graph is replayed."""
        return self._graph is not None

    def __call__(self, degraded: Tensor, clean: Tensor) -> Losses:
        """One step; the losses of it."""
        if not self._inputs:
            self._inputs = torch.empty_like(degraded), torch.empty_like(clean)
        for own, new in zip(self._inputs, (degraded, clean), strict=True):
            own.copy_(new)
        if self.problem is not None:
            return self._body(*self._inputs)
        if self._left:
            self._left -= 1
            return self._beside()
        if self._graph is None and not self._capture():
            return self._body(*self._inputs)
        assert self._graph is not None
        self._graph.replay()
        return self._outputs

    def _beside(self) -> Losses:
        """A step on a stream of its own, as capturing asks for."""
        if self._device.type != "cuda":
            return self._body(*self._inputs)
        here, stream = torch.cuda.current_stream(self._device), torch.cuda.Stream(self._device)
        stream.wait_stream(here)
        with torch.cuda.stream(stream):
            losses = self._body(*self._inputs)
        here.wait_stream(stream)
        for value in losses.values():
            value.record_stream(here)
        return losses

    def _capture(self) -> bool:
        """Records the step without taking it; whether that worked."""
        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._outputs = self._body(*self._inputs)
        except RuntimeError as error:
            self.problem = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            return False
        self._graph = graph
        return True


def how(steps: Mapping[str, StaticStep], device: torch.device) -> dict[str, Any]:
    """How a GPU computed steps: which as graphs, why not the others, whether in TF32; nothing for a CPU."""
    if not is_static(device):
        return {}
    problems = {name: step.problem for name, step in steps.items() if step.problem}
    captured = sorted(name for name, step in steps.items() if step.is_captured)
    tf32 = {"matmul": torch.backends.cuda.matmul.allow_tf32, "cudnn": torch.backends.cudnn.allow_tf32}
    return {"captured": captured, "not_captured": problems, "tf32": tf32}

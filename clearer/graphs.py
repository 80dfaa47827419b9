"""A step of a run on static tensors, which a GPU replays as one CUDA graph (torch's notes, whole-network capture).

A step launches thousands of kernels; a graph is launched once. For that a step reads its batch and its learning rates
from tensors that stay where they are, and changes weights, running statistics and optimisers in place. Nothing in it
waits for the device. On a CPU no step is static.
"""

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Losses = Mapping[str, Tensor]
"""By name, (K,) each, without history."""
Step = Callable[[Tensor, Tensor], Losses]
"""Of a degraded and a clean batch."""
WARM_UP = 3
"""Steps before a graph is captured: optimisers make their states in them, and cuDNN chooses its algorithms."""


def is_static(device: torch.device) -> bool:
    """Whether steps on a device run on static tensors."""
    return device.type == "cuda"


def rate_of(value: float, device: torch.device) -> Tensor:
    """A learning rate as an optimiser takes it, to be changed where it lies."""
    return torch.tensor(value, dtype=torch.float32 if device.type == "cuda" else torch.float64, device=device)


def new_pool(device: torch.device) -> Any:
    """Memory that the graphs of one run share; None for a CPU."""
    return torch.cuda.graph_pool_handle() if device.type == "cuda" else None


class StaticStep:
    """A step of a batch, degraded and clean: captured after `WARM_UP` steps, which count, and replayed from then on.

    Where capturing fails, steps go on: `problem` says why. The step itself is given at each call and not kept, for it
    would keep its run alive, and a graph needs it no more. Steps of one run share a `pool` of memory: they are never
    replayed at once. Torch frees a pool with the last of its graphs; of a capture that failed, from 2.14 on (#190348).
    """

    def __init__(self, device: torch.device, pool: Any = None):
        self._device, self._pool = device, pool
        self.problem: str | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._outputs: Losses = {}
        self._graph: torch.cuda.CUDAGraph | None = None
        self._left = WARM_UP

    @property
    def is_captured(self) -> bool:
        """Whether a graph is replayed."""
        return self._graph is not None

    def __call__(self, step: Step, degraded: Tensor, clean: Tensor) -> Losses:
        """One step; the losses of it. Raises torch.OutOfMemoryError, in a capture too."""
        if not self._inputs:
            self._inputs = torch.empty_like(degraded), torch.empty_like(clean)
        for own, new in zip(self._inputs, (degraded, clean), strict=True):
            own.copy_(new)
        if self._left and self.problem is None:
            self._left -= 1
            return self._beside(step)
        if self.problem is None and self._graph is None:
            self._capture(step)
        if self._graph is None:
            return step(*self._inputs)
        self._graph.replay()
        return {name: value.clone() for name, value in self._outputs.items()}  # another graph may write there next

    def _beside(self, step: Step) -> Losses:
        """A step on the stream on which it will be captured, as capturing asks for."""
        if self._device.type != "cuda":
            return step(*self._inputs)
        here, stream = torch.cuda.current_stream(self._device), _side_stream(self._device)
        stream.wait_stream(here)
        with torch.cuda.stream(stream):
            losses = step(*self._inputs)
        here.wait_stream(stream)
        for value in losses.values():
            value.record_stream(here)
        return losses

    def _capture(self, step: Step) -> None:
        """Records the step without taking it. Of a capture that can't end torch leaves its stream the current one."""
        is_gpu, outer = self._device.type == "cuda", sys.exception()
        here = torch.cuda.current_stream(self._device) if is_gpu else None
        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, stream=_side_stream(self._device)):
                self._outputs = step(*self._inputs)
        except RuntimeError as error:
            if here is not None:
                torch.cuda.set_stream(here)
            cause: BaseException = error  # of several the first one: the last says no more than that there was another
            while cause.__context__ not in (None, outer):
                cause = cause.__context__  # type: ignore[assignment]
            if isinstance(cause, torch.OutOfMemoryError):
                raise cause from None
            self.problem = f"{type(cause).__name__}: {(str(cause).splitlines() or [''])[0]}"
        else:
            self._graph = graph


@functools.cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """The stream of this process for warming up and capturing: memory that one step frees on it the next one finds."""
    return torch.cuda.Stream(device)


def how(steps: Mapping[str, StaticStep], device: torch.device) -> dict[str, Any]:
    """How a GPU computed steps: which as graphs, and why not the others; nothing for a CPU."""
    if not is_static(device):
        return {}
    problems = {name: step.problem for name, step in steps.items() if step.problem}
    return {"captured": sorted(name for name, step in steps.items() if step.is_captured), "not_captured": problems}

"""What C^p and C^f of Eq. 5 are: module size, FLOPs, measured time, or the released code's constants.

Costs are scaled so that C^p + C^f is 1 on average over the columns, as the constants 0.7 and 0.3 are:
λ2 then means the same pressure whatever the unit, and columns keep their true sizes relative to each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from clearer.architecture import FUSION, PARALLEL, module_convolutions
from clearer.configuration import Configuration
from clearer.modules import Fusion, Parallel

AUTHORS_PARALLEL, AUTHORS_FUSION = 0.7, 0.3


def module_costs(configuration: Configuration) -> Tensor:
    """(columns, 2): C^p and C^f of every column, for `architecture_complexity`.

    `complexity="authors"` gives constants with which Eq. 5 equals the released code's mean(0.7 α^p + 0.3 α^f)
    over columns; Eq. 5 itself divides by twice the number of columns.

    Raises:
        ValueError: `complexity="time"` without `module_times_ms`; measure them with `measure_module_times`.
    """
    columns = configuration.columns_by_cell
    if configuration.complexity == "authors":
        return torch.tensor([[2 * AUTHORS_PARALLEL, 2 * AUTHORS_FUSION]]).repeat(sum(columns), 1)
    if configuration.complexity == "time":
        if not configuration.module_times_ms:
            raise ValueError("complexity=time needs module_times_ms, measured on the device that the network is for")
        by_cell = torch.tensor(configuration.module_times_ms).reshape(-1, 2)
    else:
        attribute = {"parameters": "parameters", "flops": "flops_per_pixel"}[configuration.complexity]
        by_cell = torch.tensor([
            [float(sum(getattr(c, attribute) for c in module_convolutions(letter, cell, configuration.channels))) for letter in (PARALLEL, FUSION)]
            for cell in range(1, configuration.cells + 1)
        ])  # fmt: skip
    costs = by_cell.repeat_interleave(torch.tensor(columns), dim=0)
    return costs / costs.sum(dim=1).mean()


def measure_module_times(
    cells: int, channels: int, size: int, device: torch.device, seconds: float = 0.2
) -> Sequence[float]:
    """Median milliseconds of one forward pass of P and F of every cell: P1, F1, P2, F2, …

    One image of size × size pixels at full resolution, evaluation mode, the current number of threads;
    each figure from about `seconds` of warm, synchronised repeats (torch.utils.benchmark).
    """
    times = []
    for cell in range(1, cells + 1):
        branches = [torch.rand(1, channels << r, size >> r, size >> r, device=device) for r in range(cell + 1)]
        for kind in (Parallel, Fusion):
            module: nn.Module = kind(cell + 1, channels).to(device).eval()
            with torch.inference_mode():
                timer = Timer(
                    "module(branches)",
                    globals={"module": module, "branches": branches},
                    num_threads=torch.get_num_threads(),
                )
                times.append(round(1e3 * timer.blocked_autorange(min_run_time=seconds).median, 4))
    return times

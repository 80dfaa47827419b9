"""What C^p and C^f of Eq. 5 are: module size, FLOPs, measured time, or the released code's constants.

Costs are scaled to C^p + C^f = 1 on average over the columns, whose true sizes relative to each other they keep; the
released code's constants sum to 2. λ2 presses on α by C^p − C^f, which in the paper's space is, by cell:

    complexity    cell 1    cell 2    cell 3
    parameters    0.072     0.234     0.782
    flops         0.44      0.56      0.62
    authors       0.8       0.8       0.8      (11, 3.4 and 1.0 times as hard as parameters)
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from clearer.architecture import FUSION, PARALLEL, module_convolutions
from clearer.configuration import Configuration
from clearer.modules import Fusion, Parallel, fp32


def module_costs(configuration: Configuration) -> Tensor:
    """(columns, 2): C^p and C^f of every column. Raises ValueError: `complexity="time"` without `module_times_ms`.

    The released code's constants are twice 0.7 and 0.3: Eq. 5 divides by twice the number of columns.
    """
    columns = configuration.columns_by_cell
    if configuration.complexity == "authors":
        return torch.tensor([[2 * 0.7, 2 * 0.3]]).repeat(sum(columns), 1)
    if configuration.complexity == "time":
        if not configuration.module_times_ms:
            raise ValueError("complexity=time needs module_times_ms, measured on the device that the network is for")
        by_cell = torch.tensor(configuration.module_times_ms).reshape(-1, 2)
    else:
        attribute = {"parameters": "parameters", "flops": "flops_per_pixel"}[configuration.complexity]
        modules = [(letter, cell) for cell in range(1, configuration.cells + 1) for letter in (PARALLEL, FUSION)]
        lists = [module_convolutions(*module, configuration.channels) for module in modules]
        sums = [float(sum(getattr(convolution, attribute) for convolution in found)) for found in lists]
        by_cell = torch.tensor(sums).reshape(-1, 2)
    costs = by_cell.repeat_interleave(torch.tensor(columns), dim=0)
    return costs / costs.sum(dim=1).mean()


def measure_module_times(
    cells: int, channels: int, size: int, device: torch.device, seconds: float = 0.2
) -> Sequence[float]:
    """Median milliseconds of P1, F1, P2, F2, … on one image of `size` × `size`, from `seconds` of repeats each."""
    times = []
    for cell in range(1, cells + 1):
        branches = [torch.rand(1, channels << r, size >> r, size >> r, device=device) for r in range(cell + 1)]
        for kind in (Parallel, Fusion):
            module: nn.Module = kind(cell + 1, channels).to(device).eval()
            names = {"module": module, "branches": branches}
            with torch.inference_mode(), fp32():
                timer = Timer("module(branches)", globals=names, num_threads=torch.get_num_threads())
                times.append(round(1e3 * timer.blocked_autorange(min_run_time=seconds).median, 4))
    return times

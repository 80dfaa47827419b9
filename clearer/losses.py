"""L = L_Res + λ1·L_Arch + λ2·L_Comp and its terms (Eq. 2 … 5). L updates the logits, L_Res alone the weights.

L_Res is the mean squared error, of images whose values are 0 … 1.
"""

import math

import torch
from torch import Tensor


def objective(
    restoration: Tensor, logits: Tensor, costs: Tensor, lambda1: Tensor | float, lambda2: Tensor | float
) -> tuple[Tensor, dict[str, Tensor]]:
    """L (Eq. 2), and its three terms as a curve records them; all scalars, or (K,) for K searches."""
    entropy, complexity = architecture_entropy(logits), architecture_complexity(logits, costs)
    terms = {"alpha_loss": restoration, "architecture_loss": entropy, "complexity_loss": complexity}
    return restoration + lambda1 * entropy + lambda2 * complexity, terms


def architecture_entropy(logits: Tensor) -> Tensor:
    """L_Arch: mean binary entropy of the α of every column, in decimal digits (a scalar, or (K,)). Eq. 4.

    `logits` is (columns, 2), or (K, columns, 2): parallel, fusion. Zero when every column has decided, log10(2) when
    none has. Computed from logits, so it stays finite where α reaches 0.

    The log is of base 10, as the published α require: λ1 = 0.1 then settles at α = 0.8344 (`fixed_point` of
    `analysis.predictions.polarisation`). The two α of a column have the same entropy, so (1/N)·Σ over all N = 2·columns
    of them is the mean over columns. Raises ValueError: `logits` has another shape.
    """
    if logits.ndim not in (2, 3) or logits.shape[-1] != 2 or 0 in logits.shape:
        raise ValueError(f"logits are (columns, 2), not {tuple(logits.shape)}")
    log_alpha = torch.log_softmax(logits, dim=-1)
    return -(log_alpha.exp() * log_alpha).sum(dim=-1).mean(dim=-1) / math.log(10)


def architecture_complexity(logits: Tensor, costs: Tensor) -> Tensor:
    """L_Comp: (1/N)·Σ (α^p C^p + α^f C^f), N = 2·columns (a scalar, or (K,)). Eq. 5; costs: `clearer.complexity`.

    Both are (columns, 2), or (K, columns, 2): parallel, fusion. Raises ValueError: the shapes differ.
    """
    if logits.shape != costs.shape:
        raise ValueError(f"logits are {tuple(logits.shape)}, costs {tuple(costs.shape)}")
    return (torch.softmax(logits, dim=-1) * costs).sum(dim=(-2, -1)) / (2 * logits.shape[-2])

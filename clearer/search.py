"""The architecture search: a supernet, whose weights and logits learn from two disjoint splits (section 3.2).

After a warm-up of the weights alone, an iteration is two steps: one of the logits on L = L_Res + λ1·L_Arch
+ λ2·L_Comp over the α split (`clearer.losses`), then one of the weights on L_Res over the weights split.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from clearer.architecture import Architecture
from clearer.complexity import module_costs
from clearer.configuration import Configuration
from clearer.graphs import Losses, rate_of
from clearer.losses import objective
from clearer.modules import folded, frozen
from clearer.networks import Supernet
from clearer.runs import Member, Run
from clearer.streams import torch_seed


class Search(Run):
    """Searches by each of `configurations`: weights learn from `images`, α from `watched_images`.

    Rows of a curve hold the means since the last row of `restoration_loss` (weights split), `alpha_loss` (L_Res on the
    α split), `architecture_loss`, `complexity_loss` (unweighted; absent in the warm-up), then `psnr_db` on a fixed
    batch of the α split, and `alpha`, α^f of every column. With a `search_patience` a search ends at the first row at
    which it has settled; rates are annealed as for the full length.
    """

    stage = "search"

    def _build(self, c: Configuration) -> Supernet:
        supernet = Supernet(c.columns_by_cell, c.channels, c.image_channels, c.mixing, c.skip)
        generator = torch.Generator().manual_seed(torch_seed(c.seed, "logits"))
        with torch.no_grad():
            supernet.logits.normal_(0, c.alpha_initial_std, generator=generator)
        return supernet

    def _place(self, members: Sequence[Member]) -> None:
        super()._place(members)
        c = self.configuration
        assert isinstance(self.network, Supernet)
        self.supernet = self.network
        self._weights = self.supernet.weights()
        self._costs = torch.stack([module_costs(one) for one in self._filled]).to(self.device)
        self._lambdas = torch.tensor([[one.lambda1, one.lambda2] for one in self._filled], device=self.device)
        rate = rate_of(c.weights_learning_rate, self.device)
        is_capturable = self.device.type == "cuda"
        if c.weights_optimizer == "adam":
            optimizer: Optimizer = torch.optim.Adam(self._weights, rate, fused=True, capturable=is_capturable)
        else:
            optimizer = torch.optim.SGD(self._weights, rate, c.momentum, weight_decay=c.weight_decay, fused=True)
        self._learn("weights", optimizer, self._images, "search weights crops")
        options: dict[str, Any] = {"weight_decay": c.alpha_weight_decay, "capturable": is_capturable}
        betas = c.alpha_beta1, c.alpha_beta2
        adam = torch.optim.Adam([self.supernet.logits], c.alpha_learning_rate, betas, **options)
        self._learn("alpha", adam, self._watched_images, "search alpha crops")

    def alpha(self, member: Member) -> Tensor:
        """α of a member's columns now, (columns, 2): parallel, fusion."""
        return self.supernet.alpha()[member.place]

    def architecture(self, member: Member) -> Architecture:
        """The architecture that a member's logits choose now."""
        return Architecture.from_alpha(self.alpha(member).tolist(), self.supernet.columns)

    def _iterate(self) -> Losses:
        c = self.configuration
        losses = self.step("alpha") if self.iteration >= c.warmup_iterations else {}
        self._anneal(c.weights_learning_rate, c.weights_learning_rate_end)
        return {**self.step("weights"), **losses}

    def _loss(self, name: str, degraded: Tensor, clean: Tensor) -> tuple[Tensor, Losses]:
        if name == "weights":
            loss = self._restoration(degraded, clean, self.supernet.alpha().detach())
            return loss, {"restoration_loss": loss}
        is_folded = self.configuration.alpha_statistics == "running"
        with frozen(self._weights), folded(self.supernet) if is_folded else contextlib.nullcontext():
            return self.alpha_objective(self._restoration(degraded, clean))

    def alpha_objective(self, restoration: Tensor) -> tuple[Tensor, Losses]:
        """L of every member for given L_Res, and its three terms; (K,) each."""
        logits = self.supernet.logits.unflatten(0, (self.width, -1))
        return objective(restoration, logits, self._costs, *self._lambdas.unbind(dim=1))

    def _has_settled(self, member: Member) -> bool:
        c = member.configuration
        return has_settled(member.curve, c.warmup_iterations, c.search_patience, c.search_tolerance)

    def _record(self, member: Member) -> dict[str, Any]:
        return {"alpha": self.alpha(member)[:, 1].tolist()}


def has_settled(curve: Sequence[Mapping[str, Any]], warmup_iterations: int, patience: int, tolerance: float) -> bool:
    """Whether a search may stop at the last record of `curve`: a rule of this project, not of the paper.

    It may if, since a record at least `patience` (not 0) iterations old and not of the warm-up, the architecture
    has not changed and no column's α^f (the record's `alpha`) has spanned more than `tolerance`.
    """
    if not patience or not curve:
        return False
    newest = curve[-1]["iteration"] - patience
    before = [n for n, record in enumerate(curve) if warmup_iterations <= record["iteration"] <= newest]
    if not before:
        return False
    alpha = np.array([record["alpha"] for record in curve[before[-1] :]])
    fusion = alpha > 0.5
    return bool((np.ptp(alpha, axis=0) <= tolerance).all() and (fusion == fusion[-1]).all())

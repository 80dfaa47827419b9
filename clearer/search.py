"""The architecture search: a supernet, whose weights and logits learn from two disjoint splits (section 3.2).

After a warm-up of the weights alone, an iteration is one step of the logits on L = L_Res + λ1·L_Arch +
λ2·L_Comp over the α split, then one step of the weights on L_Res over the weights split.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from clearer.architecture import Architecture
from clearer.complexity import module_costs
from clearer.configuration import Configuration
from clearer.graphs import Losses, rate_of, set_rate
from clearer.images.sets import ImageSet
from clearer.losses import architecture_complexity, architecture_entropy
from clearer.members import Member
from clearer.modules import folded
from clearer.networks import Supernet
from clearer.runs import Run, cosine
from clearer.stopping import has_settled
from clearer.streams import torch_generator


class Search(Run):
    """Searches by each of `configurations`: weights from `weights_images`, α from `alpha_images`.

    Rows of a curve hold the means since the last row of `restoration_loss` (weights split), `alpha_loss`
    (L_Res on the α split), `architecture_loss`, `complexity_loss` (unweighted; absent in the warm-up), then
    `psnr_db` on a fixed batch of the α split, and `alpha`, α^f of every column.

    With a `search_patience` a search ends at the first row at which it has settled; rates are annealed as for the full length.
    """

    stage = "search"

    def __init__(
        self,
        configurations: Sequence[Configuration],
        weights_images: ImageSet,
        alpha_images: ImageSet,
        device: torch.device | str = "cpu",
        width: int | None = None,
    ):
        c = configurations[0]
        super().__init__(configurations, _supernet, c.search_iterations, alpha_images, device, width)
        assert isinstance(self.network, Supernet)
        self.supernet = self.network
        self._weights = self.supernet.weights()
        self._weights_crops = self._crops(weights_images, "search weights crops")
        self._alpha_crops = self._crops(alpha_images, "search alpha crops")
        self._costs = torch.stack([module_costs(one) for one in self._filled]).to(self.device)
        self._lambdas = torch.tensor([[one.lambda1, one.lambda2] for one in self._filled], device=self.device)
        self.optimizers = {
            "weights": torch.optim.SGD(
                self._weights,
                rate_of(c.weights_learning_rate, self.device),
                momentum=c.momentum,
                weight_decay=c.weight_decay,
                fused=True,
            ),
            "alpha": torch.optim.Adam(
                [self.supernet.logits],
                c.alpha_learning_rate,
                betas=(c.alpha_beta1, c.alpha_beta2),
                weight_decay=c.alpha_weight_decay,
                capturable=self.device.type == "cuda",
            ),
        }

    def alpha(self, member: Member) -> Tensor:
        """α of a member's columns now, (columns, 2): parallel, fusion."""
        return self.supernet.alpha()[member.place]

    def architecture(self, member: Member) -> Architecture:
        """The architecture that a member's logits choose now."""
        return Architecture.from_alpha(self.alpha(member).tolist(), self.supernet.columns)

    def alpha_objective(self, restoration: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """L of every member for given L_Res, and its three terms (Eq. 2); (K,) each."""
        logits = self.supernet.logits.unflatten(0, (self.width, -1))
        entropy, complexity = architecture_entropy(logits), architecture_complexity(logits, self._costs)
        lambda1, lambda2 = self._lambdas.unbind(dim=1)
        total = restoration + lambda1 * entropy + lambda2 * complexity
        return total, {"alpha_loss": restoration, "architecture_loss": entropy, "complexity_loss": complexity}

    def _iterate(self) -> dict[str, Tensor]:
        losses = self._alpha_step() if self.iteration >= self.configuration.warmup_iterations else {}
        return {"restoration_loss": self._weights_step(), **losses}

    def _alpha_step(self) -> Losses:
        return self._step("alpha", self._alpha_descent, self._batch(self._alpha_crops, self.iteration))

    def _alpha_descent(self, degraded: Tensor, clean: Tensor) -> Losses:
        for weight in self._weights:
            weight.requires_grad_(False)
        is_folded = self.configuration.alpha_statistics == "running"
        try:
            with folded(self.supernet) if is_folded else contextlib.nullcontext():
                loss, terms = self.alpha_objective(self._restoration((degraded, clean)))
                self._descend(self.optimizers["alpha"], [self.supernet.logits], loss, clip=None)
        finally:
            for weight in self._weights:
                weight.requires_grad_(True)
        return terms

    def _weights_step(self) -> Tensor:
        c = self.configuration
        rate = cosine(
            self.iteration,
            self.iterations,
            c.search_epoch_iterations,
            c.weights_learning_rate,
            c.weights_learning_rate_end,
        )
        set_rate(self.optimizers["weights"], rate)
        batch = self._batch(self._weights_crops, self.iteration)
        return self._step("weights", self._weights_descent, batch)["restoration_loss"]

    def _weights_descent(self, degraded: Tensor, clean: Tensor) -> Losses:
        loss = self._restoration((degraded, clean), self.supernet.alpha().detach())
        self._descend(self.optimizers["weights"], self._weights, loss, self.configuration.clip_norm)
        return {"restoration_loss": loss}

    def _has_settled(self, member: Member) -> bool:
        c = member.configuration
        return has_settled(member.curve, c.warmup_iterations, c.search_patience, c.search_tolerance)

    def _record(self, member: Member) -> dict[str, Any]:
        return {"alpha": self.alpha(member)[:, 1].tolist()}


def _supernet(c: Configuration) -> Supernet:
    """A supernet with the initial logits of a configuration."""
    supernet = Supernet(c.columns_by_cell, c.channels, c.image_channels, c.mixing)
    with torch.no_grad():
        supernet.logits.normal_(0, c.alpha_initial_std, generator=torch_generator(c.seed, "logits"))
    return supernet

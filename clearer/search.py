"""The architecture search: one supernet, whose weights and logits learn from two disjoint splits (section 3.2).

After a warm-up of the weights alone, an iteration is one step of the logits on L = L_Res + λ1·L_Arch +
λ2·L_Comp over the α split, then one step of the weights on L_Res over the weights split.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor

from clearer.architecture import Architecture
from clearer.complexity import module_costs
from clearer.configuration import Configuration
from clearer.images import ImageSet
from clearer.losses import architecture_complexity, architecture_entropy
from clearer.modules import folded
from clearer.networks import Supernet
from clearer.runs import Run, cosine, crops
from clearer.stopping import has_settled
from clearer.streams import torch_generator


class Search(Run):
    """A search by `configuration`: weights from `weights_images`, α from `alpha_images`.

    Rows of the curve hold the means since the last row of `restoration_loss` (weights split), `alpha_loss`
    (L_Res on the α split), `architecture_loss`, `complexity_loss` (unweighted; absent in the warm-up), then
    `psnr_db` on a fixed batch of the α split, and `alpha`, α^f of every column.

    With a `search_patience` it ends at the first row at which it has settled; rates are annealed as for the full length.
    """

    stage = "search"

    def __init__(
        self,
        configuration: Configuration,
        weights_images: ImageSet,
        alpha_images: ImageSet,
        device: torch.device | str = "cpu",
    ):
        c = configuration
        supernet = Supernet(c.columns_by_cell, c.channels, c.image_channels, c.mixing)
        with torch.no_grad():
            supernet.logits.normal_(0, c.alpha_initial_std, generator=torch_generator(c.seed, "logits"))
        super().__init__(c, supernet, c.search_iterations, alpha_images, device)
        self.supernet = supernet
        self._weights = supernet.weights()
        self._weights_crops = crops(c, weights_images, "search weights crops")
        self._alpha_crops = crops(c, alpha_images, "search alpha crops")
        self._costs = module_costs(c).to(self.device)
        self.optimizers = {
            "weights": torch.optim.SGD(
                self._weights, c.weights_learning_rate, momentum=c.momentum, weight_decay=c.weight_decay, fused=True
            ),
            "alpha": torch.optim.Adam(
                [supernet.logits],
                c.alpha_learning_rate,
                betas=(c.alpha_beta1, c.alpha_beta2),
                weight_decay=c.alpha_weight_decay,
            ),
        }

    def architecture(self) -> Architecture:
        """The architecture that the logits choose now."""
        return self.supernet.architecture()

    def alpha_objective(self, restoration: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """L for a given L_Res, and its three terms (Eq. 2)."""
        logits, c = self.supernet.logits, self.configuration
        entropy, complexity = architecture_entropy(logits), architecture_complexity(logits, self._costs)
        total = restoration + c.lambda1 * entropy + c.lambda2 * complexity
        return total, {"alpha_loss": restoration, "architecture_loss": entropy, "complexity_loss": complexity}

    def _iterate(self) -> dict[str, Tensor]:
        losses = self._alpha_step() if self.iteration >= self.configuration.warmup_iterations else {}
        return {"restoration_loss": self._weights_step(), **losses}

    def _alpha_step(self) -> dict[str, Tensor]:
        for weight in self._weights:
            weight.requires_grad_(False)
        with folded(self.supernet) if self.configuration.alpha_statistics == "running" else contextlib.nullcontext():
            loss, terms = self.alpha_objective(self._restoration(self._alpha_crops.batch(self.iteration)))
            self._descend(self.optimizers["alpha"], [self.supernet.logits], loss, clip=None)
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
        self.optimizers["weights"].param_groups[0]["lr"] = rate
        loss = self._restoration(self._weights_crops.batch(self.iteration), self.supernet.alpha().detach())
        self._descend(self.optimizers["weights"], self._weights, loss, c.clip_norm)
        return loss

    def _settled(self) -> bool:
        c = self.configuration
        return has_settled(self.curve, c.warmup_iterations, c.search_patience, c.search_tolerance)

    def _record(self) -> dict[str, Any]:
        return {"alpha": self.supernet.alpha()[:, 1].tolist()}

"""Training of a derived network from scratch (section 4.1): Adam on L_Res, cosine-annealed."""

from __future__ import annotations

import torch
from torch import Tensor

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.images import ImageSet
from clearer.networks import Network
from clearer.runs import Run, cosine, crops


class Training(Run):
    """The training of `architecture` by `configuration` on `images`; `watched_images` give the curve its PSNR.

    Rows of the curve hold the mean `restoration_loss` since the last row, and `psnr_db` on a fixed batch.
    """

    stage = "train"

    def __init__(
        self,
        configuration: Configuration,
        architecture: Architecture,
        images: ImageSet,
        watched_images: ImageSet,
        device: torch.device | str = "cpu",
    ):
        c = configuration
        super().__init__(
            c, Network(architecture, c.channels, c.image_channels), c.train_iterations, watched_images, device
        )
        self._parameters = list(self.network.parameters())
        self._crops = crops(c, images, "train crops")
        self.optimizers = {"weights": torch.optim.Adam(self._parameters, c.train_learning_rate, fused=True)}

    def _iterate(self) -> dict[str, Tensor]:
        c = self.configuration
        rate = cosine(
            self.iteration, self.iterations, c.train_epoch_iterations, c.train_learning_rate, c.train_learning_rate_end
        )
        self.optimizers["weights"].param_groups[0]["lr"] = rate
        loss = self._restoration(self._crops.batch(self.iteration))
        self._descend(self.optimizers["weights"], self._parameters, loss, c.clip_norm)
        return {"restoration_loss": loss}

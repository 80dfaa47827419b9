"""Training of a derived network from scratch (section 4.1): Adam on L_Res, cosine-annealed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.graphs import Losses, rate_of, set_rate
from clearer.images.sets import ImageSet
from clearer.members import Member
from clearer.networks import Network
from clearer.runs import Run, cosine


class Training(Run):
    """The trainings of `architecture` by each of `configurations` on `images`; `watched_images` give the curves their PSNR.

    Rows of a curve hold the mean `restoration_loss` since the last row, and `psnr_db` on a fixed batch.
    """

    stage = "train"

    def __init__(
        self,
        configurations: Sequence[Configuration],
        architecture: Architecture,
        images: ImageSet,
        watched_images: ImageSet,
        device: torch.device | str = "cpu",
        width: int | None = None,
    ):
        c = configurations[0]
        super().__init__(
            configurations,
            lambda c: Network(architecture, c.channels, c.image_channels),
            c.train_iterations,
            watched_images,
            device,
            width,
        )
        self.architecture = architecture
        self._parameters = list(self.network.parameters())
        self._images = self._crops(images, "train crops")
        self.optimizers = {
            "weights": torch.optim.Adam(
                self._parameters,
                rate_of(c.train_learning_rate, self.device),
                fused=True,
                capturable=self.device.type == "cuda",
            )
        }

    def network_of(self, member: Member) -> Network:
        """A member's network, on its own."""
        c = member.configuration
        network = Network(self.architecture, c.channels, c.image_channels)
        network.load_state_dict(self.weights_of(member))
        return network

    def _iterate(self) -> dict[str, Tensor]:
        c = self.configuration
        rate = cosine(
            self.iteration, self.iterations, c.train_epoch_iterations, c.train_learning_rate, c.train_learning_rate_end
        )
        set_rate(self.optimizers["weights"], rate)
        return dict(self._step("weights", self._descent, self._batch(self._images, self.iteration)))

    def _descent(self, degraded: Tensor, clean: Tensor) -> Losses:
        loss = self._restoration((degraded, clean))
        self._descend(self.optimizers["weights"], self._parameters, loss, self.configuration.clip_norm)
        return {"restoration_loss": loss}

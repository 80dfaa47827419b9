"""Training of a derived network from scratch (section 4.1): Adam on L_Res, cosine-annealed."""

from collections.abc import Sequence

import torch
from torch import Tensor

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.graphs import Losses, rate_of
from clearer.images.sets import ImageSet
from clearer.networks import Network
from clearer.runs import Member, Run


class Training(Run):
    """The trainings of `architecture` by each of `configurations`; curves hold `restoration_loss` and `psnr_db`."""

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
        self.architecture = architecture
        super().__init__(configurations, images, watched_images, device, width)

    def _place(self, members: Sequence[Member]) -> None:
        super()._place(members)
        rate = rate_of(self.configuration.train_learning_rate, self.device)
        is_capturable = self.device.type == "cuda"
        adam = torch.optim.Adam(self.network.parameters(), rate, fused=True, capturable=is_capturable)
        self._learn("weights", adam, self._images, "train crops")

    def network_of(self, member: Member) -> Network:
        """A member's network, on its own."""
        network = self._build(member.configuration)
        network.load_state_dict(self.weights_of(member))
        return network

    def _build(self, c: Configuration) -> Network:
        return Network(self.architecture, c.channels, c.image_channels, c.skip)

    def _iterate(self) -> Losses:
        c = self.configuration
        self._anneal(c.train_learning_rate, c.train_learning_rate_end)
        return self.step("weights")

    def _loss(self, name: str, degraded: Tensor, clean: Tensor) -> tuple[Tensor, Losses]:
        loss = self._restoration(degraded, clean)
        return loss, {"restoration_loss": loss}

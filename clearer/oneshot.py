"""One-shot scores: architectures scored with the weights that a search trained, without training of their own."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.crops import Crops
from clearer.images.sets import ImageSet
from clearer.modules import fp32
from clearer.networks import Supernet
from clearer.scores import mean_psnr_db
from clearer.testing import restorations

NORM_BATCHES = 20
"""Batches from which batch norm's statistics are taken anew."""


def oneshot_scores(
    supernet: Supernet, c: Configuration, architectures: Sequence[str], learned: ImageSet, tested: ImageSet, device: str
) -> dict[str, Any]:
    """PSNR in dB of the supernet, and of architectures with its weights (`kept`: and its batch norm's statistics)."""
    scores = []
    for text in architectures:
        network = supernet.derive(Architecture.parse(text))
        kept = mean_psnr_db(restorations(c, network, tested, device))
        renew_statistics(network, c, learned, device)
        renewed = mean_psnr_db(restorations(c, network, tested, device))
        scores.append({"architecture": text, "oneshot_psnr_db": renewed, "oneshot_kept_psnr_db": kept})
    whole = mean_psnr_db(restorations(c, supernet, tested, device))
    return {"architecture": str(supernet.architecture()), "supernet_psnr_db": whole, "scores": scores}


def renew_statistics(network: nn.Module, c: Configuration, images: ImageSet, device: str) -> None:
    """Takes batch norm's running statistics anew: the plain mean over `NORM_BATCHES` batches of training crops.

    Those of a module's mixed input in the supernet scale it wrongly alone (Guo et al. 2020, SPOS, section 3.4).
    """
    crops = Crops(images, [c], "one-shot batch norm", device)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    with fp32():
        update_bn((crops.batch(number) for number in range(NORM_BATCHES)), network)
    network.eval()

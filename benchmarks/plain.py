"""The authors' way, as the baseline of `benchmarks.search_step` and `testing`: eager fp32, and nothing left out.

The mathematics is that of `clearer.search.Search` and of the networks. What differs is how:
channels first, batch norm by itself, every path of a fusion module upsampled and added by itself,
out-of-place sums, the gradients of α and of all weights in both steps, optimisers that go parameter
by parameter, and a data loader of single crops that is rebuilt for every α step.
"""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.images.sets import ImageSet
from clearer.modules import Fusion, Parallel, ResidualBlock, Transition
from clearer.networks import MixedColumn, Network, Supernet
from clearer.tasks.denoise import Denoise
from clearer.testing import as_tensor

Batch = tuple[Tensor, Tensor]


def restore(network: Supernet | Network, image: Tensor) -> Tensor:
    """`forward` of a supernet or a derived network, operation by operation; sides are multiples of 2^S."""
    alphas = iter(network.alpha()[0]) if isinstance(network, Supernet) else None
    branches = [image]
    for block in network.stem:
        branches = [_residual(block, branches[0])]
    for transition, cell in zip(network.transitions, network.cells, strict=True):
        branches = _transition(transition, branches)
        for module in cell:  # type: ignore[attr-defined]
            if alphas is not None:
                branches = _mixed(module, branches, next(alphas))
            else:
                branches = _fusion(module, branches) if isinstance(module, Fusion) else _parallel(module, branches)
    return network.head(_fusion(network.fuse, branches)[0])


def _in_order(steps: nn.Module, image: Tensor) -> Tensor:
    for step in steps.children():
        image = torch.relu(image) if isinstance(step, nn.ReLU) else step(image)
    return image


def _residual(block: ResidualBlock, image: Tensor) -> Tensor:
    return torch.relu(_in_order(block.body, image) + (_in_order(block.shortcut, image)))


def _transition(transition: Transition, branches: list[Tensor]) -> list[Tensor]:
    kept = branches if transition.narrow is None else [_in_order(transition.narrow, branches[0])]
    return [*kept, _in_order(transition.lower, branches[-1])]


def _fusion(fusion: Fusion, branches: list[Tensor]) -> list[Tensor]:
    fused = []
    for target, paths in enumerate(fusion.paths):
        sources = []
        for source, (path, branch) in enumerate(zip(paths.children(), branches, strict=True)):
            found = _in_order(path, branch)
            if source > target:
                found = F.interpolate(found, scale_factor=float(2 ** (source - target)), mode="nearest")
            sources.append(found)
        fused.append(torch.relu(functools.reduce(torch.add, sources)))
    return fused


def _parallel(module: Parallel, branches: list[Tensor]) -> list[Tensor]:
    return [_residual(block, branch) for block, branch in zip(module.blocks, branches, strict=True)]


def _mixed(column: MixedColumn, branches: list[Tensor], alpha: Tensor) -> list[Tensor]:
    kept = _parallel(column.parallel, branches)
    fused = _fusion(column.fusion, kept if column.mixing == "sequential" else branches)
    return [alpha[0] * p + alpha[1] * f for p, f in zip(kept, fused, strict=True)]


class SingleCrops(Dataset[Batch]):
    """Each item is a random crop of one image, flipped and turned at random, and its noisy version."""

    def __init__(self, configuration: Configuration, images: ImageSet):
        self.configuration, self.images = configuration, images
        self.generator = np.random.default_rng(configuration.seed)

    def __len__(self) -> int:
        return max(len(self.images.clean), self.configuration.batch_size)

    def __getitem__(self, index: int) -> Batch:
        """Degraded and clean, (channels, patch, patch), 1.0 is white."""
        c, generator = self.configuration, self.generator
        image = self.images.clean[index % len(self.images.clean)]
        y, x = (int(generator.integers(side - c.patch_size + 1)) for side in image.shape[:2])
        clean = np.rot90(image[y : y + c.patch_size, x : x + c.patch_size], int(generator.integers(4)))
        clean = clean[:, ::-1] if generator.integers(2) else clean
        degraded = Denoise().noisy(c, clean, generator.standard_normal(clean.shape, dtype=np.float32))
        return as_tensor(degraded), as_tensor(clean.astype(np.float32) / 255)

    def loader(self) -> Iterator[Batch]:
        """Batches in a new order, until the images are used up."""
        return iter(DataLoader(self, self.configuration.batch_size, shuffle=True, drop_last=True))


class PlainSearch:
    """The steps of a search by the authors' way. `objective` is `Search.alpha_objective`, of equal logits."""

    def __init__(self, supernet: Supernet, configuration: Configuration, objective: Any):
        c = configuration
        self.supernet, self.configuration, self.objective = supernet, c, objective
        self.weights = supernet.weights()
        self.optimizers = {
            "weights": torch.optim.SGD(
                self.weights, c.weights_learning_rate, momentum=c.momentum, weight_decay=c.weight_decay, foreach=False
            ),
            "alpha": torch.optim.Adam(
                [supernet.logits],
                c.alpha_learning_rate,
                betas=(c.alpha_beta1, c.alpha_beta2),
                weight_decay=c.alpha_weight_decay,
                foreach=False,
            ),
        }

    def alpha_step(self, batch: Batch) -> None:
        """One step of the logits on L. Every gradient is computed, as by a plain `backward`."""
        self.supernet.train(self.configuration.alpha_statistics == "batch")
        self.optimizers["alpha"].zero_grad()
        self.objective(self._restoration(batch))[0].backward()
        self.optimizers["alpha"].step()

    def weights_step(self, batch: Batch, rate: float) -> None:
        """One step of the weights on L_Res, at a learning rate."""
        self.supernet.train()
        self.optimizers["weights"].param_groups[0]["lr"] = rate
        self.optimizers["weights"].zero_grad()
        self._restoration(batch).backward()
        nn.utils.clip_grad_norm_(self.weights, self.configuration.clip_norm, foreach=False)
        self.optimizers["weights"].step()

    def _restoration(self, batch: Batch) -> Tensor:
        degraded, clean = batch
        return F.mse_loss(restore(self.supernet, degraded), clean)


class PlainTraining:
    """The training of a derived network by the authors' way, at a constant learning rate."""

    def __init__(self, architecture: Architecture, configuration: Configuration):
        c = configuration
        self.network, self.clip_norm = Network(architecture, c.channels, c.image_channels).train(), c.clip_norm
        self.optimizer = torch.optim.Adam(self.network.parameters(), c.train_learning_rate, foreach=False)

    def step(self, batch: Batch) -> None:
        """One step of the weights on L_Res."""
        degraded, clean = batch
        self.optimizer.zero_grad()
        F.mse_loss(restore(self.network, degraded), clean).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_norm, foreach=False)
        self.optimizer.step()

"""The modules of the search space. Each maps a list of branches to a new list and leaves its input alone.

Branch r is (batch, C·2^r, height/2^r, width/2^r). Source: method section 3.1, supplementary figure 1.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

Branches = list[Tensor]


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A padded convolution without bias."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


def normalised(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution followed by batch norm."""
    return [convolution(inputs, outputs, kernel, stride), nn.BatchNorm2d(outputs)]


class ResidualBlock(nn.Module):
    """ReLU(body(x) + shortcut(x)), one resolution in and out."""

    def __init__(self, body: nn.Sequential, shortcut: nn.Module | None = None):
        super().__init__()
        self.body = body
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def forward(self, image: Tensor) -> Tensor:
        """(batch, inputs, height, width) → (batch, outputs, height, width)."""
        return torch.relu(self.body(image) + self.shortcut(image))


def bottleneck(inputs: int, channels: int) -> ResidualBlock:
    """1×1 to C, 3×3, 1×1 to 4C; a 1×1 shortcut where `inputs` is not 4C."""
    wide = 4 * channels
    body = nn.Sequential(
        *normalised(inputs, channels, 1),
        nn.ReLU(),
        *normalised(channels, channels),
        nn.ReLU(),
        *normalised(channels, wide, 1),
    )
    return ResidualBlock(body, None if inputs == wide else nn.Sequential(*normalised(inputs, wide, 1)))


def stem(image_channels: int, channels: int) -> nn.Sequential:
    """The two bottleneck blocks that turn an image into 4C channels at full resolution."""
    return nn.Sequential(bottleneck(image_channels, channels), bottleneck(4 * channels, channels))


class Transition(nn.Module):
    """T_cell: keeps the branches and adds one at half the lowest resolution; T_1 also narrows 4C to C."""

    def __init__(self, cell: int, channels: int):
        super().__init__()
        lowest = 4 * channels if cell == 1 else channels << (cell - 1)
        self.narrow = nn.Sequential(*normalised(lowest, channels), nn.ReLU()) if cell == 1 else None
        self.lower = nn.Sequential(*normalised(lowest, channels << cell, stride=2), nn.ReLU())

    def forward(self, branches: Branches) -> Branches:
        """`cell` branches → `cell` + 1 branches."""
        kept = branches if self.narrow is None else [self.narrow(branches[0])]
        return [*kept, self.lower(branches[-1])]


class Parallel(nn.Module):
    """f^p: a residual block on each branch; resolutions do not meet."""

    def __init__(self, branches: int, channels: int):
        super().__init__()
        widths = [channels << r for r in range(branches)]
        self.blocks = nn.ModuleList(
            ResidualBlock(nn.Sequential(*normalised(w, w), nn.ReLU(), *normalised(w, w))) for w in widths
        )

    def forward(self, branches: Branches) -> Branches:
        """As many branches, of the same shapes."""
        return [block(branch) for block, branch in zip(self.blocks, branches, strict=True)]


class Fusion(nn.Module):
    """f^f: output branch i = ReLU(Σ_j g_{j→i}(y_j)), over all branches j, for the first `targets` branches i."""

    def __init__(self, branches: int, channels: int, targets: int | None = None):
        super().__init__()
        count = branches if targets is None else targets
        self.paths = nn.ModuleList(
            nn.ModuleList(resample(j, i, channels) for j in range(branches)) for i in range(count)
        )

    def forward(self, branches: Branches) -> Branches:
        """`branches` branches → `targets` branches, branch i of the shape of input branch i."""
        fused = []
        for paths in self.paths:
            assert isinstance(paths, nn.ModuleList)
            sources = [path(branch) for path, branch in zip(paths, branches, strict=True)]
            fused.append(torch.relu(functools.reduce(torch.add, sources)))
        return fused


def resample(source: int, target: int, channels: int) -> nn.Module:
    """g_{source→target}: identity, stride-2 3×3 convolutions downwards, 1×1 and nearest upsampling upwards."""
    if source == target:
        return nn.Identity()
    inputs, outputs = channels << source, channels << target
    if source > target:
        return nn.Sequential(
            *normalised(inputs, outputs, 1), nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        )
    steps: list[nn.Module] = []
    for _ in range(target - source - 1):
        steps += [*normalised(inputs, inputs, stride=2), nn.ReLU()]
    return nn.Sequential(*steps, *normalised(inputs, outputs, stride=2))

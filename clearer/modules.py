"""The modules of the search space. Each maps a list of branches to a new list and leaves its input alone.

Branch r is (batch, C·2^r, height/2^r, width/2^r). Source: method section 3.1, supplementary figure 1. How they compute
is chosen around a call: with batch norm `folded`, with parameters `frozen`, in full `fp32`.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Branches = list[Tensor]


def normalised(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """A padded convolution without bias, followed by batch norm."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


def rectified(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution, batch norm and a rectifier."""
    return [*normalised(inputs, outputs, kernel, stride), nn.ReLU(inplace=True)]


class Steps(nn.Sequential):
    """Convolutions, batch norms and rectifiers; inside `folded`, a convolution's weights include its batch norm."""

    def __init__(self, *steps: nn.Module):
        super().__init__(*steps)
        self._folded: list[tuple[Tensor, Tensor]] | None = None

    def forward(self, image: Tensor) -> Tensor:
        """(batch, inputs, height, width) → (batch, outputs, height, width) at the last convolution's resolution."""
        if self._folded is None:
            return super().forward(image)
        pairs = iter(self._folded)
        for step in self:
            if isinstance(step, nn.Conv2d):
                own = next(pairs)
                image = F.conv2d(image, *own, step.stride, step.padding, 1, step.groups)  # type: ignore[arg-type]
            elif isinstance(step, nn.ReLU):
                image = torch.relu_(image)
        return image

    def pairs(self) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """Every convolution with the batch norm that follows it."""
        return [pair for pair in itertools.pairwise(self) if isinstance(pair[1], nn.BatchNorm2d)]  # type: ignore[misc]


@contextmanager
def folded(network: nn.Module) -> Iterator[None]:
    """Inside, every `Steps` is in evaluation mode, by the weights and running statistics of the beginning.

    Batch norm is folded into the convolutions, for fewer operations. No weight gets a gradient through it.
    """
    chains = [module for module in network.modules() if isinstance(module, Steps)]
    pairs = iter(_folded_pairs([pair for chain in chains for pair in chain.pairs()]))
    for chain in chains:
        chain._folded = list(itertools.islice(pairs, len(chain.pairs())))
    try:
        yield
    finally:
        for chain in chains:
            chain._folded = None


@contextmanager
def frozen(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Inside, nothing is kept for gradients of `parameters`."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@contextmanager
def fp32(tf32: bool = False) -> Iterator[None]:
    """Inside, products in fp32 are in full precision on every device, or on a GPU in TF32.

    Unless told otherwise PyTorch's convolutions round factors to TF32's 10 bits on a GPU.
    """
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = tf32
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


@torch.no_grad()
def _folded_pairs(pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]]) -> list[tuple[Tensor, Tensor]]:
    """A weight and a bias for each; scales and shifts of all are computed at once."""
    if not pairs:
        return []

    def every(name: str) -> Tensor:
        return torch.cat([getattr(norm, name) for _, norm in pairs])

    scales = every("weight") * torch.rsqrt(every("running_var") + pairs[0][1].eps)
    shifts = torch.addcmul(every("bias"), every("running_mean"), scales, value=-1)
    widths = [norm.num_features for _, norm in pairs]
    parts = zip(pairs, scales.split(widths), shifts.split(widths), strict=True)
    return [(convolution.weight * scale.view(-1, 1, 1, 1), shift) for (convolution, _), scale, shift in parts]


class ResidualBlock(nn.Module):
    """ReLU(body(x) + shortcut(x)), one resolution in and out."""

    def __init__(self, body: Steps, shortcut: nn.Module | None = None):
        super().__init__()
        self.body = body
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def forward(self, image: Tensor) -> Tensor:
        """(batch, inputs, height, width) → (batch, outputs, height, width)."""
        return self.body(image).add_(self.shortcut(image)).relu_()


def bottleneck(inputs: int, channels: int) -> ResidualBlock:
    """1×1 to C, 3×3, 1×1 to 4C; a 1×1 shortcut where `inputs` is not 4C."""
    wide = 4 * channels
    first, second = rectified(inputs, channels, 1), rectified(channels, channels)
    body = Steps(*first, *second, *normalised(channels, wide, 1))
    return ResidualBlock(body, None if inputs == wide else Steps(*normalised(inputs, wide, 1)))


def stem(image_channels: int, channels: int) -> nn.Sequential:
    """The two bottleneck blocks that turn an image into 4C channels at full resolution."""
    return nn.Sequential(bottleneck(image_channels, channels), bottleneck(4 * channels, channels))


class Transition(nn.Module):
    """T_cell: keeps the branches and adds one at half the lowest resolution; T_1 also narrows 4C to C."""

    def __init__(self, cell: int, channels: int):
        super().__init__()
        lowest = 4 * channels if cell == 1 else channels << (cell - 1)
        self.narrow = Steps(*rectified(lowest, channels)) if cell == 1 else None
        self.lower = Steps(*rectified(lowest, channels << cell, stride=2))

    def forward(self, branches: Branches) -> Branches:
        """`cell` branches → `cell` + 1 branches."""
        kept = branches if self.narrow is None else [self.narrow(branches[0])]
        return [*kept, self.lower(branches[-1])]


class Parallel(nn.Module):
    """f^p: a residual block on each branch; resolutions do not meet."""

    def __init__(self, branches: int, channels: int):
        super().__init__()
        widths = [channels << r for r in range(branches)]
        self.blocks = nn.ModuleList(ResidualBlock(Steps(*rectified(w, w), *normalised(w, w))) for w in widths)

    def forward(self, branches: Branches) -> Branches:
        """As many branches, of the same shapes."""
        return [block(branch) for block, branch in zip(self.blocks, branches, strict=True)]


class Fusion(nn.Module):
    """f^f: output branch i = ReLU(Σ_j g_{j→i}(y_j)), over all branches j, for the first `targets` branches i.

    g_{j→i} is the identity for j = i, stride-2 3×3 convolutions downwards, and a 1×1 convolution and nearest upsampling
    upwards. Upsampling by 2^(j−i) is j−i times that by 2: what comes from below is added up on its way.
    """

    def __init__(self, branches: int, channels: int, targets: int | None = None):
        super().__init__()
        count = branches if targets is None else targets
        rows = ([resample(j, i, channels) for j in range(branches)] for i in range(count))
        self.paths = nn.ModuleList(nn.ModuleList(row) for row in rows)

    def forward(self, branches: Branches) -> Branches:
        """`branches` branches → `targets` branches, branch i of the shape of input branch i."""
        return [self._fused(target, branches) for target in range(len(self.paths))]

    def _fused(self, target: int, branches: Branches) -> Tensor:
        paths: nn.ModuleList = self.paths[target]  # type: ignore[assignment]
        sources = [path(branch) for path, branch in zip(paths, branches, strict=True)]
        total = sources.pop()
        while len(sources) > target:
            total = F.interpolate(total, scale_factor=2.0, mode="nearest").add_(sources.pop())
        for source in sources:
            total = source.add_(total)  # into the source: before the first one the total may be the input itself
        return total.relu_()


def resample(source: int, target: int, channels: int) -> nn.Module:
    """What g_{source→target} learns: nothing, stride-2 3×3 convolutions downwards, a 1×1 convolution upwards."""
    if source == target:
        return nn.Identity()
    inputs, outputs = channels << source, channels << target
    if source > target:
        return Steps(*normalised(inputs, outputs, 1))
    steps = [step for _ in range(target - source - 1) for step in rectified(inputs, inputs, stride=2)]
    return Steps(*steps, *normalised(inputs, outputs, stride=2))

"""The supernet, which holds every architecture, and the network derived from one.

Both are built from the same modules and take images of any size: sides are padded to a multiple of 2^S
inside and the result is cropped back. With `skip="global"` the head's output is added to the input, as in DnCNN
(Zhang et al. 2017); with "none", as in the paper, it is the restored image itself.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearer.architecture import FUSION, PARALLEL, Architecture
from clearer.configuration import MIXINGS, SKIPS
from clearer.modules import Branches, Fusion, Parallel, ResidualBlock, Transition, stem
from clearer.packing import by_channel

_LETTERS = {PARALLEL: Parallel, FUSION: Fusion}


class MixedColumn(nn.Module):
    """A supernet column (Eq. 1): y' = α^p f^p(y) + α^f f^f(y); `sequential`, as in the released code: f^f(f^p(y))."""

    def __init__(self, branches: int, channels: int, mixing: str = "parallel"):
        super().__init__()
        if mixing not in MIXINGS:
            raise ValueError(f"mixing={mixing!r}: one of {', '.join(MIXINGS)}")
        self.parallel = Parallel(branches, channels)
        self.fusion = Fusion(branches, channels)
        self.mixing = mixing

    def forward(self, branches: Branches, alpha: Tensor) -> Branches:
        """`alpha` is (2, K): parallel, fusion of each of the K networks of a pack."""
        kept = self.parallel(branches)
        fused = self.fusion(kept if self.mixing == "sequential" else branches)
        of_parallel, of_fusion = alpha.unbind()
        pairs = zip(kept, fused, strict=True)
        return [(p * by_channel(of_parallel, p)).add_(f * by_channel(of_fusion, f)) for p, f in pairs]


class MultiScale(nn.Module):
    """Stem, transitions, final fusion and head around cells of columns that a subclass fills."""

    def __init__(self, cells: Sequence[Sequence[nn.Module]], channels: int, image_channels: int, skip: str):
        super().__init__()
        if skip not in SKIPS:
            raise ValueError(f"skip={skip!r}: one of {', '.join(SKIPS)}")
        self.channels, self.image_channels, self.skip = channels, image_channels, skip
        self.stem = stem(image_channels, channels)
        self.transitions = nn.ModuleList(Transition(i, channels) for i in range(1, len(cells) + 1))
        self.cells = nn.ModuleList(nn.ModuleList(cell) for cell in cells)
        self.fuse = Fusion(len(cells) + 1, channels, targets=1)
        self.head = nn.Conv2d(channels, image_channels, 1, bias=False)

    def _restore(self, image: Tensor, apply: Callable[[nn.Module, Branches], Branches]) -> Tensor:
        height, width = image.shape[-2:]
        multiple = 2 ** len(self.cells)
        right, lower = -width % multiple, -height % multiple
        if torch.compiler.is_compiling() or right or lower:  # an exported graph takes any size
            image = F.pad(image, (0, right, 0, lower), mode="replicate")
            if image.is_cuda:  # where padding leaves no image channels last
                image = image.contiguous(memory_format=torch.channels_last)
        branches = [self.stem(image)]
        for transition, cell in zip(self.transitions, self.cells, strict=True):
            branches = transition(branches)
            for module in cell:  # type: ignore[attr-defined]
                branches = apply(module, branches)
        restored = self.head(self.fuse(branches)[0])
        return (restored if self.skip == "none" else image + restored)[..., :height, :width]

    def initialise(self, generator: torch.Generator, std: float, kind: str = "normal") -> None:
        """Draws every convolution, in the order of the parameters; batch norm is 1 and 0.

        * `normal`: from N(0, std²), as in the released code.
        * `he`: from N(0, 2/fan-in) (He et al. 2015). The head, and the last scale of every residual block, begin at
          0: a block as the identity (Goyal et al. 2017, section 5.1), and with a skip so does the network.
        """
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    drawn = std if kind == "normal" else math.sqrt(2 / module.weight[0].numel())
                    module.weight.normal_(0.0, drawn, generator=generator)
            if kind == "he":
                blocks = [module for module in self.modules() if isinstance(module, ResidualBlock)]
                for weight in (self.head.weight, *(block.body[-1].weight for block in blocks)):
                    weight.zero_()  # type: ignore[operator]


class Network(MultiScale):
    """The derived network of one architecture."""

    def __init__(self, architecture: Architecture, channels: int = 32, image_channels: int = 1, skip: str = "none"):
        columns = enumerate(architecture.cells, start=2)
        cells = [[_LETTERS[letter](branches, channels) for letter in letters] for branches, letters in columns]
        super().__init__(cells, channels, image_channels, skip)
        self.architecture = architecture

    def forward(self, image: Tensor) -> Tensor:
        """A degraded image (batch, image_channels, height, width), 0 … 1, restored, in the same shape."""
        return self._restore(image, lambda module, branches: module(branches))


class Supernet(MultiScale):
    """Every column holds both modules, weighted by α, the softmax of `logits`, (K·columns, 2): parallel, fusion."""

    def __init__(
        self,
        columns: Sequence[int],
        channels: int = 32,
        image_channels: int = 1,
        mixing: str = "parallel",
        skip: str = "none",
    ):
        cells = [[MixedColumn(cell + 1, channels, mixing) for _ in range(n)] for cell, n in enumerate(columns, start=1)]
        super().__init__(cells, channels, image_channels, skip)
        self.columns = tuple(columns)
        self.logits = nn.Parameter(torch.zeros(sum(columns), 2))

    def alpha(self) -> Tensor:
        """(K, columns, 2): parallel, fusion; each row sums to 1."""
        return torch.softmax(self.logits.unflatten(0, (-1, sum(self.columns))), dim=-1)

    def weights(self) -> list[nn.Parameter]:
        """Everything learnable but the logits."""
        return [parameter for name, parameter in self.named_parameters() if name != "logits"]

    def forward(self, image: Tensor, alpha: Tensor | None = None) -> Tensor:
        """As `Network.forward`; `alpha`, (columns, 2) or (K, columns, 2), takes the place of the supernet's own."""
        own = self.alpha() if alpha is None else alpha.reshape(-1, sum(self.columns), 2)
        mixtures = iter(own.permute(1, 2, 0).unbind())
        return self._restore(image, lambda module, branches: module(branches, next(mixtures)))

    def architecture(self) -> Architecture:
        """The architecture that the logits choose; of a supernet on its own."""
        return Architecture.from_alpha(self.alpha()[0].tolist(), self.columns)

    def derive(self, architecture: Architecture) -> Network:
        """The derived network with one-shot weights, to score alone. Raises ValueError: another number of columns."""
        if architecture.columns != self.columns:
            other = architecture.columns
            raise ValueError(f"architecture {architecture} has columns {other}, the supernet {self.columns}")
        network = Network(architecture, self.channels, self.image_channels, self.skip)
        for part in ("stem", "transitions", "fuse", "head"):
            getattr(network, part).load_state_dict(getattr(self, part).state_dict())
        modules = (module for cell in network.cells for module in cell)  # type: ignore[attr-defined]
        columns = (column for cell in self.cells for column in cell)  # type: ignore[attr-defined]
        for letter, module, column in zip(architecture.letters, modules, columns, strict=True):
            module.load_state_dict((column.parallel if letter == PARALLEL else column.fusion).state_dict())
        return network.train(self.training)

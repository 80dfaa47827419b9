"""The search space in text and numbers: architectures, their convolutions, and exact counts of both.

    image → stem → T_1 → cell_1 → … → T_S → cell_S → final fusion → 1×1 convolution → image

Branch r works at resolution 1/2^r with C·2^r channels. Cell i (i = 1 … S) has i+1 branches and N_i columns, each a
parallel (P) or a fusion (F) module. A test holds the lists of convolutions here against `clearer.modules`.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

PARALLEL, FUSION = "P", "F"


class Convolution(NamedTuple):
    """One convolution without bias; `scale` r says that its output has 1/2^r of the input's resolution."""

    inputs: int
    outputs: int
    kernel: int
    scale: int
    normalised: bool = True

    @property
    def parameters(self) -> int:
        """Weights, and the batch norm's scale and shift where there is one."""
        return self.inputs * self.outputs * self.kernel**2 + 2 * self.outputs * self.normalised

    @property
    def flops_per_pixel(self) -> float:
        """Floating-point operations per pixel of the network's input image: two a multiply-add."""
        return 2 * self.inputs * self.outputs * self.kernel**2 / 4**self.scale


def stem_convolutions(channels: int, image_channels: int) -> list[Convolution]:
    """Two residual bottleneck blocks, the first with a 1×1 shortcut."""
    wide = 4 * channels
    inner = [Convolution(channels, channels, 3, 0), Convolution(channels, wide, 1, 0)]
    first = [Convolution(image_channels, channels, 1, 0), *inner, Convolution(image_channels, wide, 1, 0)]
    return [*first, Convolution(wide, channels, 1, 0), *inner]


def transition_convolutions(cell: int, channels: int) -> list[Convolution]:
    """T_`cell` (counted from 1): adds branch `cell`; T_1 also narrows the stem's 4C channels to C."""
    if cell == 1:
        return [Convolution(4 * channels, channels, 3, 0), Convolution(4 * channels, 2 * channels, 3, 1)]
    return [Convolution(channels << (cell - 1), channels << cell, 3, cell)]


def fusion_convolutions(branches: int, channels: int, targets: int | None = None) -> list[Convolution]:
    """Every branch into each of the first `targets` branches (all of them by default)."""
    found = []
    for target in range(branches if targets is None else targets):
        for source in range(branches):
            if source > target:  # 1×1 at the low resolution, then upsampling
                found.append(Convolution(channels << source, channels << target, 1, source))
            for step in range(source + 1, target + 1):  # stride 2, channels change at the last
                outputs = channels << (target if step == target else source)
                found.append(Convolution(channels << source, outputs, 3, step))
    return found


def module_convolutions(letter: str, cell: int, channels: int) -> list[Convolution]:
    """One column of cell `cell` (counted from 1): a fusion, or a residual block of two 3×3 on each branch."""
    if letter == FUSION:
        return fusion_convolutions(cell + 1, channels)
    return [Convolution(channels << r, channels << r, 3, r) for r in range(cell + 1) for _ in range(2)]


def convolutions(cells: Sequence[str], channels: int, image_channels: int) -> list[Convolution]:
    """Every convolution of a network whose cells have these modules, in whatever columns."""
    found = stem_convolutions(channels, image_channels)
    for cell, letters in enumerate(cells, start=1):
        found += transition_convolutions(cell, channels)
        found += [one for letter in letters for one in module_convolutions(letter, cell, channels)]
    found += fusion_convolutions(len(cells) + 1, channels, targets=1)
    return [*found, Convolution(channels, image_channels, 1, 0, normalised=False)]


@dataclass(frozen=True)
class Architecture:
    """The choices of a derived network: one letter a column, one text a cell."""

    cells: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.cells:
            raise ValueError("an architecture has at least one cell")
        name = f"architecture {str(self)!r}"
        if "" in self.cells:
            raise ValueError(f"{name} has a cell without columns")
        for letter in self.letters:
            if letter not in (PARALLEL, FUSION):
                raise ValueError(f"{name} has the letter {letter!r}: a column is P (parallel) or F (fusion)")

    def __str__(self) -> str:
        return "-".join(self.cells)

    @classmethod
    def parse(cls, text: str) -> Self:
        """That of a text such as `FPFP-FPFF-PFFP`. Raises ValueError: another letter than P and F, or an empty cell."""
        return cls(tuple(text.split("-")))

    @classmethod
    def from_letters(cls, letters: str, columns: Sequence[int]) -> Self:
        """The letters of all columns in order, divided into cells of `columns` columns each."""
        if len(letters) != sum(columns):
            raise ValueError(f"{len(letters)} letters for {sum(columns)} columns")
        left = iter(letters)
        return cls(tuple("".join(itertools.islice(left, n)) for n in columns))

    @classmethod
    def repeating(cls, letters: str, columns: Sequence[int]) -> Self:
        """`letters` over and over in `columns` columns a cell: P is the largest of all, F the smallest."""
        return cls.from_letters((letters * sum(columns))[: sum(columns)], columns)

    @classmethod
    def from_alpha(cls, alpha: Sequence[Sequence[float]], columns: Sequence[int]) -> Self:
        """Per column the module with the larger α; `alpha` is (columns, 2): parallel, fusion. A tie is parallel."""
        return cls.from_letters("".join(PARALLEL if p >= f else FUSION for p, f in alpha), columns)

    @classmethod
    def random(cls, columns: Sequence[int], generator: np.random.Generator) -> Self:
        """A uniform draw from the space with `columns` columns in each cell."""
        return cls.from_letters("".join(generator.choice([PARALLEL, FUSION], size=sum(columns))), columns)

    @property
    def columns(self) -> tuple[int, ...]:
        """N_i of every cell."""
        return tuple(len(cell) for cell in self.cells)

    @property
    def letters(self) -> str:
        """The letters of all columns, without the dashes."""
        return "".join(self.cells)

    @property
    def fusion_columns(self) -> int:
        """The number of columns that hold a fusion module."""
        return self.letters.count(FUSION)

    def parameters(self, channels: int = 32, image_channels: int = 1) -> int:
        """Learnable parameters of the derived network: convolutions and batch-norm scales and shifts."""
        return sum(c.parameters for c in convolutions(self.cells, channels, image_channels))

    def flops_per_pixel(self, channels: int = 32, image_channels: int = 1) -> float:
        """Operations of the convolutions per input pixel, two a multiply-add; exact for sides of multiples of 2^S."""
        return sum(c.flops_per_pixel for c in convolutions(self.cells, channels, image_channels))


def supernet_parameters(columns: Sequence[int], channels: int = 32, image_channels: int = 1) -> int:
    """Weights of the supernet that holds both modules in every column (logits not counted)."""
    both = [(PARALLEL + FUSION) * n for n in columns]
    return sum(c.parameters for c in convolutions(both, channels, image_channels))

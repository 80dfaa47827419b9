"""The whole search space without a network: every architecture's exact counts, and where the found ones stand in it.

Counts follow from how many fusion modules each cell holds, not from where in the cell they are: the 4,096 architectures
of `4-4-4` have 125 different sizes. The sums are closed forms in C (channels) and r (branch r works at 1/2^r with C·2^r
channels): convolutions without bias, two parameters of batch norm a channel, two operations a multiply-add.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.rows.units import require

LARGEST = 2**20
"""More rows than this are refused."""
COSTS = ("parameters", "flops")
"""What is counted, without a device."""
SHAPE = ("columns", "channels", "image_channels")
"""What a space is made of, in the order of the arguments."""


class SpaceError(ValueError):
    """A space that is not one, or is too large to list; the message is one line."""


def space(columns: str = "4-4-4", channels: int = 32, image_channels: int = 1) -> pd.DataFrame:
    """One row an architecture, in the order of its letters with P before F.

    `columns` is N_i of every cell as a store's `columns` has it (`4-4-4`; `4` is one cell). Columns: `architecture`,
    `fusions` (fusion modules by cell, `2-1-3`), `fusion_columns` (their sum), `parameters`, and `flops` per pixel of
    the input image, as the columns of a trial's row and as `python -m clearer describe` prints them. Raises SpaceError:
    not a space, or one of more than `LARGEST` architectures; `space_counts` describes those.
    """
    cells = _cells(columns)
    if 2 ** sum(cells) > LARGEST:
        too_many = f"2^{sum(cells)} architectures are too many to list"
        raise SpaceError(f"columns={columns}: {too_many}; space_counts holds their counts")
    counted = space_counts(columns, channels, image_channels).drop(columns="share")
    numbers = np.arange(2 ** sum(cells))[:, np.newaxis]
    fusion = (numbers >> np.arange(sum(cells))[::-1]) & 1
    starts = np.cumsum([0, *cells[:-1]])
    by_cell = np.add.reduceat(fusion, starts, axis=1)
    found = counted.iloc[np.ravel_multi_index(tuple(by_cell.T), tuple(n + 1 for n in cells))].reset_index(drop=True)
    letters = np.insert(np.where(fusion, "F", "P"), starts[1:], "-", axis=1)
    found.insert(0, "architecture", np.ascontiguousarray(letters).view(f"<U{letters.shape[1]}").ravel())
    return found


def space_counts(columns: str = "4-4-4", channels: int = 32, image_channels: int = 1) -> pd.DataFrame:
    """One row for each number of fusion modules by cell, with the `share` of all architectures that have it.

    Columns as `space` has them, without `architecture`. Its Π(N_i + 1) rows say of the costs all that the 2^ΣN_i rows
    of `space` say, of spaces that nobody can list too. Raises SpaceError: not a space, or more than `LARGEST` rows.
    """
    cells = _cells(columns)
    if min(channels, image_channels) < 1:
        raise SpaceError(f"channels={channels}, image_channels={image_channels}: must be greater than 0")
    if math.prod(n + 1 for n in cells) > LARGEST:
        raise SpaceError(f"columns={columns}: more than {LARGEST} different counts are too many to list")
    fusions = np.stack(np.meshgrid(*(np.arange(n + 1) for n in cells), indexing="ij"), axis=-1).reshape(-1, len(cells))
    known = [np.array([math.comb(n, k) / 2**n for k in range(n + 1)]) for n in cells]
    modules = [module_counts(cell, channels) for cell in range(1, len(cells) + 1)]
    table = {"fusions": ["-".join(map(str, row)) for row in fusions.tolist()], "fusion_columns": fusions.sum(axis=1)}
    for kind, (name, fixed) in enumerate(zip(COSTS, fixed_counts(len(cells), channels, image_channels), strict=True)):
        pairs = [(parallel[kind], fusion[kind]) for parallel, fusion in modules]
        table[name] = fixed + sum(
            (n - k) * parallel + k * fusion for n, k, (parallel, fusion) in zip(cells, fusions.T, pairs, strict=True)
        )
    share = math.prod(each[k] for each, k in zip(known, fusions.T, strict=True))
    return pd.DataFrame({**table, "share": share})


def module_counts(cell: int, channels: int) -> tuple[tuple[int, float], tuple[int, float]]:
    """(parameters, FLOPs per pixel) of the parallel and of the fusion module of cell `cell` (from 1).

    It has branches 0 … cell. Parallel: two 3×3 convolutions on each branch. Fusion, for branches a < b: up from b a 1×1
    convolution at 1/2^b; down from a the b−a convolutions 3×3 of stride 2, the last from C·2^a to C·2^b channels.
    """
    c, square = channels, channels**2
    parallel = 6 * square * (4 ** (cell + 1) - 1) + 4 * c * (2 ** (cell + 1) - 1), 36.0 * square * (cell + 1)
    pairs = [(a, b) for b in range(cell + 1) for a in range(b)]
    parameters = sum(
        10 * square * 2 ** (a + b) + 2 * c * (2**a + 2**b) + (b - a - 1) * (9 * square * 4**a + 2 * c * 2**a)
        for a, b in pairs
    )
    flops = sum(20 * square / 2 ** (b - a) + 6 * square * (1 - 0.25 ** (b - a - 1)) for a, b in pairs)
    return parallel, (parameters, flops)


def fixed_counts(cells: int, channels: int, image_channels: int) -> tuple[int, float]:
    """(parameters, FLOPs per pixel) of what every architecture has: stem, transitions, final fusion, head."""
    c, square, image = channels, channels**2, image_channels
    stem = 30 * square + 5 * image * c
    first, later = 108 * square, sum(18 * square * 4 ** (i - 1) for i in range(2, cells + 1))
    final, head = sum(square * 2**b for b in range(1, cells + 1)), image * c
    norms = c * (32 + 6 + sum(2 ** (i + 1) for i in range(2, cells + 1)) + 2 * cells)
    flops = 2 * (stem + head) + (108 + 9 * (cells - 1) + sum(2 / 2**b for b in range(1, cells + 1))) * square
    return stem + first + later + final + head + norms, flops


def standing(rows: pd.DataFrame, whole: pd.DataFrame) -> pd.DataFrame:
    """Where the architectures of `rows` stand among all: one row a kind and architecture, the smallest first.

    `whole` is of `space` or `space_counts`, for a time with a column `predicted_time_ms` (`TimeModel.predict`).
    Columns: `kind`, `architecture`, `trials`, `fusion_columns`, `test_time_ms` (median of what was measured), and
    `parameters`, `flops`, `predicted_time_ms`, each with its `…_percentile`: the share in % of all architectures that
    have less, and half of those that have the same (the mid-rank). The mean over a whole space is 50, hence the
    expectation of a uniform draw. A percentile is null where nothing is predicted. Raises SpaceError: an architecture
    of another space, or with another number of channels.
    """
    known = whole.drop_duplicates("fusions").set_index("fusions")
    weights = shares(whole)
    done = rows.dropna(subset=["architecture"])
    found = done.groupby(["kind", "architecture"], as_index=False).agg(
        trials=("architecture", "size"), own=("parameters", "first"), test_time_ms=("test_time_ms", "median")
    )
    keys = fusions_of(found["architecture"])
    for text, key, own in zip(found["architecture"], keys, found["own"], strict=True):
        if key not in known.index or known.loc[key, "parameters"] != own:
            other = "other columns, channels or image_channels"
            raise SpaceError(f"{text} of {own} parameters is not of this space: {other}")
    table = found.drop(columns="own").assign(fusion_columns=known.loc[keys, "fusion_columns"].to_numpy())
    for cost in (*COSTS, "predicted_time_ms"):
        costs = whole[cost] if cost in whole else pd.Series(np.nan, index=whole.index)
        table[cost] = known.loc[keys, cost].to_numpy() if cost in whole else np.nan
        table[f"{cost}_percentile"] = mid_rank(table[cost].to_numpy(float), costs.to_numpy(float), weights.to_numpy())
    return table.sort_values(["kind", "parameters", "architecture"], ignore_index=True)


def mid_rank(values: np.ndarray, costs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The percentile of each of `values` among `costs`, whose `weights` add up to 1: less, and half of the equal."""
    less = (costs < values[:, np.newaxis]) @ weights
    upto = (costs <= values[:, np.newaxis]) @ weights
    return np.where(np.isnan(values), np.nan, 50 * (less + upto))


def space_of(rows: pd.DataFrame) -> pd.DataFrame | None:
    """The `space_counts` of the space that rows are of; None where they are of several."""
    kinds = rows[list(SHAPE)].drop_duplicates()
    return space_counts(*kinds.iloc[0]) if len(kinds) == 1 else None


def cost_distribution(whole: pd.DataFrame, cost: str) -> pd.DataFrame:
    """Columns `cost`, `share` (of all architectures that cost so much) and `predicted`: one row for each cost there is.

    `whole` is of `space` or `space_counts`, `cost` one of its columns. Raises KeyError: it is none.
    """
    require(whole, cost)
    found = shares(whole).groupby(whole[cost].to_numpy()).sum().rename_axis("cost").rename("share")
    return found.reset_index().assign(predicted=cost.startswith("predicted"))


def shares(whole: pd.DataFrame) -> pd.Series:
    """The share of all architectures that each row of `space` or `space_counts` stands for."""
    return whole["share"] if "share" in whole else pd.Series(1 / len(whole), index=whole.index)


def fusions_of(architectures: Sequence[str] | pd.Series) -> list[str]:
    """The fusion modules by cell of every architecture, as in the column `fusions`."""
    return ["-".join(str(cell.count("F")) for cell in text.split("-")) for text in architectures]


def _cells(columns: str) -> tuple[int, ...]:
    parts = str(columns).split("-")
    if not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise SpaceError(f"columns={columns}: must be a number of columns for every cell, greater than 0, as in 4-4-4")
    return tuple(map(int, parts))

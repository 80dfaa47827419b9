"""Architectures as pictures: branches are rows, full resolution on top; columns run left to right; edges are operations.

`architecture_edges` has the numbers. `draw_architecture` draws them for print, as Figure 3 of the paper's supplement shows
its architectures; `architecture_svg` is a small picture of the same for a page that holds hundreds of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any
from xml.sax.saxutils import escape

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.style import FUSION, GRAY, PARALLEL

COLOURS = {"parallel": PARALLEL, "fusion": FUSION}
"""Of the modules that are searched; the others are gray."""
LINES: dict[str, tuple[Any, float]] = {"convolution": ("-", 1.8), "identity": ("-", 0.7), "strided convolution": ("--", 1.2), "upsampling": (":", 1.5)}  # fmt: skip
"""The style and the width, in points, of each operation: they differ without colour, too."""
_LETTERS = {"P": "parallel", "F": "fusion"}
_NAMES = {"stem": "stem", "final fusion": "fuse", "head": "head"}
_PAGE, _WIDEST, _NARROWEST = 7.0, 0.5, 0.1
"""Inches: the columns of a drawing for print together; the most and the least of one column."""
_WIDTH, _HEIGHT, _MARGIN, _TOP = 260, 90, 22, 18
"""Pixels of the small picture, at its left, and above its branches."""


def architecture_columns(text: str) -> list[tuple[str, int]]:
    """The module and the cell (from 1) of every column of an architecture's drawing, from the stem to the head.

    Modules are `stem` (cell 0), `transition`, `parallel`, `fusion`, `final fusion` and `head` (of the last cell).

    Raises:
        ValueError: not the text form of an architecture (`FPFP-FPFF-PFFP`).
    """
    cells = text.split("-")
    wrong = sorted(set("".join(cells)) - set(_LETTERS))
    if wrong or not all(cells):
        found = f"the letter {wrong[0]!r}" if wrong else "a cell without columns"
        raise ValueError(f"architecture {text!r} has {found}: each cell is a row of P (parallel) and F (fusion)")
    columns = [("stem", 0)]
    for cell, letters in enumerate(cells, start=1):
        columns += [("transition", cell), *((_LETTERS[letter], cell) for letter in letters)]
    return [*columns, ("final fusion", len(cells)), ("head", len(cells))]


def architecture_edges(text: str) -> pd.DataFrame:
    """The edges of an architecture's drawing: one row an edge, `column, source, target, operation, module, cell`.

    Columns count from 0 at the stem, branches (`source`, `target`) from 0 at full resolution: branch r works at 1/2^r.
    `operation` is what learns or moves along the edge: `convolution` (one or several), `strided convolution`, `upsampling` (after a
    1×1 convolution), or `identity`. `module` and `cell` are as in `architecture_columns`.

    Raises:
        ValueError: as `architecture_columns`.
    """
    rows = [
        (column, source, target, operation, module, cell)
        for column, (module, cell) in enumerate(architecture_columns(text))
        for source, target, operation in _edges(module, cell)
    ]
    return pd.DataFrame(rows, columns=["column", "source", "target", "operation", "module", "cell"])


def _edges(module: str, cell: int) -> Iterator[tuple[int, int, str]]:
    """Source, target, operation of one column; a cell `cell` has cell + 1 branches."""
    branches = range(cell + 1)
    if module in ("stem", "head"):
        yield 0, 0, "convolution"
    elif module == "transition":
        yield from ((r, r, "convolution" if cell == 1 else "identity") for r in range(cell))
        yield cell - 1, cell, "strided convolution"
    elif module == "parallel":
        yield from ((r, r, "convolution") for r in branches)
    else:
        for source, target in itertools.product(branches, branches if module == "fusion" else range(1)):
            yield source, target, _resampling(source, target)


def _resampling(source: int, target: int) -> str:
    if source == target:
        return "identity"
    return "upsampling" if source > target else "strided convolution"


def draw_architecture(text: str) -> Figure:
    """An architecture for print: stem, transitions, cells, final fusion and head; colours are modules, line styles operations.

    At most 7 inches of columns, however many there are (narrower than 0.1 inch they do not get).

    Raises:
        ValueError: as `architecture_columns`.
    """
    columns, edges = architecture_columns(text), architecture_edges(text)
    branches = columns[-1][1] + 1
    pitch = max(min(_WIDEST, _PAGE / len(columns)), _NARROWEST)
    size = max(pitch * len(columns) + 0.9, 4.4), (0.42 if pitch > 0.3 else 0.6) * branches + 1.5
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    thin = min(1.0, 0.3 + 2 * pitch)
    for (module, operation), group in edges.groupby(["module", "operation"], sort=False):
        line, width = LINES[operation]  # type: ignore[index]
        lines = [[(c, -s), (c + 1, -t)] for c, s, t in zip(group["column"], group["source"], group["target"], strict=True)]  # fmt: skip
        axes.add_collection(LineCollection(lines, colors=COLOURS.get(str(module), GRAY), linestyles=line, linewidths=thin * width))  # fmt: skip
    _draw_features(axes, edges, pitch)
    _label_columns(axes, columns, pitch)
    axes.set_yticks([-r for r in range(branches)], [_resolution(r) for r in range(branches)])
    axes.set(ylabel="resolution", xlim=(-0.6, len(columns) + 0.6), ylim=(-branches + 0.6, 1.5))
    axes.set_title(text, fontsize=min(10.0, 100 * size[0] / len(text)))
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)
    figure.legend(
        handles=_handles(edges), fontsize=7, loc="outside lower center", ncols=4 if size[0] > 6 else 3, frameon=False
    )
    return figure


def _draw_features(axes: Axes, edges: pd.DataFrame, pitch: float) -> None:
    """A square for each branch between two columns: the darker, the lower its resolution."""
    ends = edges.assign(column=edges["column"] + 1, source=edges["target"])
    nodes = pd.concat([edges, ends])[["column", "source"]].drop_duplicates()
    for branch in sorted(nodes["source"].unique()):
        group, shade = nodes[nodes["source"] == branch], str(max(0.95 - 0.2 * branch, 0.2))
        axes.plot(
            group["column"], -group["source"], "s", color=shade, markeredgecolor="black",
            markeredgewidth=0.6, markersize=min(8.0, 30 * pitch), zorder=3,
        )  # fmt: skip


def _label_columns(axes: Axes, columns: Sequence[tuple[str, int]], pitch: float) -> None:
    for column, (module, cell) in enumerate(columns):
        searched = module in COLOURS
        name = module[0].upper() if searched else _NAMES.get(module, f"T{cell}")
        axes.text(
            column + 0.5, 0.35, name, ha="center", va="bottom", fontsize=min(9.0 if searched else 7.5, 55 * pitch),
            rotation=0 if searched or pitch > 0.35 else 90, color=COLOURS.get(module, "black"), fontweight="bold" if searched else None,
        )  # fmt: skip
    for cell in range(1, columns[-1][1] + 1):
        inside = [number for number, (module, of) in enumerate(columns) if of == cell and module in COLOURS]
        first, last = inside[0], inside[-1] + 1
        axes.axvspan(first, last, ymin=0, ymax=0.98, color="0.93", zorder=0, linewidth=0)
        room = (last - first) * pitch > 0.4
        axes.text((first + last) / 2, 0.98, f"cell {cell}" if room else str(cell), ha="center", fontsize=8)


def _handles(edges: pd.DataFrame) -> list[Line2D]:
    modules = [name for name in COLOURS if (edges["module"] == name).any()]
    return [
        *(Line2D([], [], color=COLOURS[name], linewidth=4, label=f"{name} module ({name[0].upper()})") for name in modules),
        Line2D([], [], color=GRAY, linewidth=4, label="fixed (T: transition)"),
        *(Line2D([], [], color="black", linestyle=line, linewidth=width, label=name) for name, (line, width) in LINES.items()),
    ]  # fmt: skip


def _resolution(branch: int) -> str:
    return f"1/{2**branch}" if branch else "1"


def architecture_svg(text: str) -> str:
    """The same as a small SVG element of 260 × 90 pixels (wider above 58 columns), 1.6 kB for 3 cells of 4 columns.

    It stands by itself in an HTML page: no identifiers, no style sheet, `text` as its title. A slope down is a strided
    convolution, a slope up an upsampling.

    Raises:
        ValueError: as `architecture_columns`.
    """
    columns = architecture_columns(text)
    branches, end = columns[-1][1] + 1, len(columns)
    pitch = min(max((_WIDTH - _MARGIN - 6) // end, 4), 24)
    row = min((_HEIGHT - _TOP - 8) // (branches - 1), 24)
    width = max(_WIDTH, _MARGIN + pitch * end + 6)
    paths = dict.fromkeys(("#eee", GRAY, *COLOURS.values()), "")
    for cell in range(branches):
        members = [(place, module) for place, (module, of) in enumerate(columns) if of == cell]
        inside = [place for place, module in members if module in COLOURS]
        if inside:
            paths["#eee"] += f"M{_MARGIN + inside[0] * pitch} 0h{len(inside) * pitch}v{_HEIGHT}h-{len(inside) * pitch}z"
        for module, colour in COLOURS.items():
            places = [place for place, name in members if name == module]
            paths[colour] += _repeated(module, places, cell + 1, pitch, row) if places else ""
        for place, module in members:
            paths[GRAY] += "" if module in COLOURS else _fixed(place, module, cell, pitch, row)
    appear = [0, *(place + 1 for place, (module, _) in enumerate(columns) if module == "transition")]
    dots = "".join(
        f"M{_MARGIN + first * pitch} {_TOP + r * row}H{_MARGIN + (end - 2 if r else end) * pitch + 1}"
        for r, first in enumerate(appear)
    )
    letters = [place for place, (module, _) in enumerate(columns) if module in COLOURS]
    across = " ".join(f"{_MARGIN + place * pitch + pitch // 2}" for place in letters)
    strokes = "".join(
        f'<path d="{path}" {"fill" if colour == "#eee" else "stroke"}="{colour}"/>'
        for colour, path in paths.items()
        if path
    )
    names = "".join(f'<text x="2" y="{_TOP + 3 + r * row}">{_resolution(r)}</text>' for r in range(branches))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" viewBox="0 0 {width} {_HEIGHT}" fill="none" stroke-width="{1 if pitch > 8 else 0.6}">'
        f"<title>{escape(text)}</title>{strokes}"
        f'<path d="{dots}" stroke="#000" stroke-width="{3 if pitch > 8 else 2}" stroke-linecap="square" stroke-dasharray="0 {pitch}"/>'
        f'<g fill="#000" stroke="none" font-family="sans-serif" font-size="8">{names}'
        f'<text x="{across}" y="9" font-size="{min(9.0, 1.5 * pitch):g}" text-anchor="middle">{text.replace("-", "")}</text></g></svg>'
    )


def _repeated(module: str, places: Sequence[int], branches: int, pitch: int, row: int) -> str:
    """The strokes of all columns of one module in a cell: one path a branch, or a pair of branches, from column to column."""
    shapes = [(r, f"h{pitch}") for r in range(branches if module == "parallel" else 1)]
    if module == "fusion":  # down, back along the lower branch, up: draws that branch's identity, too
        shapes += [
            (upper, f"l{pitch} {(lower - upper) * row}h-{pitch}l{pitch}-{(lower - upper) * row}")
            for upper, lower in itertools.combinations(range(branches), 2)
        ]
    gaps = [after - before - 1 for before, after in itertools.pairwise(places)]
    path = ""
    for branch, shape in shapes:
        moves = "".join(f"m{gap * pitch} 0{shape}" if gap else shape for gap in gaps)
        path += f"M{_MARGIN + places[0] * pitch} {_TOP + branch * row}{shape}{moves}"
    return path


def _fixed(place: int, module: str, cell: int, pitch: int, row: int) -> str:
    return "".join(
        f"M{_MARGIN + place * pitch} {_TOP + source * row}l{pitch} {(target - source) * row}"
        for source, target, _ in _edges(module, cell)
    )

"""Architectures as pictures: branches are rows, full resolution on top; columns run left to right; edges operate.

`architecture_edges` has the numbers. `draw_architecture` draws them for print, as Figure 3 of the paper's supplement
shows its architectures; `architecture_svg` is a small picture of the same for a page that holds hundreds of them.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any
from xml.sax.saxutils import escape

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from analysis.figures.style import FUSION, GRAY, PARALLEL, Figure, Look, handle

COLOURS = {"parallel": PARALLEL, "fusion": FUSION}
"""Of the modules that are searched; the others are gray."""
LINES: dict[str, tuple[Any, float]] = {
    "convolution": ("-", 1.8),
    "identity": ("-", 0.7),
    "strided convolution": ("--", 1.2),
    "upsampling": (":", 1.5),
}
"""The style and the width, in points, of each operation: they differ without colour, too."""
_LETTERS = {"P": "parallel", "F": "fusion"}
_NAMES = {"stem": "stem", "final fusion": "fuse", "head": "head"}
_PAGE, _WIDEST, _NARROWEST = 7.0, 0.5, 0.1
"""Inches: the columns of a drawing for print together; the most and the least of one column."""
_WIDTH, _HEIGHT, _MARGIN, _TOP = 260, 90, 22, 18
"""Pixels of the small picture, at its left, and above its branches."""


def drawn_columns(text: str) -> list[tuple[str, int]]:
    """The module and the cell (from 1) of every column of an architecture's drawing, from the stem to the head.

    Modules are `stem` (cell 0), `transition`, `parallel`, `fusion`, `final fusion` and `head` (of the last cell).
    Raises ValueError: not the text form of an architecture (`FPFP-FPFF-PFFP`).
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
    `operation` is what learns or moves along the edge: `convolution` (one or several), `strided convolution`,
    `upsampling` (after a 1×1 convolution), or `identity`. `module`, `cell` and errors are as in `drawn_columns`.
    """
    placed = enumerate(drawn_columns(text))
    rows = [(column, *edge, module, cell) for column, (module, cell) in placed for edge in _edges(module, cell)]
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
            kind = "identity" if source == target else "upsampling" if source > target else "strided convolution"
            yield source, target, kind


def draw_architecture(text: str) -> Figure:
    """An architecture for print, from stem to head; colours are modules, line styles operations.

    At most 7 inches of columns, however many (none is narrower than 0.1 inch). Raises ValueError as `drawn_columns`.
    """
    columns, edges = drawn_columns(text), architecture_edges(text)
    branches = columns[-1][1] + 1
    pitch = max(min(_WIDEST, _PAGE / len(columns)), _NARROWEST)
    width, height = max(pitch * len(columns) + 0.9, 4.4), (0.42 if pitch > 0.3 else 0.6) * branches + 1.5
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    for (module, operation), group in edges.groupby(["module", "operation"], sort=False):
        style, thickness = LINES[str(operation)]
        ends = zip(group["column"], group["source"], group["target"], strict=True)
        lines = [[(c, -s), (c + 1, -t)] for c, s, t in ends]
        look: Look = {"linestyles": style, "linewidths": min(1.0, 0.3 + 2 * pitch) * thickness}
        axes.add_collection(LineCollection(lines, colors=COLOURS.get(str(module), GRAY), **look))
    _draw_features(axes, edges, pitch)
    _label_columns(axes, columns, pitch)
    axes.set_yticks([-r for r in range(branches)], [_resolution(r) for r in range(branches)])
    axes.set(ylabel="resolution", xlim=(-0.6, len(columns) + 0.6), ylim=(-branches + 0.6, 1.5))
    axes.set_title(text, fontsize=min(10.0, 100 * width / len(text)))
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)
    beside = 4 if width > 6 else 3
    figure.legend(handles=_handles(edges), fontsize=7, loc="outside lower center", ncols=beside, frameon=False)
    return figure


def _draw_features(axes: Axes, edges: pd.DataFrame, pitch: float) -> None:
    """A square for each branch between two columns: the darker, the lower its resolution."""
    ends = edges.assign(column=edges["column"] + 1, source=edges["target"])
    nodes = pd.concat([edges, ends])[["column", "source"]].drop_duplicates()
    look: Look = {"markeredgecolor": "black", "markeredgewidth": 0.6, "markersize": min(8.0, 30 * pitch), "zorder": 3}
    for branch in sorted(nodes["source"].unique()):
        group, shade = nodes[nodes["source"] == branch], str(max(0.95 - 0.2 * branch, 0.2))
        axes.plot(group["column"], -group["source"], "s", color=shade, **look)


def _label_columns(axes: Axes, columns: Sequence[tuple[str, int]], pitch: float) -> None:
    for column, (module, cell) in enumerate(columns):
        searched = module in COLOURS
        name = module[0].upper() if searched else _NAMES.get(module, f"T{cell}")
        look: Look = {"color": COLOURS.get(module, "black"), "rotation": 0 if searched or pitch > 0.35 else 90}
        look |= {"fontsize": min(9.0 if searched else 7.5, 55 * pitch), "fontweight": "bold" if searched else None}
        axes.text(column + 0.5, 0.35, name, ha="center", va="bottom", **look)
    for cell in range(1, columns[-1][1] + 1):
        inside = [number for number, (module, of) in enumerate(columns) if of == cell and module in COLOURS]
        first, last = inside[0], inside[-1] + 1
        axes.axvspan(first, last, ymin=0, ymax=0.98, color="0.93", zorder=0, linewidth=0)
        room = (last - first) * pitch > 0.4
        axes.text((first + last) / 2, 0.98, f"cell {cell}" if room else str(cell), ha="center", fontsize=8)


def _handles(edges: pd.DataFrame) -> list[Line2D]:
    there = [name for name in COLOURS if (edges["module"] == name).any()]
    modules = {f"{name} module ({name[0].upper()})": COLOURS[name] for name in there} | {"fixed (T: transition)": GRAY}
    colours = [handle("", colour, name, linestyle="-", linewidth=4) for name, colour in modules.items()]
    lines = [handle("", "black", name, linestyle=line, linewidth=width) for name, (line, width) in LINES.items()]
    return [*colours, *lines]


def _resolution(branch: int) -> str:
    return f"1/{2**branch}" if branch else "1"


def architecture_svg(text: str) -> str:
    """An architecture as a small SVG element of 260 × 90 pixels (wider above 58 columns): 2 kB for 12 columns.

    It stands by itself in an HTML page: no identifiers, no style sheet, `text` as its title. A slope down is a strided
    convolution, a slope up an upsampling. Raises ValueError as `drawn_columns` does.
    """
    columns = drawn_columns(text)
    branches, end = columns[-1][1] + 1, len(columns)
    pitch = min(max((_WIDTH - _MARGIN - 6) // end, 4), 24)
    row = min((_HEIGHT - _TOP - 8) // (branches - 1), 24)
    across, down = [_MARGIN + place * pitch for place in range(end + 1)], [_TOP + r * row for r in range(branches)]
    appear = [0, *(place + 1 for place, (module, _) in enumerate(columns) if module == "transition")]
    paths = dict.fromkeys(("#eee", GRAY, *COLOURS.values()), "")
    for first, letters in zip(appear[1:], text.split("-"), strict=True):
        paths["#eee"] += f"M{across[first]} 0h{len(letters) * pitch}v{_HEIGHT}h-{len(letters) * pitch}z"
    for x, (module, cell) in zip(across, columns, strict=False):
        for source, target, _ in _edges(module, cell):
            paths[COLOURS.get(module, GRAY)] += f"M{x} {down[source]}l{pitch} {(target - source) * row}"
    ends = [end, *[end - 2] * (branches - 1)]
    dots = "".join(f"M{across[a]} {y}H{across[b] + 1}" for a, b, y in zip(appear, ends, down, strict=True))
    places = " ".join(f"{x + pitch // 2}" for x, (module, _) in zip(across, columns, strict=False) if module in COLOURS)
    strokes = (f'<path d="{d}" {"fill" if c == "#eee" else "stroke"}="{c}"/>' for c, d in paths.items() if d)
    names = "".join(f'<text x="2" y="{y + 3}">{_resolution(r)}</text>' for r, y in enumerate(down))
    width = max(_WIDTH, across[end] + 6)
    thick, thin = (3, 1) if pitch > 8 else (2, 0.6)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" '
        f'viewBox="0 0 {width} {_HEIGHT}" fill="none" stroke-width="{thin}"><title>{escape(text)}</title>'
        f"{''.join(strokes)}"
        f'<path d="{dots}" stroke="#000" stroke-width="{thick}" stroke-linecap="square" stroke-dasharray="0 {pitch}"/>'
        f'<g fill="#000" stroke="none" font-family="sans-serif" font-size="8">{names}'
        f'<text x="{places}" y="9" font-size="{min(9.0, 1.5 * pitch):g}" text-anchor="middle">'
        f"{text.replace('-', '')}</text></g></svg>"
    )

"""How every figure looks, and how it becomes files: one palette, units on the axes, the same bytes for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator

from matplotlib import rc_context
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")
"""Okabe and Ito's colours, which colour-blind readers tell apart."""
PARALLEL, FUSION = COLOURS[:2]
"""The colours of the two modules, wherever they are drawn."""
MARKERS = ("o", "s", "^", "D", "v", "P")
GRAY = "#777777"
"""What is fixed, drawn at random, or not ours."""


def rendered(figure: Figure, name: str) -> Iterator[tuple[str, bytes]]:
    """A figure as `name.svg` and `name.png`: the same figure is the same bytes."""
    for kind in ("svg", "png"):
        buffer = io.BytesIO()
        with rc_context({"svg.hashsalt": name}):
            figure.savefig(buffer, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else {})
        yield f"{name}.{kind}", buffer.getvalue()

"""Names that a reader wrote, held against those that there are."""

import difflib
from collections.abc import Iterable

import pandas as pd


def nearest(name: str, known: Iterable[object]) -> str:
    """` (did you mean lambda1?)`, to put behind a mistyped name; nothing where none of `known` is near."""
    found = difflib.get_close_matches(name.lower(), [str(one) for one in known], n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def require(frame: pd.DataFrame, *names: str) -> None:
    """Nothing, where `frame` has the columns `names`.

    Raises:
        KeyError: one that it lacks, with the nearest of those that it has.
    """
    lacking = [f"{name}{nearest(name, frame.columns)}" for name in names if name not in frame.columns]
    if lacking:
        raise KeyError(f"no column {', '.join(lacking)} among the {len(frame.columns)} columns of the frame")

"""The published figures of CLEARER and of what it was compared with, as rows that stand beside the trials' own.

Gou, Li, Liu, Yang, Peng: CLEARER: Multi-Scale Neural Architecture Search for Image Restoration, NeurIPS 2020,
Tables 1 to 5. Every row is one run, with no spread over seeds. None of them was measured by this project, and their
protocol is not fully known: `doubts` says in words what stands between a row and a figure of ours. The numbers are in
`published.csv`, the words in `published.toml`.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from analysis.rows.configurations import BELOW_INPUT

COLUMNS = (
    "method kind task dataset sigma psnr_db ssim psnr_patch_db ssim_patch parameters test_time_s lambda1 lambda2 "
    "source doubts"
).split()
_WORDS = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))


def published() -> pd.DataFrame:
    """One row a published figure, with the columns `COLUMNS`; what the paper does not give is null.

    `kind` is `published` in every row. As in a trial's row, patch means stand apart: the figures of CLEARER-P are in
    `psnr_patch_db` and `ssim_patch`, and its `psnr_db` and `ssim` are null. `parameters` is a count rounded to 10,000.
    """
    frame = pd.read_csv(Path(__file__).with_name("published.csv"), dtype={"parameters": "Int64"})
    texts, is_patch = _WORDS["doubts"], frame["method"] == "CLEARER-P"
    frame["task"] = frame["sigma"].isna().map({True: "derain", False: "denoise"})
    frame["source"] = "CLEARER, NeurIPS 2020, Table " + frame["table"].astype(str)
    frame["doubts"] = [" ".join(texts[name] for name in names.split()) for names in frame["doubts"]]
    for whole, patch in (("psnr_db", "psnr_patch_db"), ("ssim", "ssim_patch")):
        frame[patch], frame[whole] = frame[whole].where(is_patch), frame[whole].mask(is_patch)
    return frame.assign(kind="published")[COLUMNS]


def published_beside(group: pd.DataFrame) -> pd.DataFrame:
    """The published rows on the test set, the task and the σ of `group`: for reading beside it, not for comparing."""
    first, rows = group.iloc[0], published()
    of_set = (rows["task"] == first["task"]) & (rows["dataset"] == first["test_set"])
    return rows[of_set & ((rows["sigma"] == first["sigma"]) | (first["task"] == "derain"))]


def sentences(doubts: Iterable[str]) -> tuple[str, ...]:
    """What the texts of a column `doubts` are made of, each once, in a fixed order."""
    texts = list(doubts)
    return tuple(one for one in (BELOW_INPUT, *_WORDS["doubts"].values()) if any(one in text for text in texts))


def published_alpha() -> pd.DataFrame:
    """One row a published search with the α that it ended at, in a trial's columns: `alpha` is α^f by column."""
    found = {float(lambda1): [round(1 - p, 4) for p in row] for lambda1, row in _WORDS["alpha_parallel"].items()}
    return pd.DataFrame([{**_WORDS["search"], "lambda1": lambda1, "alpha": alpha} for lambda1, alpha in found.items()])

"""The published figures of CLEARER and of what it was compared with, as rows that stand beside the trials' own.

Gou, Li, Liu, Yang, Peng: CLEARER: Multi-Scale Neural Architecture Search for Image Restoration, NeurIPS 2020,
Tables 1 to 5. Every row is one run, with no spread over seeds. None of them was measured by this project, and their
protocol is not fully known: `doubts` says in words what stands between a row and a figure of ours.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.rows.configurations import BELOW_INPUT

COLUMNS = (
    "method kind task dataset sigma psnr_db ssim psnr_patch_db ssim_patch parameters test_time_s lambda1 lambda2 "
    "source doubts"
).split()

NOISE = (
    "The paper says white Gaussian noise; the released code clips it to 0-255 and truncates it to 8 bits. The two do "
    "not compare."
)
COMPARED = "A compared method: whose code, and which images, noise and border were scored, is not said."
PATCH = (
    "A mean over 64x64 patches of each patch's own PSNR, which is never below the PSNR of the whole area "
    "for the same output: it does not compare with whole-image figures."
)
RAIN = (
    "Whether RGB or luma was scored is not said. Scenes repeat in this set: the clean image of one test pair is also a "
    "training image, and 700 training pairs show 369 clean images, so a random validation split shares scenes with "
    "training."
)
CHOSEN = "The released code keeps the weights that do best on crops of the test folder, and by default tests these."
AUGMENTED = "The released code's augmentation draws one of seven flips and turns, and never the image as it is."
DERAINED = (
    "The released code lets α learn from a test folder, and trains at a learning rate of 0.002 for 200,000 iterations; "
    "the paper says 0.01 and 100,000, and α learns from 100 training pairs."
)
UNIT = (
    "What λ2 weighs is not sure: the paper says module size; the released code has constants, which press up to 11 "
    "times as hard."
)
TIME = "How testing time was measured, and on what, is not said."
BSD68 = "BSD68 is 68 of the 100 BSD500 validation images, from which the architecture was searched."
SET12 = "One of the twelve images (04, starfish) is a crop of a BSD500 training image."

SIGMAS = (30, 50, 70)
BSD500: Mapping[str, tuple[float, ...]] = {
    "BM3D": (1, 27.31, 0.7755, 25.06, 0.6831, 23.82, 0.6240),
    "RED": (1, 27.95, 0.8056, 25.75, 0.7167, 24.37, 0.6551),
    "WNNM": (1, 27.48, 0.7807, 25.26, 0.6928, 23.95, 0.3460),
    "MemNet": (1, 28.04, 0.8053, 25.86, 0.7202, 24.53, 0.6608),
    "N3Net": (1, 28.66, 0.8220, 26.50, 0.7490, 25.18, 0.6960),
    "NLRN": (1, 28.15, 0.8423, 25.93, 0.7214, 24.58, 0.6614),
    "DuRN-P": (1, 28.50, 0.8156, 26.36, 0.7350, 25.05, 0.6755),
    "E-CAE": (2, 28.23, 0.8047, 26.17, 0.7255, 24.83, 0.6636),
    "HiNAS": (2, 29.14, 0.8403, 26.77, 0.7635, 25.48, 0.7129),
    "CLEARER": (1, 28.54, 0.8203, 26.40, 0.7465, 25.06, 0.6894),
    "CLEARER-P": (1, 29.68, 0.8439, 27.49, 0.7768, 26.09, 0.7267),
}
"""The number of the table; PSNR in dB and SSIM at σ = 30, 50, 70 on the 200 test images."""

OTHER_SETS = {
    "BM3D": (26.55, 0.7423, 25.60, 0.6866),
    "RED": (27.32, 0.7748, 26.29, 0.7124),
    "WNNM": (27.05, 0.7775, 25.87, 0.6982),
    "MemNet": (27.36, 0.7791, 26.34, 0.7190),
    "NLRN": (27.64, 0.7980, 26.47, 0.7298),
    "N3Net": (27.43, None, 26.39, None),
    "DuRN-P": (27.14, 0.7829, 26.31, 0.7276),
    "CLEARER": (27.43, 0.8021, 26.31, 0.7352),
    "CLEARER-P": (28.08, 0.8129, 27.25, 0.7681),
}
"""Table 3: PSNR in dB and SSIM at σ = 50 on Set12, then on BSD68."""

RAIN800 = {
    "DSC": (18.56, 0.5996),
    "LP": (20.46, 0.7297),
    "DetailsNet": (21.16, 0.7320),
    "JORDER": (22.24, 0.7763),
    "JORDER-R": (22.29, 0.7922),
    "SCAN": (23.45, 0.8112),
    "RESCAN": (24.09, 0.8410),
    "HiNAS": (26.31, 0.8685),
    "CLEARER": (27.21, 0.8685),
}
"""Table 4: PSNR in dB and SSIM on the 100 test pairs."""

ABLATION = (
    (0.0, 0.0, 28.51, 0.8187, 4.28, 7.25),
    (0.01, 0.0, 28.54, 0.8203, 5.28, 6.31),
    (0.1, 0.0, 28.53, 0.8200, 5.98, 6.07),
    (0.01, 0.01, 28.33, 0.8100, 6.70, 4.59),
    (0.1, 0.1, 28.16, 0.8041, 5.62, 4.36),
    (None, None, 28.29, 0.8091, 4.44, 7.63),
)
"""Table 5, BSD500 test, σ = 30.

λ1, λ2 (none: a random architecture), PSNR in dB, SSIM, testing time in s, millions of parameters.
"""

ALPHA_PARALLEL = {
    0.0: (0.4603, 0.4474, 0.4958, 0.4873, 0.5079, 0.5020, 0.5084, 0.4934, 0.5086, 0.4969, 0.5098, 0.5113),
    0.01: (0.3663, 0.5411, 0.4771, 0.5144, 0.4975, 0.5123, 0.4909, 0.4090, 0.5015, 0.4971, 0.4892, 0.5299),
    0.1: (0.1601, 0.8286, 0.8343, 0.1650, 0.1635, 0.1638, 0.1658, 0.1658, 0.8393, 0.1665, 0.1643, 0.8378),
}
"""Supplement, Table 1: α^p of the twelve columns by λ1; α^f is 1 − α^p."""

_BM3D = "BM3D of PyPI on these images scores {} under clip8, {} under float, to about 0.1 dB: clip8 fits better."
PARTICULAR = {
    ("BM3D", "bsds500", 30): _BM3D.format(27.49, 27.71),
    ("BM3D", "bsds500", 50): _BM3D.format(25.13, 25.45),
    ("WNNM", "bsds500", 70): "SSIM 0.3460 lies far below its neighbours (0.6240 to 0.6960): probably a misprint.",
    ("NLRN", "bsds500", 30): "SSIM 0.8423 exceeds that of rows with up to 1 dB more PSNR, unlike at other noise "
    "levels.",
    ("HiNAS", "rain800", None): "Its SSIM equals CLEARER's to four digits, its PSNR is 0.9 dB lower.",
    ("CLEARER, λ1 = 0, λ2 = 0", "bsds500", 30): "The α in the supplement's Table 1 give 7.42 M parameters, not 7.25 M: "
    "of another run.",
}
"""What is doubtful about single rows, by method, dataset and σ."""


def published() -> pd.DataFrame:
    """One row a published figure, with the columns `COLUMNS`; what the paper does not give is null.

    `kind` is `published` in every row. As in a trial's row, patch means stand apart: the figures of CLEARER-P are in
    `psnr_patch_db` and `ssim_patch`, and its `psnr_db` and `ssim` are null. `parameters` is a count, which the paper
    rounds to 10,000.
    """
    frame = pd.DataFrame(_rows(), columns=COLUMNS)
    return frame.astype({"sigma": float, "parameters": "Int64", "lambda1": float, "lambda2": float})


def published_beside(group: pd.DataFrame) -> pd.DataFrame:
    """The published rows on the test set, the task and the σ of `group`: for reading beside it, not for comparing."""
    first, rows = group.iloc[0], published()
    of_set = (rows["task"] == first["task"]) & (rows["dataset"] == first["test_set"])
    return rows[of_set & ((rows["sigma"] == first["sigma"]) | (first["task"] == "derain"))]


def sentences(doubts: Iterable[str]) -> tuple[str, ...]:
    """What the texts of a column `doubts` are made of, each once, in a fixed order."""
    known = [BELOW_INPUT, NOISE, RAIN, DERAINED, CHOSEN, AUGMENTED, UNIT, TIME, BSD68, SET12, COMPARED, PATCH]
    known += PARTICULAR.values()
    texts = list(doubts)
    return tuple(one for one in known if any(one in text for text in texts))


def patch_gain(score: str = "psnr_db") -> dict[int, float]:
    """What CLEARER-P has more than CLEARER on BSD500 test, by σ: `psnr_db`, or `ssim`."""
    at = {"psnr_db": 1, "ssim": 2}[score]
    whole, patch = BSD500["CLEARER"], BSD500["CLEARER-P"]
    return {sigma: round(patch[at + 2 * i] - whole[at + 2 * i], 4) for i, sigma in enumerate(SIGMAS)}


def published_alpha() -> pd.DataFrame:
    """One row a published search with the α that it ended at, in a trial's columns: `alpha` is α^f by column.

    The settings of the search are those of section 4.1, else of the released code; λ2 is not said, and the section's
    default.
    """
    search = {"kind": "published", "lambda2": 0.0, "columns": "4-4-4", "search_iterations": 10_000}
    search |= {"warmup_iterations": 1_000, "alpha_learning_rate": 3e-4, "alpha_weight_decay": 1e-3}
    search |= {"alpha_beta1": 0.5, "alpha_beta2": 0.999, "alpha_initial_std": 1e-3}
    search |= {"source": "CLEARER, NeurIPS 2020, supplement, Table 1"}
    found = {lambda1: [round(1 - parallel, 4) for parallel in row] for lambda1, row in ALPHA_PARALLEL.items()}
    return pd.DataFrame([{**search, "lambda1": lambda1, "alpha": alpha} for lambda1, alpha in found.items()])


def _rows() -> Iterator[dict[str, Any]]:
    for method, (table, *figures) in BSD500.items():
        for sigma, pair in zip(SIGMAS, zip(figures[::2], figures[1::2], strict=True), strict=True):
            yield _row(method, "bsds500", sigma, pair, f"Table {table:g}")
    for method, scores in OTHER_SETS.items():
        yield _row(method, "set12", 50, scores[:2], "Table 3", SET12)
        yield _row(method, "bsd68", 50, scores[2:], "Table 3", BSD68)
    for method, both in RAIN800.items():
        yield _row(method, "rain800", None, both, "Table 4", RAIN, DERAINED if method == "CLEARER" else "")
    for lambda1, lambda2, psnr_db, ssim, seconds, millions in ABLATION:
        searched = f"CLEARER, λ1 = {lambda1:g}, λ2 = {lambda2:g}" if lambda1 is not None else ""
        row = _row(
            searched or "CLEARER, random architecture",
            "bsds500",
            30,
            (psnr_db, ssim),
            "Table 5",
            TIME,
            UNIT if lambda2 else "",
        )
        counts = {"parameters": round(millions * 1e6), "test_time_s": seconds}
        yield {**row, **counts, "lambda1": lambda1, "lambda2": lambda2}


def _row(
    method: str, dataset: str, sigma: int | None, figures: Sequence[float | None], source: str, *doubts: str
) -> dict[str, Any]:
    """A row without counts; `figures` are PSNR in dB and SSIM."""
    is_patch, is_own = method == "CLEARER-P", method.startswith("CLEARER")
    said = [NOISE if sigma else "", *doubts, *((CHOSEN, AUGMENTED) if is_own else (COMPARED,))]
    said += [PATCH if is_patch else "", PARTICULAR.get((method, dataset, sigma), "")]
    task = "denoise" if sigma else "derain"
    row: dict[str, Any] = {"method": method, "kind": "published", "task": task, "dataset": dataset, "sigma": sigma}
    row |= zip(("psnr_patch_db", "ssim_patch") if is_patch else ("psnr_db", "ssim"), figures, strict=True)
    return {**row, "source": f"CLEARER, NeurIPS 2020, {source}", "doubts": " ".join(filter(None, said))}

"""The sentences of the report, on rows whose answer is known."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.report.conclusions import conclusions

PIXELS = {"task": "denoise", "test_set": "embedded", "sigma": 30.0, "protocol": "clip8", "test_pixels_sha256": "p"}
PIXELS |= {"test_border": "crop64", "image_channels": 1, "grayscale": "pillow", "test_images": 2}
NOTHING = pd.DataFrame()


def trial(
    kind: str, seed: int, psnr_db: float, lambda1: float | None = None, parameters: int = 100, **more: Any
) -> dict[str, Any]:
    """A finished row; random architectures are told apart by their number of parameters."""
    is_searched = kind == "searched"
    own = f"{kind} {lambda1} {'' if is_searched else parameters}"
    row = {**PIXELS, "columns": "4", "cells": 1, "channels": 4, "train_seconds": 10.0, "kind": kind, "seed": seed}
    row |= {
        "lambda1": lambda1,
        "lambda2": 0.0 if is_searched else None,
        "search_seconds": 30.0 if is_searched else None,
    }
    row |= {
        "replicate_id": own,
        "trial_id": f"{own} {seed}",
        "architecture": "FFFF" if is_searched else f"P{parameters}",
    }
    row |= {"psnr_db": psnr_db, "psnr_by_image": [psnr_db - 0.1, psnr_db + 0.1], "parameters": parameters}
    return {**row, **more}


def said(rows: list[dict[str, Any]], topic: str, references: pd.DataFrame = NOTHING) -> str:
    found = conclusions(pd.DataFrame(rows), ["lambda1"], references, NOTHING, np.random.default_rng(0))
    return " ".join(text for asked, texts in found.items() if asked.startswith(topic) for text in texts)


SEEDS = range(5)
SEARCHED = [trial("searched", s, 30.0 + l1 + 0.01 * s, l1, 100 + int(10 * l1)) for s in SEEDS for l1 in (0.0, 1.0)]
RANDOM = [trial("random", s, 29.0 + 0.01 * s + 0.001 * p, parameters=p) for s in SEEDS for p in (50, 60)]


def test_the_best_and_the_front_are_named_with_their_numbers() -> None:
    text = said([*SEARCHED, *RANDOM], "Which configuration")
    assert "The highest PSNR is 31.02 dB, of the search at λ1 = 1 (110 parameters; " in text
    assert "5 seeds: 31.00 to 31.04 dB)." in text
    assert "Of 4 configurations, 4 are on the front by their means. Given how seeds" in text
    alone = said([trial("searched", 0, 30.0, 0.0)], "Which configuration")
    assert "100 parameters; one seed" in alone
    assert "Of 1 configuration, 1 is on the front; with fewer than three seeds, nothing says how surely." in alone


def test_one_network_has_no_average_and_two_seeds_are_both_told() -> None:
    two = [row for row in SEARCHED if row["seed"] < 2]
    assert "(110 parameters; 2 seeds: 31.00 and 31.01 dB)" in said(two, "Which configuration")
    other = [row | {"parameters": 100 + row["seed"]} for row in two]
    assert "(100 parameters on average; 2 seeds" in said(other, "Which configuration")


def test_a_search_that_is_better_is_said_to_be_and_one_that_is_not_is_not() -> None:
    text = said([*SEARCHED, *RANDOM], "Is the search")
    assert text.startswith("Of 2 search configurations, 2 are better than the average random architecture of the same")
    assert "and training (95 % confidence)." in text
    assert "The best of the searches by mean, the search at λ1 = 1, is 1.95 dB above the average random arch" in text
    assert "5 seeds, 2 random architectures; 95 %: +1.9" in text
    worse = said([*[{**row, "psnr_db": row["psnr_db"] - 5} for row in SEARCHED], *RANDOM], "Is the search")
    assert "none is better than" in worse
    assert "training, 2 are worse (95 % confidence)." in worse
    assert "is 3.05 dB below the average random architecture" in worse, "not a largest gain of less than nothing"
    assert "`--random N`" in said(SEARCHED, "Is the search")
    one_seed = [row for row in [*SEARCHED, *RANDOM] if row["seed"] == 0]
    assert "This study cannot tell" in said(one_seed, "Is the search")


def test_what_decides_is_shared_out_among_the_axes() -> None:
    assert "λ1 100 %" in said(SEARCHED, "What decides")
    level = [{**row, "psnr_db": 30.0 + row["seed"]} for row in SEARCHED]
    assert "λ1 0 %" in said(level, "What decides")
    assert "the seed 100 %" in said(level, "What decides")
    assert said([row for row in SEARCHED if row["lambda1"] == 0], "What decides") == "", "nothing was varied"


def test_classical_methods_are_compared_on_the_same_pixels_alone() -> None:
    one = {**PIXELS, "method": "non-local means", "psnr_db": 30.5}
    text = said(
        SEARCHED, "How do networks", pd.DataFrame([one, {**one, "method": "other", "sigma": 50.0, "psnr_db": 99.0}])
    )
    assert "non-local means, has 30.50 dB" in text
    assert "5 of 10 trained networks lie above it, the best by 0.54 dB" in text
    short = said(SEARCHED, "How do networks", pd.DataFrame([{**one, "psnr_db": 40.0}]))
    assert "0 of 10 trained networks lie above it, the best is 8.96 dB short of it" in short
    assert said(SEARCHED, "How do networks") == ""


def test_rows_of_several_spaces_are_compared_within_each() -> None:
    deeper = [
        {**row, "cells": 2, "replicate_id": "2" + row["replicate_id"], "trial_id": "2" + row["trial_id"]}
        for row in [*SEARCHED, *RANDOM]
    ]
    text = said([*SEARCHED, *RANDOM, *deeper], "Is the search")
    assert "At S = 1: Of 2 search" in text
    assert "At S = 2: Of 2 search" in text


def test_what_cannot_be_worked_out_says_why() -> None:
    rows = [*SEARCHED, {**SEARCHED[0], "trial_id": "again", "psnr_db": 29.0}]
    assert "Not worked out: seed 0 has 2 rows" in said([*rows, *RANDOM], "Is the search")

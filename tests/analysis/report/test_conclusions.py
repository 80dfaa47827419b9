"""The sentences of the report, on rows whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.report.conclusions import conclusions
from analysis.rows.configurations import alike, named
from analysis.statistics.costs import cost_lines, costs, gpu_hours

PIXELS = {
    "task": "denoise", "test_set": "embedded", "sigma": 30.0, "protocol": "clip8", "test_pixels_sha256": "p", "test_border": "crop64",
    "image_channels": 1, "grayscale": "pillow", "test_images": 2,
}  # fmt: skip
NOTHING = pd.DataFrame()


def trial(
    kind: str, seed: int, psnr_db: float, lambda1: float | None = None, parameters: int = 100, **more: Any
) -> dict[str, Any]:
    """A finished row; random architectures are told apart by their number of parameters."""
    own = f"{kind} {lambda1} {parameters if kind != 'searched' else ''}"
    row = {
        **PIXELS, "kind": kind, "lambda1": lambda1, "lambda2": 0.0 if kind == "searched" else None, "seed": seed, "psnr_db": psnr_db, "parameters": parameters,
        "architecture": "FFFF" if kind == "searched" else f"P{parameters}", "replicate_id": own, "trial_id": f"{own} {seed}", "columns": "4", "cells": 1, "channels": 4,
        "psnr_by_image": [psnr_db - 0.1, psnr_db + 0.1], "search_seconds": 30.0 if kind == "searched" else None, "train_seconds": 10.0,
    }  # fmt: skip
    return {**row, **more}


def said(rows: list[dict[str, Any]], topic: str, references: pd.DataFrame = NOTHING) -> str:
    found = conclusions(pd.DataFrame(rows), ["lambda1"], references, NOTHING, np.random.default_rng(0))
    return " ".join(one.text for one in found if one.topic.startswith(topic))


SEEDS = range(5)
SEARCHED = [trial("searched", s, 30.0 + l1 + 0.01 * s, l1, 100 + int(10 * l1)) for s in SEEDS for l1 in (0.0, 1.0)]
RANDOM = [trial("random", s, 29.0 + 0.01 * s + 0.001 * p, parameters=p) for s in SEEDS for p in (50, 60)]


def test_the_best_and_the_front_are_named_with_their_numbers() -> None:
    text = said([*SEARCHED, *RANDOM], "Which configuration")
    assert (
        "The highest mean PSNR is 31.02 dB: the search at λ1 = 1 (110 parameters on average; 5 seeds, 31.00 to 31.04 dB)."
        in text
    )
    assert "Of 4 configurations, 4 are on the front of their means. Given how seeds" in text
    alone = said([trial("searched", 0, 30.0, 0.0)], "Which configuration")
    assert "100 parameters; one seed" in alone
    assert "nothing says how surely" in alone


def test_a_search_that_is_better_is_said_to_be_and_one_that_is_not_is_not() -> None:
    text = said([*SEARCHED, *RANDOM], "Is the search")
    assert text.startswith("2 of 2 search configurations beat the average random architecture")
    assert "The largest gain is +1.95 dB (95 %: +1.9" in text
    assert "5 seeds, 2 random architectures): the search at λ1 = 1" in text
    worse = [{**row, "psnr_db": row["psnr_db"] - 5} for row in SEARCHED]
    assert "0 of 2 search configurations beat" in said([*worse, *RANDOM], "Is the search")
    assert "2 fall behind it" in said([*worse, *RANDOM], "Is the search")
    assert "`--random N`" in said(SEARCHED, "Is the search")
    one_seed = [row for row in [*SEARCHED, *RANDOM] if row["seed"] == 0]
    assert "this study cannot tell" in said(one_seed, "Is the search")


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
    assert [where for where, _ in alike(pd.DataFrame([*SEARCHED, *deeper]))] == ["S = 1", "S = 2"]
    text = said([*SEARCHED, *RANDOM, *deeper], "Is the search")
    assert "At S = 1: 2 of 2" in text
    assert "At S = 2: 2 of 2" in text


def test_what_cannot_be_worked_out_says_why() -> None:
    rows = [*SEARCHED, {**SEARCHED[0], "trial_id": "again", "psnr_db": 29.0}]
    assert "Not worked out: seed 0 has 2 rows" in said([*rows, *RANDOM], "Is the search")


@pytest.mark.parametrize(("row", "name"), [
    ({"kind": "searched", "lambda1": 0.1, "lambda2": 0.0, "cells": 2}, "the search at λ1 = 0.1, S = 2"),
    ({"kind": "random", "architecture": "PF"}, "random PF"),
    ({"kind": "given", "architecture": "FF"}, "the fixed network FF"),
])  # fmt: skip
def test_configurations_have_names(row: dict[str, Any], name: str) -> None:
    assert named(row, ["lambda1", "cells"]) == name


def cost_row(search_key: str | None, train_key: str, gpus: float = 0, **more: Any) -> dict[str, Any]:
    return {
        "search_key": search_key, "search_seconds": 100.0 if search_key else None, "search_reused": None if search_key is None else False, "search_device": "A" if search_key else None,
        "train_key": train_key, "train_seconds": 50.0, "train_reused": False, "train_device": "A", "gpu_seconds": gpus * (150.0 if search_key else 50.0) if gpus else None, **more,
    }  # fmt: skip


def test_a_stage_that_trials_share_is_counted_once() -> None:
    rows = pd.DataFrame(
        [
            cost_row("s", "t"),
            cost_row("u", "t", train_reused=True),
            cost_row(None, "v"),
            cost_row(None, "w", train_reused=True),
        ]
    )
    table = costs(rows).set_index("stage")
    assert table.loc["search", ["trials", "computed", "seconds", "saved_seconds"]].tolist() == [2, 2, 200, 0]
    assert table.loc["train", ["trials", "computed", "seconds", "saved_seconds"]].tolist() == [4, 3, 150, 50]
    assert table.loc["train", "from_before"] == 1, "w was there before"
    lines = " ".join(cost_lines(rows))
    assert "2 distinct searches and 3 distinct trainings took 5.8 min of one device's time (A)" in lines
    assert "they would have taken 6.7 min: sharing saved 12 %" in lines
    assert "GPU-hours: none" in lines
    assert "Energy was not measured" in lines


def test_gpu_hours_are_those_of_distinct_stages() -> None:
    rows = pd.DataFrame([cost_row("s", "t", gpus=0.5), cost_row("u", "t", gpus=0.5)])
    assert gpu_hours(rows) == pytest.approx(0.5 * (100 + 100 + 50) / 3600)
    assert gpu_hours(pd.DataFrame([cost_row("s", "t")])) is None
    assert cost_lines(NOTHING) == ["No trial has finished: nothing to count."]

"""What the rows of a study answer, on rows whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from analysis.rows.configurations import KEY
from analysis.statistics.answers import (
    agreement,
    fidelity,
    fidelity_lines,
    spread,
    spread_lines,
    transfer,
    transfer_lines,
)

PIXELS = {"task": "denoise", "test_set": "embedded", "sigma": 30.0, "protocol": "clip8", "test_pixels_sha256": "p"}


def test_what_a_task_found_is_followed_to_the_other_tasks() -> None:
    def row(kind: str, task: str, sigma: float | None, architecture: str, psnr_db: float, seed: int = 0) -> dict:
        return {
            "kind": kind,
            "task": task,
            "sigma": sigma,
            "seed": seed,
            "architecture": architecture,
            "psnr_db": psnr_db,
        }

    rows = pd.DataFrame(
        [
            row("searched", "denoise", 30, "FP", 28.0),
            row("searched", "derain", None, "PP", 22.0),
            row("given", "derain", None, "FP", 21.5),
            row("given", "denoise", 30, "PP", 28.5),
            row("random", "denoise", 30, "FF", 20.0),
            row("given", "denoise", 30, "FF", 20.0),
            row("searched", "denoise", 30, "FP", 28.2, seed=1),
        ]
    )
    table = transfer(rows).set_index(["source", "target", "seed"])["psnr_db"].to_dict()
    assert table == {
        ("σ=30", "σ=30", 0): 28.0,
        ("derain", "derain", 0): 22.0,
        ("σ=30", "derain", 0): 21.5,
        ("derain", "σ=30", 0): 28.5,
        ("σ=30", "σ=30", 1): 28.2,
    }
    lines = transfer_lines(rows)
    assert "derain: its own architecture gains +0.50 dB over the other tasks' (1 seed)" in lines
    assert "σ=30: its own architecture gains -0.50 dB over the other tasks' (1 seed)" in lines
    assert transfer_lines(rows[:0]) == transfer_lines(rows[:1]) == [], "nothing to hold against each other"


def test_the_spread_of_known_normals_is_found() -> None:
    generator = np.random.default_rng(0)
    rows = [
        {
            **PIXELS,
            "kind": "searched",
            "replicate_id": f"s{group}",
            "test_key": f"{value}",
            "architecture": "F",
            "psnr_db": value,
            "lambda1": 0.0,
            "lambda2": 0.0,
        }
        for group in range(40)
        for value in 10 * group + 0.3 * generator.standard_normal(6)
    ]
    for group in range(40):
        own = {**PIXELS, "kind": "random", "replicate_id": f"r{group}", "architecture": f"{group}"}
        for value in 2.0 * generator.standard_normal() + 0.1 * generator.standard_normal(6):
            rows.append({**own, "test_key": f"{group} {value}", "psnr_db": value, "lambda1": None, "lambda2": None})
    table = spread(pd.DataFrame(rows), level=0.9999).set_index("source")
    for source, std in {"search and training": 0.3, "training": 0.1, "architecture": 2.0}.items():
        found = table.loc[source]
        assert found["low_db"] < std < found["high_db"]
        assert found["std_db"] == pytest.approx(std, rel=0.4)
    assert table.loc["training", "count"] == 240
    assert not len(spread(pd.DataFrame(rows[:1]))), "one value has no spread"
    assert spread_lines(pd.DataFrame(rows))[-1].startswith("40 configurations of several seeds found 1.0 different")
    few = [row for row in rows if row["replicate_id"] in ("s0", "s1")]
    assert spread_lines(pd.DataFrame(few))[-2:] == ["λ1=0 λ2=0: 6 seeds found one architecture"] * 2


def test_agreement_is_one_for_the_same_order_and_minus_one_for_the_opposite() -> None:
    ordered = pd.DataFrame({"oneshot_psnr_db": np.arange(8.0), "psnr_db": np.arange(8.0) ** 2})
    opposite = ordered.assign(psnr_db=-ordered["psnr_db"])
    for table, tau in ((ordered, 1), (opposite, -1)):
        found = agreement(table, np.random.default_rng(0))
        assert [found["tau"], found["low"], found["high"]] == pytest.approx([tau, tau, tau])
        assert found["p"] < 0.001
    assert np.isnan(agreement(ordered[:2], np.random.default_rng(0))["tau"])


def test_one_shot_scores_meet_the_trainings_of_their_own_seed_and_space() -> None:
    shared = {
        **PIXELS,
        "columns": "2",
        "channels": 2,
        "train_iterations": 4,
        "parameters": 1,
        "lambda1": 0.0,
        "lambda2": 0.0,
    }
    rows = pd.DataFrame(
        [
            {**shared, "trial_id": "s", "kind": "searched", "seed": 0, "architecture": "FP", "psnr_db": 30.0},
            {**shared, "trial_id": "r", "kind": "random", "seed": 0, "architecture": "FP", "psnr_db": 30.0},
            {**shared, "trial_id": "q", "kind": "random", "seed": 0, "architecture": "PP", "psnr_db": 29.0},
            {**shared, "trial_id": "o", "kind": "random", "seed": 1, "architecture": "PP", "psnr_db": 12.0},
            {
                **shared,
                "trial_id": "w",
                "kind": "random",
                "seed": 0,
                "architecture": "PP",
                "psnr_db": 11.0,
                "channels": 4,
            },
        ]
    )
    about = {
        "search_trial_id": "s",
        "seed": 0,
        "lambda1": 0.0,
        "lambda2": 0.0,
        "argmax": "FP",
        "supernet_psnr_db": 20.0,
    }
    scores = {"FP": 19.0, "PP": 18.0}
    oneshot = pd.DataFrame([{**about, "architecture": a, "oneshot_psnr_db": score} for a, score in scores.items()])
    table = fidelity(rows, oneshot)
    assert table.set_index("architecture")["psnr_db"].to_dict() == {"FP": 30.0, "PP": 29.0}
    assert (
        "20.00 dB at its own α, its argmax FP with the same weights 19.00 dB, and trained 30.00 dB"
        in fidelity_lines(rows, oneshot)[1]
    )


def test_a_training_that_configurations_share_is_one_value_of_the_spread() -> None:
    rows = pd.DataFrame(
        [
            {
                KEY: f"c{value}",
                "kind": "searched",
                "seed": seed,
                "psnr_db": 20.0 + seed,
                "train_key": str(seed),
                "architecture": "FF",
            }
            for value in range(6)
            for seed in (0, 1)
        ]
    )
    (found,) = spread(rows).to_dict("records")
    assert (found["count"], found["groups"]) == (2, 1)

"""What a study cost: stages that trials share are counted once."""

from typing import Any

import pandas as pd
import pytest

from analysis.statistics.costs import best_so_far, cost_lines, costs, gpu_hours


def cost_row(search_key: str | None, train_key: str, gpus: float = 0, **more: Any) -> dict[str, Any]:
    row = {"train_key": train_key, "train_seconds": 50.0, "train_reused": False, "train_device": "A"}
    row |= dict.fromkeys(["search_key", "search_seconds", "search_reused", "search_device", "gpu_seconds"])
    if search_key:
        row |= {"search_key": search_key, "search_seconds": 100.0, "search_reused": False, "search_device": "A"}
    if gpus:
        row["gpu_seconds"] = gpus * (150.0 if search_key else 50.0)
    return {**row, **more}


def test_a_stage_that_trials_share_is_counted_once() -> None:
    shared, before = cost_row("u", "t", train_reused=True), cost_row(None, "w", train_reused=True)
    rows = pd.DataFrame([cost_row("s", "t"), shared, cost_row(None, "v"), before])
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
    assert cost_lines(pd.DataFrame()) == ["No trial has finished: nothing to count."]


def test_the_best_so_far_counts_every_stage_once_and_every_training_once() -> None:
    rows = pd.DataFrame(
        {
            "trial_id": list("abcd"),
            "search_key": ["s", "s", None, "t"],
            "train_key": ["x", "x", "y", "z"],
            "search_seconds": [10.0, 10.0, None, 5.0],
            "train_seconds": [1.0, 1.0, 2.0, 3.0],
            "validation_psnr_db": [20.0, 20.0, 19.0, 21.0],
            "finished_at": [1, 2, 3, 4],
        }
    )
    found = best_so_far(rows.iloc[::-1])
    assert found["seconds"].tolist() == [11.0, 13.0, 21.0]
    assert found["validation_psnr_db"].tolist() == [20.0, 20.0, 21.0]
    assert found["trial_id"].tolist() == ["a", "a", "d"]
    assert len(best_so_far(rows.assign(validation_psnr_db=None))) == 0

"""Which rows belong together: protocol groups, what a comparison refuses, and what it may be over."""

import numpy as np
import pandas as pd
import pytest

from analysis.predictions.testing_time import time_model
from analysis.rows.comparable import (
    by_device,
    caption,
    comparable_groups,
    comparable_rows,
    narrowed,
    one_row_each,
    protocol_groups,
    references_beside,
    timed_caption,
)

BASE = {"status": "finished", "task": "denoise", "test_set": "bsds500", "sigma": 30.0, "protocol": "clip8"}
BASE |= {"image_channels": 1, "grayscale": "pillow", "test_border": "crop64", "test_images": 200, "self_ensemble": 8}
BASE |= {"test_limit": 0, "train_device": "a GPU", "seed": 0, "psnr_db": 28.0, "test_pixels_sha256": "p", "channels": 4}
BASE |= {"test_time_size": "64×64"}


def rows(*changes: dict[str, object]) -> pd.DataFrame:
    made = [{**BASE, "trial_id": f"{number}", **change} for number, change in enumerate(changes)]
    return pd.DataFrame(made).astype({"test_images": "Int64", "psnr_db": float, "sigma": float})


@pytest.mark.parametrize(
    "differing",
    [{"sigma": 50.0}, {"protocol": "float"}, {"test_border": "whole"}, {"self_ensemble": 1}, {"test_images": 3}],
    ids=lambda change: next(iter(change)),
)
def test_rows_of_one_protocol_are_a_group_whatever_else_differs(differing: dict[str, object]) -> None:
    frame = rows({}, differing, {"channels": 8}, {"status": "failed"})
    groups = [group["trial_id"].tolist() for _, group in protocol_groups(frame)]
    assert sorted(groups) == [["0", "2"], ["1"]]
    assert len({text for text, _ in protocol_groups(frame)}) == 2, "captions say what differs"


def test_unscored_rows_stand_last_in_the_group_that_their_scores_would_be_in() -> None:
    stopped = {"psnr_db": np.nan, "test_images": None, "test_pixels_sha256": None}
    frame = rows(stopped, {}, {**stopped, "sigma": 50.0}, {**stopped, "test_limit": 3})
    ((_, group),) = protocol_groups(frame)
    assert group["trial_id"].tolist() == ["1", "0"], "rows of which no other was scored are in none"
    assert list(protocol_groups(frame[:0])) == list(protocol_groups(pd.DataFrame())) == []


def test_a_caption_names_protocol_seeds_and_hardware() -> None:
    text = "bsds500 test, 200 images, gray (pillow), σ = 30, protocol clip8, crop64, self-ensemble ×8\n2 seeds; a GPU"
    assert caption(rows({}, {"seed": 1})) == text
    rain = rows({"task": "derain", "image_channels": 3, "sigma": None, "protocol": None, "test_time_size": "64×64"})
    assert "200 images, RGB, derain, crop64" in caption(rain)
    assert timed_caption(rain, "a CPU").endswith("1 seed; a GPU\ntimed on a CPU, 64×64 pixels")


def test_a_caption_names_the_unit_of_lambda2_where_there_is_one() -> None:
    searches = [{"lambda2": 0.0, "complexity": "flops"}, {"lambda2": 0.1, "complexity": "authors"}]
    drawn = {"lambda2": np.nan, "complexity": None}
    assert caption(rows(*searches, drawn)).endswith("a GPU; λ2 with complexity = authors")
    assert caption(rows(searches[0], drawn)).endswith("a GPU")


def test_rows_compare_within_one_space_and_training() -> None:
    frame = rows({}, {"channels": 8}, {"channels": 8, "seed": 1})
    found = {where: group["trial_id"].tolist() for where, group in comparable_groups(frame)}
    assert found == {"channels = 4": ["0"], "channels = 8": ["1", "2"]}
    assert [where for where, _ in comparable_groups(frame[1:])] == [""], "all compare"


def test_a_comparison_uses_finite_figures_of_distinct_trials() -> None:
    frame = pd.concat([rows({}, {"psnr_db": np.inf}, {"psnr_db": np.nan}), rows({})], ignore_index=True)
    assert comparable_rows(frame, "psnr_db")["trial_id"].tolist() == ["0"]
    with pytest.raises(KeyError, match="nonsense"):
        comparable_rows(frame, "nonsense")


@pytest.mark.parametrize(
    ("column", "value", "may_be_free"),
    [("channels", 8, True), ("sigma", 50.0, False), ("test_pixels_sha256", "q", False)],
)
def test_what_differs_is_refused_unless_the_comparison_is_over_it(
    column: str, value: object, may_be_free: bool
) -> None:
    frame = rows({}, {column: value})
    with pytest.raises(ValueError, match=f"^rows differ in {column} "):
        comparable_rows(frame, "psnr_db")
    if may_be_free:
        assert len(comparable_rows(frame, "psnr_db", {column})) == 2
    else:
        with pytest.raises(ValueError, match="rows differ in"):
            comparable_rows(frame, "psnr_db", {column})


def test_narrowing_changes_no_answer() -> None:
    frame = rows({}, {"channels": 8}).assign(host="h", parameters=[1, 2])
    few = narrowed(frame, "psnr_db")
    assert {"channels", "trial_id", "psnr_db"} <= set(few)
    assert not {"host", "parameters", "grayscale"} & set(few)
    for part in (frame, few):
        with pytest.raises(ValueError, match=r"^rows differ in channels \(4, 8\)"):
            comparable_rows(part, "psnr_db")


def test_pairs_that_are_not_determined_are_named_by_what_tells_them_apart() -> None:
    frame = rows({}, {"channels": 8}, {"seed": 1})
    with pytest.raises(ValueError, match=r"^seed 0 has 2 rows with λ1=0 that differ in channels: choose rows of one"):
        one_row_each(frame, "λ1=0", ["seed"])
    assert one_row_each(frame[1:], "λ1=0", ["seed"]).index.tolist() == [0, 1]


def test_references_are_those_of_the_same_pixels_each_once() -> None:
    group = rows({})
    one = {**BASE, "method": "input"}
    references = pd.DataFrame(
        [one, {**one, "sigma": 50.0, "method": "b"}, one, {**one, "method": "c", "test_images": 3}]
    )
    assert references_beside(group, references)["method"].tolist() == ["input"]
    rain = rows({"task": "derain", "sigma": None, "protocol": None})
    both = pd.concat([references, references[:1].assign(task="derain", sigma=np.nan, protocol=None)])
    assert references_beside(rain, both)["task"].tolist() == ["derain"], "a null is equal to a null"
    assert len(references_beside(group, None)) == len(references_beside(group, references[:0])) == 0


def test_times_on_each_device_are_the_rows_own_and_those_taken_later() -> None:
    frame = rows({"device": "A", "test_time_ms": 1.0}, {"device": "B", "test_time_ms": 2.0}, {"device": None})
    later = pd.DataFrame({"trial_id": ["0", "2"], "device": "B", "test_time_ms": [3.0, 4.0]})
    found = {
        device: dict(zip(part["trial_id"], part["test_time_ms"], strict=True))
        for device, part in by_device(frame, later)
    }
    assert found == {"A": {"0": 1.0}, "B": {"1": 2.0, "0": 3.0, "2": 4.0}}
    assert [device for device, _ in by_device(frame, pd.DataFrame())] == ["A", "B"]


def test_times_of_images_of_two_sizes_are_apart() -> None:
    timed, sizes = {"device": "A", "test_time_ms": 1.0, "architecture": "P-F"}, ("448×320", "64×64", "64×64", None)
    frame = rows(*({**timed, "test_time_size": size} for size in sizes))
    found = dict(by_device(frame, pd.DataFrame()))
    assert {name: len(part) for name, part in found.items()} == {"A, 448×320 pixels": 1, "A, 64×64 pixels": 2}
    for name, part in found.items():
        assert timed_caption(part, name).endswith(f"timed on {name}")
        time_model(part)  # refuses rows of two sizes
    assert [name for name, _ in by_device(frame[1:], pd.DataFrame())] == ["A"]

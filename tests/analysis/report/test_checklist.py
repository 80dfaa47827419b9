"""The reproducibility checklist, on rows that meet it and rows that do not."""

import json
from typing import Any

import pandas as pd
import pytest

from analysis.report.checklist import NO, PARTLY, YES, checklist

ROW = {"status": "finished", "kind": "searched", "replicate_id": "r", "architecture": "F", "channels": 4}
ROW |= {
    "task": "denoise",
    "test_set": "set12",
    "sigma": 30.0,
    "protocol": "clip8",
    "image_channels": 1,
    "test_images": 2,
}
ROW |= {"grayscale": "pillow", "test_border": "crop64", "test_pixels_sha256": "p", "allow_overlap": False}
ROW |= {"commit": "c" * 40, "versions": json.dumps({"torch": "2"}), "search_device": "A", "train_device": "A"}
ROW |= {"device": "B", "search_key": "s", "search_seconds": 1.0, "search_reused": False}
ROW |= {"train_key": "t", "train_seconds": 1.0, "train_reused": False, "alpha_split": "validation"}
ABOUT = {"runs": [{"command": "python studies/cells.py"}]}


def answers(
    *changes: dict[str, Any], about: dict[str, Any] = ABOUT, references: pd.DataFrame | None = None
) -> dict[str, str]:
    """The answer to each question, by its first words."""
    rows = pd.DataFrame([{**ROW, "seed": seed, **change} for seed, change in enumerate(changes)])
    nothing = pd.DataFrame()
    items = checklist(about, rows, nothing if references is None else references, nothing)
    return {" ".join(item.question.split()[:3]): item.answer for item in items} | {"all": str(items)}


def test_a_study_that_does_all_of_it() -> None:
    found = answers({}, {}, {}, {"kind": "random"}, references=pd.DataFrame({"method": ["input"]}))
    assert {word for question, word in found.items() if question != "all"} == {YES, NO}
    assert [question for question, word in found.items() if word == NO] == [
        "Is performance over",
        "Were results repeated",
    ]
    assert "3 seeds a configuration" in found["all"]


@pytest.mark.parametrize(
    ("changes", "question", "answer", "evidence"),
    [
        ([{"commit": "c" * 40 + "+changes"}], "Is the code", PARTLY, "commit cccccccccccc+changes"),
        ([{"commit": None}], "Is the code", NO, "not in a checkout"),
        ([{}, {"versions": "{}"}], "Are all versions", PARTLY, "2 sets of versions"),
        ([{}, {}], "Were all methods", PARTLY, "2 seeds a configuration"),
        ([{}, {}, {"replicate_id": "q"}], "Were all methods", NO, "1 to 2 seeds"),
        ([{}], "Was the search", NO, "0 random architectures"),
        ([{}, {"channels": 8}], "Do compared networks", PARTLY, "rows differ in channels"),
        ([{}, {"test_pixels_sha256": "q"}], "Was every network", NO, "hashes of the scored pixels differ"),
        ([{}, {"test_pixels_sha256": "q", "sigma": 50.0}], "Was every network", YES, "equal in all rows of a protocol"),
        ([{"allow_overlap": True}], "Was nothing chosen", PARTLY, "splits share images"),
        ([{}], "Are there baselines", NO, "no classical method"),
    ],
)
def test_what_a_study_lacks_is_said(changes: list[dict[str, Any]], question: str, answer: str, evidence: str) -> None:
    found = answers(*changes)
    assert found[question] == answer
    assert evidence in found["all"]


def test_what_proposals_followed_from_is_said() -> None:
    """Versions before the column was named proposed by the score on test images."""
    for follows, answer in (({}, NO), ({"follows_from": "validation_psnr_db"}, YES)):
        runs = [{"command": "python studies/adaptive_pareto.py", **follows}]
        found = answers({}, {}, {}, about={"study": "adaptive_pareto", "runs": runs})
        assert found["Was nothing chosen"] == answer
        assert f"proposals follow from {follows.get('follows_from', 'psnr_db')}" in found["all"]
    assert "proposals" not in answers({}, about={"study": "lambda_pareto", "runs": [{"command": "c"}]})["all"]


def test_nothing_finished_and_nothing_recorded() -> None:
    (item,) = checklist({}, pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
    assert (item.answer, item.evidence[:24]) == (NO, "no trial has finished: t")
    assert answers({}, about={})["Is the exact"] == NO

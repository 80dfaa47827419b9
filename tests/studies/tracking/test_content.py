"""What MLflow's runs should hold, from the store alone."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from small import SMALL, put_row

from clearer.configuration import field_types
from clearer.presets import label
from studies.store.store import Store
from studies.store.study_file import write_study
from studies.tracking.content import (
    LONGEST_TEXT,
    STUDY_TAG,
    TRIAL_TAG,
    Content,
    UnderWay,
    curve_points,
    run_names,
    study_content,
    trial_content,
)

BEGUN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ENDED = datetime(2026, 1, 2, 4, 4, 5, tzinfo=UTC)
GIVEN = SMALL.with_values(kind="given", architecture="PF")
CLOCKS = {"started_at": BEGUN, "finished_at": ENDED, "commit": "abc", "versions": "{}"}


def record(iteration: int, stage: str = "search", **values: Any) -> dict[str, Any]:
    """A row of a curve."""
    return {"stage": stage, "iteration": iteration, "recorded_at": 10.5 * iteration, "psnr_db": 20.0, **values}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with a study of two trials, of which one has ended."""
    store = Store(str(tmp_path))
    write_study(store, "s", [SMALL, GIVEN], "a question", preset="quick", command="the command s3://me:word@bucket/x")
    figures = {"psnr_db": 25.5, "psnr_by_image": [25.0, 26.0], "test_time_ms": 3.0}
    put_row(store, "s", SMALL, [record(2), record(4, "train")], "PF", **figures, **CLOCKS)
    return store


def content(store: Store) -> Content:
    """What the run of the trial that has ended should hold."""
    (row,) = store.rows("s", {SMALL.trial_id})
    return trial_content(store, "the study", SMALL, row)


def test_a_finished_trial_has_its_fields_its_figures_and_its_curve(store: Store) -> None:
    found = content(store)
    assert found.identity == {STUDY_TAG: "the study", TRIAL_TAG: SMALL.trial_id}
    assert (found.status, found.is_partial) == ("FINISHED", False)
    assert (found.started, found.ended) == (int(1000 * BEGUN.timestamp()), int(1000 * ENDED.timestamp()))
    assert found.params["lambda1"] == "0.01"
    assert found.params["columns"] == "2"
    assert found.params.keys() <= field_types().keys()
    assert found.tags["architecture"] == "PF"
    assert found.tags["mlflow.source.git.commit"] == "abc"
    stamp = found.ended
    assert ("psnr_db", 0, stamp, 25.5) in found.points
    assert {point for point in found.points if point[0] == "series/psnr_by_image"} == {
        ("series/psnr_by_image", 1, stamp, 25.0),
        ("series/psnr_by_image", 2, stamp, 26.0),
    }
    assert {(name, step) for name, step, at, _ in found.points if at != stamp} == {
        ("search/psnr_db", 2),
        ("train/psnr_db", 4),
    }
    assert "sigma" in found.note or "σ" in found.note


def test_what_a_trial_does_not_read_is_no_param(store: Store) -> None:
    found = trial_content(store, "the study", GIVEN, UnderWay(GIVEN, BEGUN))
    assert "lambda1" not in found.params
    assert "architecture" not in found.params
    assert found.params["kind"] == "given"


def test_a_failed_trial_has_its_curve_and_its_reason_and_no_figures(store: Store) -> None:
    error = "lost s3://me:word@bucket/x"
    put_row(store, "s", GIVEN, [record(2, "train")], status="failed", error=error, psnr_db=20.0, **CLOCKS)
    (row,) = store.rows("s", {GIVEN.trial_id})
    found = trial_content(store, "the study", GIVEN, row)
    assert found.status == "FAILED"
    assert found.tags["error"] == "lost s3://***@bucket/x"
    assert {name for name, *_ in found.points} == {"train/psnr_db"}


def test_a_trial_under_way_has_what_is_known_so_far(store: Store) -> None:
    found = trial_content(store, "the study", SMALL, UnderWay(SMALL, BEGUN, [record(2)]))
    assert (found.status, found.ended, found.is_partial, found.tags) == ("RUNNING", None, True, {})
    assert found.points == {("search/psnr_db", 2, 21000, 20.0)}
    whole = content(store)
    assert found.started == whole.started
    assert found.params == whole.params
    assert found.points <= whole.points, "nothing has to be taken back"


def test_names_begin_with_what_differs_between_trials_of_a_kind() -> None:
    others = [SMALL.with_values(lambda1=0.5), SMALL.with_values(lambda1=0.25), GIVEN]
    names = run_names([SMALL, *others])
    assert [names[c.trial_id].split()[0] for c in (SMALL, *others)] == ["λ1=0.01", "λ1=0.5", "λ1=0.25", "given"]
    assert names[GIVEN.trial_id].split()[1] == "PF"
    assert names[SMALL.trial_id].endswith(f"seed {SMALL.seed}")
    assert {c.trial_id: sorted(names[c.trial_id].split()) for c in others} == {
        c.trial_id: sorted(label(c).split()) for c in others
    }


def test_figures_that_are_looked_at_first_have_no_prefix(store: Store) -> None:
    put_row(store, "s", GIVEN, psnr_db=25.0, ssim=0.5, test_time_ms=2.0, parameters=1_500_000, flops=7, **CLOCKS)
    (row,) = store.rows("s", {GIVEN.trial_id})
    values = {name: value for name, _, _, value in trial_content(store, "the study", GIVEN, row).points}
    first = {"psnr_db": 25.0, "ssim": 0.5, "test_time_ms": 2.0, "parameters_m": 1.5}
    assert {name: value for name, value in values.items() if "/" not in name} == first
    assert values["more/flops"] == 7


def test_points_are_of_what_was_measured_and_a_column_each() -> None:
    points = set(curve_points([record(2, alpha=[0.25, 0.75], alpha_loss=math.nan, complexity_loss=None)]))
    assert points == {
        ("search/psnr_db", 2, 21000, 20.0),
        ("alpha/fusion_01", 2, 21000, 0.25),
        ("alpha/fusion_02", 2, 21000, 0.75),
    }
    ((_, _, _, largest), (_, _, _, smallest)) = curve_points(
        [record(1, psnr_db=math.inf), record(2, psnr_db=-math.inf)]
    )
    assert largest == -smallest < math.inf, "databases have no infinity"


def test_the_run_of_a_study_is_under_way_until_every_trial_has_a_row(store: Store) -> None:
    found = study_content(store, "s")
    assert (found.status, found.ended, found.params) == ("RUNNING", None, {})
    assert found.name == "s (quick)"
    assert (found.tags["trials"], found.tags["missing"], found.tags["failed"]) == ("2", "1", "0")
    assert found.tags["command"] == "the command s3://***@bucket/x"
    put_row(store, "s", GIVEN, status="failed", error="no memory", **CLOCKS)
    found = study_content(store, "s")
    assert (found.status, found.ended) == ("FINISHED", int(1000 * ENDED.timestamp()))
    assert (found.tags["missing"], found.tags["failed"]) == ("0", "1")


def test_a_study_of_failures_has_failed(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    write_study(store, "s", [GIVEN], preset="quick", command="command")
    put_row(store, "s", GIVEN, status="failed", error="no memory", **CLOCKS)
    assert study_content(store, "s").status == "FAILED"


def test_the_files_of_a_study_are_its_report(store: Store, tmp_path: Path) -> None:
    before = study_content(store, "s")
    store.write("studies/s/report/index.html", b"page")
    store.write("studies/s/report/figures/front.svg", b"figure")
    after = study_content(store, "s")
    assert before.files_key != after.files_key
    assert before.digest != after.digest
    after.files(tmp_path / "sent")
    assert (tmp_path / "sent/index.html").read_bytes() == b"page"
    assert (tmp_path / "sent/figures/front.svg").read_bytes() == b"figure"


def test_a_digest_changes_with_all_that_a_run_holds(store: Store) -> None:
    found = content(store)
    assert content(store).digest == found.digest
    point = ("psnr_db", 0, 1, 2.0)
    texts = {"status": "FAILED", "files_key": "x"}
    changes: dict[str, Any] = {
        **texts,
        "started": 1,
        "ended": 2,
        "params": {},
        "tags": {},
        "points": found.points | {point},
    }
    digests = {replace(found, **{name: value}).digest for name, value in changes.items()}
    assert len(digests | {found.digest}) == len(changes) + 1
    assert replace(found, name="another").digest == found.digest, "a name is compared by itself"


def test_a_text_that_is_too_long_is_cut(store: Store) -> None:
    put_row(store, "s", GIVEN, status="failed", error="x" * 2 * LONGEST_TEXT, **CLOCKS)
    (row,) = store.rows("s", {GIVEN.trial_id})
    assert len(trial_content(store, "the study", GIVEN, row).tags["error"]) == LONGEST_TEXT

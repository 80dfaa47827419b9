"""Successive halving: its rungs and its replay are those of Tune's ASHA, and what it stops can be gone on with."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import ASHAScheduler
from running import TINY, run_study

import analysis
from analysis.rows.groups import comparable
from analysis.tables.trials import results_table
from clearer.configuration import Configuration
from clearer.presets import QUICK
from studies.driver import retime
from studies.planning import halving
from studies.store.store import Store
from studies.work import stages
from studies.work.jobs import Job, Pack
from studies.work.learning import load_curve, load_unfinished_curve, run_pack
from studies.work.stages import Fingerprints, Place

DATA = Fingerprints("w", "a", "t")


def asha(levels: tuple[int, ...], iterations: int, reduction: int) -> Any:
    """The scheduler that `studies.planning.halving` builds for one group."""
    c = Configuration(train_iterations=iterations, report_iterations=1)
    job = SimpleNamespace(rungs=levels, rivals="r", reduction=reduction, configuration=c)
    scheduler = halving.scheduler()
    scheduler.on_trial_add(None, SimpleNamespace(trial_id="first", config={"pack": Pack((job,))}))
    return scheduler, job


@given(st.integers(2, 100_000), st.integers(1, 500), st.integers(2, 5))
def test_rungs_are_reported_iterations_below_the_end_and_those_of_asha(
    iterations: int, report: int, reduction: int
) -> None:
    levels = halving.rungs(iterations, report, reduction)
    assert all(level % report == 0 and level < iterations for level in levels)
    assert bool(levels) == (report < iterations)
    if levels:
        assert levels[0] == max(1, round(iterations / reduction**2 / report)) * report
        group = asha(levels, iterations, reduction)[0].groups["r"]
        assert isinstance(group, ASHAScheduler)
        assert [milestone for milestone, _ in group._brackets[0]._rungs] == sorted(levels, reverse=True)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(10, 40)), max_size=30), st.integers(2, 4))
def test_the_replay_stops_what_asha_stops(reports: list[tuple[int, float]], reduction: int) -> None:
    levels = halving.rungs(81, 1, reduction)
    scheduler, job = asha(levels, 81, reduction)
    curves: dict[str, list[dict[str, Any]]] = {}
    stopped: dict[str, int] = {}
    for clock, (number, psnr) in enumerate(reports):
        name = str(number)
        rows = curves.setdefault(name, [])
        trial = SimpleNamespace(trial_id=name, config={"pack": Pack((job,))})
        if not rows:
            scheduler.on_trial_add(None, trial)
        if len(rows) == len(levels):
            continue
        rows.append({"iteration": levels[len(rows)], "psnr_db": psnr, "recorded_at": clock})
        result = {"iteration": rows[-1]["iteration"], "psnr_db": psnr}
        if name not in stopped and scheduler.on_trial_result(None, trial, result) == "STOP":
            stopped[name] = rows[-1]["iteration"]
    assert halving.replay(curves, levels, reduction) == stopped


def test_only_trainings_that_differ_in_nothing_but_the_architecture_compete() -> None:
    c = Configuration(train_halving=3)

    def rivals(c: Configuration, data: Fingerprints = DATA, reduction: int = 3) -> str:
        return Job("train", "key", c, data, "FPFP-FPFF-PFFP", (), reduction).rivals

    others = [{"sigma": 50.0}, {"protocol": "float"}, {"seed": 1}, {"train_learning_rate": 0.1}, {"channels": 8}, {"task": "derain", "dataset": "rain800", "image_channels": 3}]  # fmt: skip
    different = [rivals(c.with_values(**values)) for values in others]
    different += [rivals(c, Fingerprints("other", "a", "t")), rivals(c, Fingerprints("w", "other", "t")), rivals(c, reduction=2)]  # fmt: skip
    assert len({rivals(c), *different}) == 1 + len(different)
    same = [{"lambda1": 0.3}, {"lambda2": 0.1}, {"test_limit": 3}, {"kind": "given", "architecture": "FFFF-FFFF-FFFF"}]
    assert {rivals(c.with_values(**values)) for values in same} == {rivals(c)}


@given(st.lists(st.floats(10, 40), min_size=2, max_size=9))
def test_jobs_without_halving_are_never_stopped(scores: list[float]) -> None:
    scheduler = halving.scheduler()
    job = Job("train", "key", Configuration(), DATA)
    for number, psnr in enumerate(scores):
        trial = SimpleNamespace(trial_id=str(number), config={"pack": Pack((job,))})
        scheduler.on_trial_add(None, trial)
        assert scheduler.on_trial_result(None, trial, {"iteration": 100, "psnr_db": psnr}) == "CONTINUE"


def test_a_training_is_saved_before_it_is_judged_and_judged_before_it_goes_on(tmp_path: Path) -> None:
    small = {"channels": 2, "cells": 1, "columns": 1, "batch_size": 2, "patch_size": 16, "report_iterations": 2}
    c = Configuration(**{**QUICK, **small, "train_iterations": 8})
    job = Job("train", "k", c, stages.fingerprints(c, None), "F", (), 2)
    assert job.rungs == (2, 4)
    place = Place(str(tmp_path), None)
    run = run_pack(Pack((job,)), place)
    for level in job.rungs:
        assert next(run)["iteration"] == level
        assert (tmp_path / f"stages/train/k/checkpoint-{level:09d}").exists()
    run.close()
    left = load_unfinished_curve(Store(place.storage), "train", "k")
    assert [record["iteration"] for record in left] == [2, 4]
    *told, end = run_pack(Pack((job,)), place)
    assert [event["iteration"] for event in told] == [2, 4, 6, 8], "judged anew at the rungs that it had passed"
    assert [event["records"]["k"] for event in told[:2]] == left
    assert end == {"ended": {"k": None}}


# A study with halving on a real Ray, and the same study without it over the same store.

ARCHITECTURES = ("PP", "FF", "PF", "FP")
SETTINGS = (*(text for text in TINY if not text.startswith("train_iterations")), "train_iterations=16", f"architecture={','.join(ARCHITECTURES)}")  # fmt: skip


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    storage = tmp_path_factory.mktemp("halved") / "runs"
    return storage, run_study(
        storage, "--tracking-uri", "none", "--concurrent", "1", settings=(*SETTINGS, "train_halving=2")
    )


@pytest.mark.drill(minutes=1.5)
def test_a_stopped_training_is_a_row_without_scores(halved: tuple[Path, Any]) -> None:
    storage, done = halved
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    rows = analysis.load(storage)
    assert (rows["status"] == "finished").all()
    stopped = rows[rows["train_stopped_at"].notna()]
    levels = halving.rungs(16, 2, 2)
    assert 0 < len(stopped) < len(rows)
    assert set(stopped["train_stopped_at"]) <= set(levels) == {4, 8}
    unmeasured = ["psnr_db", "ssim", "psnr_by_image", "test_images", "test_time_ms", "test_key"]
    assert stopped[unmeasured].isna().all(axis=None)
    assert stopped[["architecture", "parameters", "train_key", "train_seconds", "train_device", "host"]].notna().all(axis=None)  # fmt: skip
    assert rows[rows["train_stopped_at"].isna()][["psnr_db", "test_time_ms"]].notna().all(axis=None)
    curves = analysis.load_curves(storage)
    for row in stopped.to_dict("records"):
        curve = curves[(curves["trial_id"] == row["trial_id"]) & (curves["stage"] == "train")]
        assert curve["iteration"].tolist() == list(range(2, row["train_stopped_at"] + 1, 2))
        folder = storage / "stages/train" / row["train_key"]
        assert (folder / f"checkpoint-{row['train_stopped_at']:09d}").exists()
        assert not (folder / "result.json").exists()


@pytest.mark.drill(minutes=1.5)
def test_a_stopped_row_stands_in_the_table_and_on_no_front(halved: tuple[Path, Any]) -> None:
    storage, done = halved
    rows = analysis.load(storage)
    ((caption, group),) = comparable(rows)
    assert "2 images" in caption
    table = results_table(group, analysis.load_references(storage))
    assert set(group["trial_id"]) == set(rows["trial_id"])
    assert {"noisy input", "total variation"} <= set(table["architecture"])
    stopped = table["train_stopped_at"].notna()
    assert table.loc[stopped, "psnr_db"].isna().all()
    assert not table.loc[stopped, "on_front"].any()
    assert stopped.tail(stopped.sum()).all(), "below what was scored"
    assert "training stopped" in done.stdout
    assert "of 4 trainings stopped early: " in done.stdout
    said = (storage / "studies/lambda_pareto/report/early_stopping.md").read_text()
    assert said.splitlines()[0].removeprefix("* ") in done.stdout


@pytest.mark.drill(minutes=1.5)
def test_a_stopped_training_is_not_timed_again(halved: tuple[Path, Any], capsys: pytest.CaptureFixture[str]) -> None:
    storage, _ = halved
    assert retime.main([str(storage), "lambda_pareto"]) == 0
    rows = analysis.load(storage)
    shown = capsys.readouterr().out
    assert [name in shown for name in rows["trial_id"]] == rows["train_stopped_at"].isna().tolist()


@pytest.mark.drill(minutes=1.5)
def test_without_halving_the_same_study_goes_on_from_the_checkpoints_bit_for_bit(
    halved: tuple[Path, Any], tmp_path: Path
) -> None:
    storage, _ = halved
    before = analysis.load(storage)
    stopped = before[before["train_stopped_at"].notna()].set_index("train_key")["train_stopped_at"].to_dict()
    saved = {key: (storage / f"stages/train/{key}/checkpoint-{at:09d}").stat().st_mtime for key, at in stopped.items()}
    done = run_study(storage, "--tracking-uri", "none", settings=SETTINGS)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = analysis.load(storage)
    rows = rows[rows["train_halving"] == 0]
    assert rows["psnr_db"].notna().all()
    assert rows["train_stopped_at"].isna().all()
    store, alone = Store(str(storage)), Store(str(tmp_path / "alone"))
    data = stages.fingerprints(Configuration(**written(storage, rows["trial_id"].iloc[0])), None)
    for row in rows.to_dict("records"):
        c, key = Configuration(**written(storage, row["trial_id"])), row["train_key"]
        list(run_pack(Pack((Job("train", key, c, data, row["architecture"]),)), Place(alone.storage, None)))
        network = f"stages/train/{key}/network.safetensors"
        assert store.read(network) == alone.read(network)
        curve, undisturbed = (load_curve(s, "train", key) for s in (store, alone))
        assert [clockless(record) for record in curve] == [clockless(record) for record in undisturbed]
        for record in curve if key in stopped else ():
            assert (record["recorded_at"] <= saved[key]) == (record["iteration"] <= stopped[key]), "computed once"
    assert not list(storage.glob("stages/*/*/checkpoint-*"))


def written(storage: Path, trial_id: str) -> dict[str, Any]:
    """The configuration of a trial, as `study.json` has it."""
    return json.loads((storage / "studies/lambda_pareto/study.json").read_text())["trials"][trial_id]


def clockless(record: dict[str, Any]) -> dict[str, Any]:
    """A curve's record without what a clock measured."""
    return {name: value for name, value in record.items() if name not in ("seconds", "recorded_at")}

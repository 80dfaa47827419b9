"""Every study: its trials in every preset, and that studies of one store share what they have in common."""

import dataclasses
import importlib
import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from in_process import InProcess
from running import UNSWEPT

import analysis
from clearer.configuration import Configuration
from clearer.fields import ConfigurationError
from clearer.presets import PRESETS
from studies.driver.command_line import main
from studies.driver.options import Multiple, Options, parse_assignments
from studies.driver.study import Findings, Study
from studies.tasks import retrained

QUICK_COUNTS = {
    "lambda_pareto": {"searched": 12, "random": 6, "given": 4},
    "cells": {"searched": 8, "random": 4, "given": 8},
    "columns": {"searched": 10, "random": 5, "given": 10},
    "tasks": {"searched": 3, "random": 3, "given": 6},
    "seeds": {"searched": 3, "random": 6},
    "random_baseline": {"random": 6, "given": 2},
    "table5": {"searched": 5, "random": 1, "given": 2},
    "supernet_fidelity": {"searched": 1, "random": 6, "given": 2},
    "adaptive_pareto": {"random": 2, "given": 2},
    "settings": {"searched": 4},
}


def study(name: str) -> Study:
    """The study of a file."""
    return importlib.import_module(f"studies.{name}").STUDY


@pytest.mark.parametrize("name", QUICK_COUNTS)
def test_a_quick_study_holds_the_trials_that_its_note_says(name: str) -> None:
    assert study(name).name == name
    assert Counter(c.kind for c in study(name).trials("quick", {})) == QUICK_COUNTS[name]
    note = importlib.import_module(f"studies.{name}").__doc__
    assert all(heading in note for heading in ("Grid  ", "Cost  ", "Shows  ", f"Command   python studies/{name}.py\n"))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", QUICK_COUNTS)
def test_trials_are_different_and_more_seeds_add_to_them(name: str, preset: str) -> None:
    once, more = (study(name).trials(preset, {}, seeds=n) for n in (1, 7))
    assert len({c.trial_id for c in once}) == len(once)
    assert {c.trial_id for c in once} < {c.trial_id for c in more}
    assert {c.seed for c in more} == set(range(7))


@pytest.mark.parametrize("name", QUICK_COUNTS)
def test_more_random_architectures_add_to_them(name: str) -> None:
    few, many = (study(name).trials("quick", {}, random=n) for n in (1, 4))
    assert {c.trial_id for c in few} < {c.trial_id for c in many}


def test_a_multiple_of_the_threshold_polarises_every_space_alike() -> None:
    assigned = parse_assignments(["lambda1=0.01,2x"])
    assert assigned == {"lambda1": [0.01, Multiple(2.0)]}
    trials = [c for c in study("cells").trials("quick", assigned) if c.kind == "searched"]
    raw, twice = ([c for c in trials if (c.lambda1 == 0.01) == is_raw] for is_raw in (True, False))
    assert [c.cells for c in raw] == [c.cells for c in twice] == [1, 2, 3, 4]
    for c in twice:
        assert c.lambda1 == pytest.approx(2 * 2 * 2 * c.cells * 1e-3 * math.log(10), rel=1e-5)


def test_a_task_has_the_settings_of_its_preset(tmp_path: Path) -> None:
    (tmp_path / "rain800").mkdir()
    trials = study("tasks").trials("quick", {}, folder=tmp_path)
    rain = [c for c in trials if c.task == "derain"]
    assert {(c.dataset, c.image_channels, c.patch_size) for c in rain} == {("rain800", 3, 32)}
    assert {(c.dataset, c.image_channels, c.patch_size) for c in trials if c.task == "denoise"} == {("embedded", 1, 32)}
    assert [c.task for c in study("tasks").trials("paper", {}) if c.kind == "searched"].count("derain") == 1


def test_an_axis_of_the_command_line_replaces_the_doubts_and_a_value_does_not() -> None:
    assert len(study("settings").trials("quick", {"channels": [4]})) == 4
    swept = study("settings").trials("quick", {"channels": [2, 4, 8]})
    assert [(c.channels, c.mixing) for c in swept] == [(n, "parallel") for n in (2, 4, 8)]


def test_the_adaptive_study_names_what_it_cannot_sample() -> None:
    of_lambda = (
        "lambda1=0.1,0.2,0.3",
        "lambda2=0,0.1",
        "lambda1=2x",
        "lambda1=0.1,inf",
        "lambda2=-1",
        "lambda1=0.1 lambda2=0",
    )
    of_others = "sigma=30,50", "architecture=FFFF-FFFF-FFFF", "momentum=2", "columns=2-4-6,4"
    for texts in map(str.split, (*of_lambda, *of_others)):
        with pytest.raises(ConfigurationError, match=texts[0].split("=")[0]) as error:
            study("adaptive_pareto").trials("quick", parse_assignments(texts))
        assert "\n" not in str(error.value)
    assert len(study("adaptive_pareto").trials("quick", parse_assignments(["lambda2=0"]))) == 4


def test_what_a_task_found_is_retrained_in_its_own_space() -> None:
    assigned = parse_assignments(["columns=1,2", "cells=1", "sigma=30,50"])
    trials = study("tasks").trials("quick", assigned, seeds=2)
    rows = pd.DataFrame(
        [{"trial_id": c.trial_id, "architecture": "F" * c.columns[0]} for c in trials if c.kind == "searched"]
    )
    told: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(Findings))
    told |= {"trials": trials, "options": Options(assigned=assigned), "rows": rows}
    found = retrained(Findings(**told))
    assert {(c.sigma, c.architecture, c.seed) for c in found} == {
        (sigma, text, seed) for sigma in (30, 50) for text in ("F", "FF") for seed in (0, 1)
    }


def test_a_baseline_shares_trainings_and_pixels_with_the_search(
    in_process: InProcess, study_storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.report.report.write_report", lambda results: [])
    storage = tmp_path / "runs"
    shutil.copytree(study_storage, storage)
    before = {path.name for path in storage.glob("stages/train/*")}
    asked = ["--storage", str(storage), "--random", "4", "--tracking-uri", "none", "--set", *UNSWEPT]
    assert main(study("random_baseline"), None, asked) == 0
    theirs, own = analysis.load(storage, "lambda_pareto"), analysis.load(storage, "random_baseline")
    assert own["kind"].value_counts().to_dict() == {"random": 4, "given": 2}
    assert theirs["test_pixels_sha256"].nunique() == 1
    assert set(own["test_pixels_sha256"]) == set(theirs["test_pixels_sha256"]), "the same clean and noisy pixels"
    assert set(own["data_sha256"]) == set(theirs["data_sha256"])
    new = {path.name for path in storage.glob("stages/train/*")} - before
    assert new == set(own["train_key"]) - set(theirs["train_key"]), "computes what the store has not"
    assert own.set_index("train_key")["train_reused"].to_dict() == {key: key not in new for key in own["train_key"]}
    both = own.merge(theirs, on="train_key", suffixes=("", "_there"))
    assert len(both)
    assert (both["psnr_db"] == both["psnr_db_there"]).all()


def test_time_that_is_spent_leaves_trials_to_the_next_run(
    in_process: InProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.report.report.write_report", lambda results: [])
    asked = ["--storage", str(tmp_path), "--tracking-uri", "none", "--seeds", "2", "--random", "0", "--set", *UNSWEPT]
    assert main(study("seeds"), None, [*asked, "--budget", "0s"]) == 3
    assert "2 trials have not started" in capsys.readouterr().out
    assert main(study("seeds"), None, [*asked, "--budget", "1h"]) == 0
    rows = analysis.load(tmp_path)
    assert rows["kind"].value_counts().to_dict() == {"searched": 2, "given": 2}
    given = rows[rows["kind"] == "given"]
    assert set(given["seed"]) == {0, 1}
    first = rows[(rows["kind"] == "searched") & (rows["seed"] == 0)].iloc[0]
    assert set(given["architecture"]) == {first["architecture"]}, "what the first seed found, trained with every seed"
    assert "standard deviation" in capsys.readouterr().out


def test_a_given_trial_reads_no_field_of_a_search() -> None:
    found = [c for name in QUICK_COUNTS for c in study(name).trials("quick", {}) if c.kind != "searched"]
    assert {c.lambda1 for c in found} == {Configuration().lambda1}

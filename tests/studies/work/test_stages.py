"""Keys: a stage is the same stage exactly when what determines it is the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.architecture import Architecture
from clearer.configuration import Configuration, field_types
from clearer.presets import QUICK
from studies.store.store import Store
from studies.work import stages
from studies.work.jobs import Failure, Job, Pack
from studies.work.learning import run_pack
from studies.work.stages import Fingerprints, Place

BASE = Configuration(**QUICK, search_patience=20)
DATA = Fingerprints("w", "a", "t")
ARCHITECTURE = Architecture.parse("FPFP-FPFF-PFFP")
OTHER = {
    "columns": (2,), "mixing": "sequential", "dataset": "bsds500", "protocol": "float", "complexity": "flops", "alpha_statistics": "batch",
    "test_border": "whole", "image_channels": 3, "self_ensemble": 8, "train_halving": 2,
}  # fmt: skip
SINGLE = [name for name in field_types() if name in OTHER or field_types()[name] in (int, float)]
"""Fields that one value more or less leaves valid."""


def keys(c: Configuration, data: Fingerprints = DATA) -> dict[str, str]:
    """The key of every stage of a configuration that leads to one architecture."""
    train = stages.train_key(c, ARCHITECTURE, data)
    return {
        "search": stages.search_key(c, data),
        "train": train,
        "test": stages.test_key(c, train, data),
        "time": stages.time_key(c, ARCHITECTURE, data, "a device"),
        "reference": stages.reference_key(c, data),
    }


@pytest.mark.parametrize("name", SINGLE)
def test_a_field_changes_exactly_the_stages_that_it_determines(name: str) -> None:
    value = getattr(BASE, name)
    other = OTHER[name] if name in OTHER else value / 2 if isinstance(value, float) and value else 2 * value + 1
    changed = BASE.with_values(**{name: other})
    before, after = keys(BASE), keys(changed)
    named = set(next(f for f in dataclasses.fields(Configuration) if f.name == name).metadata["stages"])
    expected = named | ({"test"} if "train" in named else set()) | ({"reference"} if "test" in named else set())
    assert {stage for stage in before if before[stage] != after[stage]} == expected


def test_pixels_are_part_of_the_key() -> None:
    before, after = keys(BASE), keys(BASE, Fingerprints("w", "a", "other"))
    assert {stage for stage in before if before[stage] != after[stage]} == {"test", "time", "reference"}
    after = keys(BASE, Fingerprints("other", "a", "t"))
    assert {stage for stage in before if before[stage] != after[stage]} == {"search", "train", "test"}


def test_the_architecture_and_the_device_are_part_of_the_key() -> None:
    other = Architecture.parse("FPFP-FPFF-PFFF")
    assert stages.train_key(BASE, other, DATA) != stages.train_key(BASE, ARCHITECTURE, DATA)
    assert stages.time_key(BASE, ARCHITECTURE, DATA, "b") != stages.time_key(BASE, ARCHITECTURE, DATA, "a")


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    small = {"channels": 2, "cells": 1, "columns": 2, "batch_size": 2, "patch_size": 16, "report_iterations": 2}
    c = BASE.with_values(**small, search_patience=0, search_iterations=8, warmup_iterations=2)
    data = stages.fingerprints(c, None)
    whole, broken = (Place(str(tmp_path / name), None, checkpoint_seconds=0) for name in ("whole", "broken"))
    pack = Pack((Job("search", "k", c, data),))
    list(run_pack(pack, whole))
    run = run_pack(pack, broken)
    for _ in range(3):
        next(run)  # iterations 2, 4 and 6; the checkpoints of 4 and 6 are kept
    run.close()
    store = Store(broken.storage)
    newest = tmp_path / "broken/stages/search/k" / sorted(store.names("stages/search/k"))[-1]
    newest.write_bytes(newest.read_bytes()[:-7])
    *told, end = run_pack(pack, broken)
    assert [event["iteration"] for event in told] == [6, 8]
    assert end == {"ended": {"k": None}}
    found, expected = (Store(place.storage).result("search", "k") for place in (broken, whole))
    assert found is not None
    assert expected is not None
    assert found["alpha"] == expected["alpha"]
    assert store.names("stages/search/k") == Store(whole.storage).names("stages/search/k")


def test_an_image_that_changes_during_the_study_is_named(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        (tmp_path / "own" / split).mkdir(parents=True)
        for number in range(2):
            pixels = np.random.default_rng([number, len(split)]).integers(0, 256, (64, 64), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "own" / split / f"{split}{number}.png")
    small = {"channels": 2, "cells": 1, "columns": 2, "batch_size": 2, "patch_size": 16}
    c = BASE.with_values(**small, dataset="own", search_patience=0, search_iterations=4, warmup_iterations=2)
    data = stages.fingerprints(c, tmp_path)
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "own/val/val1.png")
    (end,) = run_pack(Pack((Job("search", "k", c, data),)), Place(str(tmp_path / "runs"), str(tmp_path)))
    assert end == {"ended": {"k": Failure("val1.png: changed during the study")}}
    assert not list((tmp_path / "runs").glob("stages/search/*/result.json"))

"""Keys: a stage is the same stage exactly when what determines it is the same."""

import dataclasses

import pytest
import torch
from small import NO_DATA, SMALL, search_of, train_of

from clearer.architecture import Architecture
from clearer.configuration import Configuration, field_types
from clearer.presets import Edition, preset_values
from clearer.tasks.known import TASKS
from studies.work import keys as stage_keys
from studies.work.keys import Fingerprints, Trial

QUICK = preset_values(Edition("quick", 1))
BASE = Configuration(**QUICK, search_patience=20)
ARCHITECTURE = "FPFP-FPFF-PFFP"
SEARCHED = {"mixing": "sequential", "complexity": "flops", "alpha_statistics": "batch"}
READ = {"columns": (2,), "dataset": "bsds500", "protocol": "float", "image_channels": 3}
OF_A_TASK = {name: task for task in TASKS.values() for name in task.fields}
TESTED = {"scale": 3, "test_border": "whole", "self_ensemble": 8}
OTHER = {**SEARCHED, **READ, **TESTED}
SINGLE = [name for name in field_types() if name in OTHER or field_types()[name] in (int, float)]
"""Fields that one value more or less leaves valid."""


def keys(c: Configuration, data: Fingerprints = NO_DATA) -> dict[str, str]:
    """The key of every stage of a configuration that leads to one architecture."""
    trial = Trial(c, data)
    train = trial.train_key(ARCHITECTURE)
    return {
        "search": str(trial.search_key),
        "train": train,
        "test": trial.tested_key(train),
        "time": trial.time_key(ARCHITECTURE, "a device"),
        "reference": trial.reference_key,
    }


@pytest.mark.parametrize("name", SINGLE)
def test_a_field_changes_exactly_the_stages_that_it_determines(name: str) -> None:
    base = BASE
    if name == "strength":
        base = BASE.with_values(task="of_ones_own", task_source="0123456789ab")
    if task := OF_A_TASK.get(name):
        base = BASE.with_values(task=task.name, self_ensemble=1, blur="motion" if name == "blur_angle" else "gaussian")
    value = getattr(base, name)
    other = OTHER[name] if name in OTHER else value / 2 if isinstance(value, float) and value else 2 * value + 1
    changed = base.with_values(**{name: other})
    before, after = keys(base), keys(changed)
    named = set(next(f for f in dataclasses.fields(Configuration) if f.name == name).metadata["stages"])
    expected = named | ({"test"} if "train" in named else set()) | ({"reference"} if "test" in named else set())
    assert {stage for stage in before if before[stage] != after[stage]} == expected


def test_the_keys_of_a_trial_are_those_of_its_jobs() -> None:
    searched = Trial(SMALL, NO_DATA)
    given = Trial(SMALL.with_values(kind="given", architecture="PF"), NO_DATA)
    assert searched.search_key == search_of(SMALL).key
    assert given.search_key is None
    train = train_of(SMALL, "PF")
    for trial in (searched, given):
        assert trial.train_key("PF") == train.key
        assert trial.tested_key(train.key) == train.tests[0][0]
    assert searched.reference_key == given.reference_key
    assert searched.trial_id == SMALL.trial_id


def test_pixels_are_part_of_the_key() -> None:
    before, after = keys(BASE), keys(BASE, Fingerprints("w", "a", "other"))
    assert {stage for stage in before if before[stage] != after[stage]} == {"test", "time", "reference"}
    after = keys(BASE, Fingerprints("other", "a", "t"))
    assert {stage for stage in before if before[stage] != after[stage]} == {"search", "train", "test"}
    after = keys(BASE, Fingerprints("w", "other", "t"))
    assert {stage for stage in before if before[stage] != after[stage]} == {"search", "train", "test", "reference"}


def test_the_files_that_hold_the_pixels_are_not() -> None:
    named = Fingerprints("w", "a", "t", (("1",), ("2",), ("3",)))
    assert named == NO_DATA
    assert keys(BASE, named) == keys(BASE)


def test_the_architecture_and_the_device_are_part_of_the_key() -> None:
    trial = Trial(BASE, NO_DATA)
    assert trial.train_key("FPFP-FPFF-PFFF") != trial.train_key(ARCHITECTURE)
    assert trial.time_key(ARCHITECTURE, "b") != trial.time_key(ARCHITECTURE, "a")
    assert trial.train_key(Architecture.parse(ARCHITECTURE)) == trial.train_key(ARCHITECTURE)


def test_how_an_architecture_came_about_is_not() -> None:
    given = BASE.with_values(kind="given", architecture=ARCHITECTURE, search_patience=0)
    assert Trial(given, NO_DATA).train_key(ARCHITECTURE) == Trial(BASE, NO_DATA).train_key(ARCHITECTURE)


def test_the_key_of_one_shot_scores_holds_what_is_scored() -> None:
    texts = ("PPF", "FFF", "PPP")
    key = Trial(BASE, NO_DATA).oneshot_key(texts)
    assert key == Trial(BASE, NO_DATA).oneshot_key(texts[::-1])
    others = [
        Trial(BASE, NO_DATA).oneshot_key(texts[:2]),
        Trial(BASE.with_values(lambda1=0.5), NO_DATA).oneshot_key(texts),
        Trial(BASE.with_values(test_limit=2), NO_DATA).oneshot_key(texts),
        Trial(BASE, Fingerprints("w", "a", "x")).oneshot_key(texts),
    ]
    assert len({key, *others}) == 5


def test_keys_are_those_of_earlier_versions() -> None:
    """Written down once: a change here makes every store worthless that there is."""
    c = Configuration(**{**QUICK, "seed": 3, "lambda1": 0.1, "test_border": "crop64"})
    assert (c.trial_id, c.replicate_id) == ("fb1d15102523", "9c34e059146e")
    trial = Trial(c, NO_DATA)
    assert str(trial.search_key)[:16] == "6db72199a27ccaa8"
    assert trial.train_key(ARCHITECTURE)[:16] == "76a15ed26813b9de"
    assert trial.tested_key("a training")[:16] == "b0c0677d2fdb0135"


def test_torch_is_named_with_its_build_without_being_imported() -> None:
    assert stage_keys.torch_version() == torch.__version__

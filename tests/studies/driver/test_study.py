"""The trials of a grid."""

import dataclasses
import math
from collections import Counter
from itertools import product

import pytest

from clearer.configuration import Configuration
from clearer.fields import ConfigurationError
from clearer.presets import PRESETS, label
from studies import random_baseline
from studies.driver.options import ALL, Multiple
from studies.driver.study import Study, configuration, random_architectures, unique
from studies.driver.study import product as combinations
from studies.lambda_pareto import STUDY


def test_the_quick_study_holds_six_searches_and_three_random_architectures_at_two_seeds() -> None:
    trials = STUDY.trials("quick", {})
    assert Counter(c.kind for c in trials) == {"searched": 12, "random": 6, "given": 4}
    assert {(c.lambda1, c.lambda2, c.seed) for c in trials[:12]} == set(product((0, 0.03, 0.1), (0, 0.01), (0, 1)))
    assert len({c.architecture for c in trials[12:]}) == 5


@pytest.mark.parametrize("preset", PRESETS)
def test_every_trial_of_every_preset_is_different(preset: str) -> None:
    trials = STUDY.trials(preset, {}, seeds=3)
    assert len({c.trial_id for c in trials}) == len(trials) == 3 * len(STUDY.trials(preset, {"seed": [0]}))


def test_more_seeds_keep_the_trials_that_are_there() -> None:
    once, thrice = (STUDY.trials("quick", {}, seeds=n) for n in (1, 3))
    assert {c.trial_id for c in once} < {c.trial_id for c in thrice}
    assert {c.seed for c in thrice} == {0, 1, 2}


def test_an_axis_of_the_search_does_not_multiply_the_random_architectures() -> None:
    trials = STUDY.trials("quick", {"lambda1": [0.0, 0.2, 0.4, 0.8], "momentum": [0.5, 0.9], "seed": [1]})
    assert sum(c.kind == "random" for c in trials) == 3
    assert sum(c.kind == "searched" for c in trials) == 4 * 2 * 2
    assert {c.trial_id for c in trials if c.kind == "random"} < {c.trial_id for c in STUDY.trials("quick", {})}


def test_an_axis_of_the_training_multiplies_all() -> None:
    trials = STUDY.trials("quick", {"sigma": [30.0, 50.0]})
    assert len(trials) == 2 * 22
    for sigma in (30.0, 50.0):
        assert len({c.architecture for c in trials if c.kind == "random" and c.sigma == sigma}) == 3


def test_a_given_architecture_is_one_trial() -> None:
    trials = STUDY.trials("quick", {"architecture": ["FPFP-FPFF-PFFP"], "seed": [0]})
    assert [(c.kind, c.architecture) for c in trials] == [("given", "FPFP-FPFF-PFFP")]


def test_random_architectures_are_different_and_more_keep_the_first() -> None:
    few, many = (random_architectures((4, 4, 4), n) for n in (3, 50))
    assert many[:3] == few
    assert len(set(many)) == 50
    assert len(random_architectures((1, 1), 99)) == 4, "no more than there are"


def test_all_random_architectures_are_the_whole_space() -> None:
    trials = random_baseline.STUDY.trials("quick", {"seed": [0]}, random=ALL)
    assert len({c.architecture for c in trials if c.kind == "random"}) == len(trials) - 2 == 2**4


def test_mistakes_name_the_field() -> None:
    for assigned in ({"nope": [1]}, {"kind": ["random"]}, {"lambda1": [-1.0]}):
        with pytest.raises(ConfigurationError, match=next(iter(assigned))):
            STUDY.trials("quick", assigned)


def test_labels_tell_trials_apart() -> None:
    trials = STUDY.trials("quick", {}, seeds=2)
    assert len({label(c) for c in trials}) == len(trials)


def test_points_are_each_with_all_the_axes_and_what_is_assigned_replaces_both() -> None:
    study = dataclasses.replace(STUDY, points=lambda preset, folder: [{"sigma": 30.0}, {"sigma": 50.0}], ends=False)
    assert len(study.trials("quick", {}, random=0)) == 2 * 12
    assert {c.sigma for c in study.trials("quick", {"sigma": [70.0]})} == {70.0}


def test_a_study_without_searches_begins_with_what_needs_none() -> None:
    study = dataclasses.replace(STUDY, searched=False)
    assert {c.kind for c in study.trials("quick", {})} == {"random", "given"}
    given = study.trials("quick", {"architecture": ["FPFP-FPFF-PFFP"], "seed": [0]})
    assert [c.kind for c in given] == ["given"]


def test_seeds_count_upwards_from_the_one_that_is_assigned() -> None:
    assert {c.seed for c in STUDY.trials("quick", {"seed": [5]}, seeds=3)} == {5, 6, 7}
    with pytest.raises(ConfigurationError, match="seed: give either several values or --seeds"):
        STUDY.trials("quick", {"seed": [5, 6]}, seeds=3)


def test_seeds_that_are_asked_for_replace_those_of_the_preset() -> None:
    study = Study("s", random={"quick": 0}, axes={"quick": {"lambda2": [0.0, 0.1], "seed": [0, 1]}})
    for asked, found in ((None, {0, 1}), (1, {0}), (2, {0, 1}), (3, {0, 1, 2})):
        trials = study.trials("quick", {}, seeds=asked)
        assert {c.seed for c in trials} == found
        assert len(trials) == (2 + 2) * len(found), "two searches and the two ends"
    assert {c.seed for c in study.trials("quick", {"seed": [5]}, seeds=1)} == {5}
    with pytest.raises(ConfigurationError, match="several values or --seeds"):
        study.trials("quick", {"seed": [5, 6]}, seeds=1)


# Configurations of values along axes.


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_a_configuration_that_values_replace(preset: str) -> None:
    usual, other = configuration(preset, {}), configuration(preset, {"sigma": 50.0, "channels": 2})
    assert usual == Configuration(**PRESETS[preset])
    assert other == usual.with_values(sigma=50.0, channels=2)
    assert usual.kind == "searched"


def test_an_architecture_makes_a_given_trial() -> None:
    found = configuration("quick", {"architecture": "FPFP-FPFF-PFFP", "lambda1": 0.5})
    assert (found.kind, found.lambda1) == ("given", Configuration().lambda1)


def test_a_task_brings_what_its_preset_needs() -> None:
    rain = configuration("paper", {"task": "derain"})
    assert (rain.dataset, rain.image_channels) == ("rain800", 3)
    assert configuration("paper", {"task": "derain", "dataset": "mine"}).dataset == "mine", "what is given holds"


@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("columns", [(2,), (4,)])
def test_a_multiple_is_of_the_threshold_of_the_trials_own_columns(cells: int, columns: tuple[int, ...]) -> None:
    found = configuration("quick", {"cells": cells, "columns": columns, "lambda1": Multiple(0.5)})
    assert found.lambda1 == pytest.approx(0.5 * 2 * cells * columns[0] * 1e-3 * math.log(10), rel=1e-5)
    assert found == configuration("quick", {"cells": cells, "columns": columns, "lambda1": found.lambda1})


def test_a_multiple_needs_a_threshold() -> None:
    with pytest.raises(ConfigurationError, match="lambda1=2x: alpha_weight_decay=0"):
        configuration("quick", {"lambda1": Multiple(2.0), "alpha_weight_decay": 0.0})


def test_a_multiple_reads_as_it_was_written() -> None:
    assert [str(Multiple(factor)) for factor in (2.0, 0.5)] == ["2x", "0.5x"]


def test_a_product_has_every_combination_the_last_axis_fastest() -> None:
    found = combinations({"lambda1": [0, 1], "lambda2": [2, 3]})
    assert found == [{"lambda1": a, "lambda2": b} for a in (0, 1) for b in (2, 3)]
    assert combinations({}) == [{}]


def test_one_of_each_is_kept_in_order() -> None:
    first, second = configuration("quick", {}), configuration("quick", {"sigma": 50.0})
    assert unique([second, first, second.with_values(), first]) == [second, first]


@pytest.mark.parametrize("values", [{"lamda1": 0.1}, {"task": "denoise", "strenght": 2.0}])
def test_a_field_that_a_study_file_misspells_is_named(values: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=f"^{list(values)[-1]}: no such field .did you mean"):
        configuration("quick", values)

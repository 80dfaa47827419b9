"""Labels of trials: what varies among them. Presets of earlier editions."""

import copy
import pickle

from clearer.configuration import Configuration
from clearer.presets import EDITIONS, Edition, edition, label, labels, preset_values

QUICK = Configuration(**preset_values("quick"))


def test_what_trials_have_in_common_is_said_once() -> None:
    searched = [QUICK.with_values(lambda1=value, seed=seed) for value in (0.0, 0.1) for seed in (0, 1)]
    given = QUICK.with_values(kind="given", architecture="PP-FF")
    shared, own = labels([*searched, given])
    assert shared == "σ=30 N=2-2 λ2=0"
    assert own == ["λ1=0 seed 0", "λ1=0 seed 1", "λ1=0.1 seed 0", "λ1=0.1 seed 1", "given PP-FF seed 0"]
    assert label(searched[0]) == "σ=30 N=2-2 λ1=0 λ2=0 seed 0"


def test_a_trial_alone_has_a_label() -> None:
    assert labels([QUICK]) == (label(QUICK), ["trial"])
    assert labels([]) == ("", [])


def test_an_earlier_edition_of_a_preset_keeps_its_values() -> None:
    second, first = (Configuration(**preset_values(Edition("proxy", number))) for number in (2, 1))
    assert (second.channels, second.columns_by_cell, second.skip, second.time_set) == (8, (4, 4, 4), "none", True)
    assert (second.search_iterations, second.test_border) == (1_000, "centre64")
    assert first == second.with_values(test_border="crop64")
    lengths = (4, (1_200, 0.006)), (3, (1_600, 0.015)), (2, (1_600, 0.015)), (1, (2_000, 0.01))
    for number, length in lengths:
        values = preset_values(Edition("quick", number), "derain")
        assert (values["train_iterations"], values["train_learning_rate"]) == length
        assert values["search_iterations"] == (400 if number > 1 else 160)


def test_a_preset_knows_its_edition() -> None:
    names = ("quick", Edition("quick", 2), "a preset of one's own")
    assert [edition(name) for name in names] == [EDITIONS["quick"], 2, 1]
    assert copy.deepcopy(pickle.loads(pickle.dumps(Edition("proxy", 2)))).number == 2

"""Labels of trials: what varies among them."""

from clearer.configuration import Configuration
from clearer.presets import label, labels, preset_values

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

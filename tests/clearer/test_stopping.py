"""Early stopping of a search: its rule, and that a search which stops is the beginning of one that does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearer.checkpoint import pack_state, unpack_state
from clearer.configuration import ConfigurationError
from clearer.stopping import has_settled

EVERY = 10


def curve(alphas):
    return [{"iteration": EVERY * n, "alpha": list(alpha)} for n, alpha in enumerate(alphas, start=1)]


LEVELS = st.sampled_from([0.49, 0.51, 0.51, 0.51, 0.52, 0.54])
CURVES = st.lists(st.tuples(LEVELS, LEVELS), min_size=1, max_size=8).map(curve)
CALM = st.lists(st.tuples(*[st.floats(0.5, 0.52, exclude_min=True)] * 3), min_size=1, max_size=12).map(curve)


@given(CALM, st.integers(0, 60), st.integers(1, 60))
def test_a_calm_search_stops_when_a_record_after_the_warm_up_is_old_enough(records, warmup, patience):
    newest = records[-1]["iteration"]
    old_enough = [r for r in records if warmup <= r["iteration"] <= newest - patience]
    assert has_settled(records, warmup, patience, 0.02) == bool(old_enough)


@given(CURVES, st.integers(0, 60), st.floats(0, 1))
def test_without_patience_nothing_stops(records, warmup, tolerance):
    assert not has_settled(records, warmup, 0, tolerance)
    assert not has_settled([], warmup, 10, tolerance)


@given(CURVES, st.integers(0, 60), st.integers(1, 30), st.floats(0, 0.06), st.floats(0, 0.06))
def test_more_patience_or_less_tolerance_never_stops_earlier(records, warmup, patience, tolerance, more):
    if has_settled(records, warmup, patience + EVERY, tolerance):
        assert has_settled(records, warmup, patience, tolerance)
        assert has_settled(records, warmup, patience, tolerance + more)


@given(CURVES, st.integers(1, 20), st.floats(0, 0.06))
def test_what_has_settled_has_neither_moved_nor_changed(records, patience, tolerance):
    window = [r["alpha"] for r in records if r["iteration"] >= records[-1]["iteration"] - patience]
    columns = list(zip(*window, strict=True))
    moved = max(max(column) - min(column) for column in columns) > tolerance
    changed = any(len({alpha > 0.5 for alpha in column}) > 1 for column in columns)
    assert not (has_settled(records, 0, patience, tolerance) and (moved or changed))


def test_a_small_step_over_a_half_is_another_architecture():
    assert not has_settled(curve([[0.499], [0.501]]), 0, 10, 0.02)
    assert has_settled(curve([[0.499], [0.5]]), 0, 10, 0.02), "a tie is parallel"


@pytest.mark.parametrize("number", range(3))
def test_a_move_anywhere_in_the_window_counts_even_when_it_is_taken_back(number):
    alphas = [[0.8, 0.2]] * 3
    assert has_settled(curve(alphas), 0, 20, 0.02)
    alphas[number] = [0.8, 0.23]
    assert not has_settled(curve(alphas), 0, 20, 0.02)


@pytest.fixture(scope="module")
def settling(tiny):
    """A search whose α is decided within 20 of 40 iterations: the entropy term alone drives it."""
    fast = {"alpha_learning_rate": 0.3, "lambda1": 3.0, "report_iterations": 3, "cells": 1}
    return tiny.with_values(**fast, search_patience=6, search_tolerance=0.02)


@pytest.fixture(scope="module")
def stopped(search, settling, finish):
    return finish(search(settling))


def test_a_search_that_stops_is_the_beginning_of_one_that_does_not(search, settling, finish, stopped):
    c = settling
    assert c.warmup_iterations + c.search_patience < stopped.iteration < c.search_iterations
    whole = finish(search(c.with_values(search_patience=0)))
    assert whole.iteration == c.search_iterations
    clocks = ("seconds", "recorded_at")
    both = [
        [{k: v for k, v in row.items() if k not in clocks} for row in run.members[0].curve] for run in (stopped, whole)
    ]
    assert both[0] == both[1][: len(both[0])]
    rule = c.warmup_iterations, c.search_patience, c.search_tolerance
    ran = whole.members[0].curve
    replayed = [row["iteration"] for n, row in enumerate(ran) if has_settled(ran[: n + 1], *rule)]
    assert replayed[0] == stopped.iteration


@pytest.mark.parametrize("every", [1, 7])
def test_interruptions_change_neither_the_stop_nor_a_bit(search, settling, bits, stopped, every):
    run = search(settling)
    while not run.ended:
        again = search(settling)
        again.load_state_dicts([unpack_state(pack_state(run.state_dict(run.members[0])))])
        run = next(again.advance(every))
    assert run.iteration == stopped.iteration
    assert bits(run) == bits(stopped)
    assert list(run.advance()) == [], "what has stopped stays stopped"


def test_settings_that_could_never_stop_anything_are_named(tiny):
    with pytest.raises(ConfigurationError, match=r"^search_patience=35: must be less than .*=35$"):
        tiny.with_values(search_patience=35)
    with pytest.raises(ConfigurationError, match=r"^train_halving=3: needs report_iterations=40"):
        tiny.with_values(train_halving=3, report_iterations=40)
    with pytest.raises(ConfigurationError, match=r"^train_halving=1: must be 0 \(off\)"):
        tiny.with_values(train_halving=1)


def test_a_tolerance_without_patience_makes_no_other_trial(tiny):
    assert tiny.with_values(search_tolerance=0.5).trial_id == tiny.trial_id
    assert tiny.with_values(search_patience=5, search_tolerance=0.5) != tiny.with_values(search_patience=5)
    assert tiny.search_patience == tiny.train_halving == 0

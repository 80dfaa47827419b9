"""The search: its steps and its curve; its steps against the authors' way of the mathematics; early stopping."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from steps import gradients, in_float64, uneven

from analysis.predictions.polarisation import fixed_point
from benchmarks.plain import PlainSearch
from clearer.checkpoint import pack_state, unpack_state
from clearer.complexity import module_costs
from clearer.configuration import ConfigurationError
from clearer.images.sets import ImageSet
from clearer.losses import architecture_complexity, architecture_entropy
from clearer.networks import Supernet
from clearer.search import Search, has_settled

PUBLISHED = {"alpha_learning_rate": 3e-4, "alpha_weight_decay": 1e-3, "alpha_beta1": 0.5, "alpha_beta2": 0.999}


def tensors(search):
    return {name: tensor.clone() for name, tensor in search.supernet.state_dict().items()}


def changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def learnable(search):
    return {name for name, _ in search.supernet.named_parameters()}


def inputs(search, iterations):
    """What the supernet is given in each step: degraded batches, in order."""
    seen = []
    search.supernet.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0].clone()))
    next(search.advance(iterations))
    return seen


def larger_alpha_without_restoration(search, steps):
    for _ in range(steps):
        loss, _ = search.alpha_objective(torch.zeros(1))
        loss.backward(inputs=[search.supernet.logits])
        search.optimizers["alpha"].step()
        search.optimizers["alpha"].zero_grad()
    return search.supernet.alpha()[0].max(dim=1).values.tolist()


@pytest.mark.parametrize(
    ("lambda1", "cells", "columns", "alpha"),
    [(0.1, 3, (4,), 0.8344), (0.05, 3, (4,), 0.5), (0.05, 2, (1, 3), 0.8974)],
    ids=str,
)
def test_entropy_alone_takes_alpha_to_the_fixed_point(search, tiny, lambda1, cells, columns, alpha):
    started = search(tiny.with_values(**PUBLISHED, lambda1=lambda1, cells=cells, columns=columns))
    count = sum(started.configuration.columns_by_cell)
    assert (lambda1 > started.configuration.polarisation_threshold) == (alpha > 0.5)
    assert larger_alpha_without_restoration(started, 9_500) == pytest.approx([alpha] * count, abs=1e-3)
    assert float(fixed_point(lambda1, count, 1e-3)) == pytest.approx(alpha, abs=1e-4)


def test_the_objective_is_equation_2(search, tiny):
    started = search(tiny.with_values(lambda1=0.3, lambda2=0.7, alpha_initial_std=1.0))
    entropy = architecture_entropy(started.supernet.logits)
    complexity = architecture_complexity(started.supernet.logits, module_costs(started.configuration))
    total, terms = started.alpha_objective(torch.tensor([2.0]))
    torch.testing.assert_close(total, (2 + 0.3 * entropy + 0.7 * complexity)[None])
    assert terms == {"alpha_loss": 2, "architecture_loss": entropy, "complexity_loss": complexity}


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_the_alpha_step_leaves_the_weights_alone(search, tiny, statistics):
    started = search(tiny.with_values(alpha_statistics=statistics))
    before = tensors(started)
    started.step("alpha")
    moved = changed(before, tensors(started))
    assert moved & learnable(started) == {"logits"}
    assert (moved == {"logits"}) == (statistics == "running")
    assert all(weight.requires_grad and weight.grad is None for weight in started.supernet.parameters())


def test_the_weights_step_leaves_the_logits_alone(search, tiny):
    started = search(tiny)
    before = tensors(started)
    started.step("weights")
    moved = changed(before, tensors(started))
    assert "logits" not in moved
    assert "head.weight" in moved
    assert not started.optimizers["alpha"].state


def test_the_warm_up_leaves_the_logits_alone(search, tiny):
    started = search(tiny.with_values(report_iterations=1))
    initial = started.supernet.logits.clone()
    run = started.advance(1)
    for _ in range(tiny.warmup_iterations):
        next(run)
        assert torch.equal(started.supernet.logits, initial)
        assert "alpha_loss" not in started.members[0].curve[-1]
    next(run)
    assert not torch.equal(started.supernet.logits, initial)
    assert set(started.members[0].curve[-1]) > {
        "alpha_loss",
        "architecture_loss",
        "complexity_loss",
        "restoration_loss",
    }


def test_trials_that_differ_only_in_lambda_see_the_same_crops(search, tiny):
    one, other = (search(tiny.with_values(lambda1=lambda1)) for lambda1 in (0, 10))
    seen = inputs(one, 14), inputs(other, 14)
    assert len(seen[0]) == len(seen[1]) == 14 + 14 - tiny.warmup_iterations
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))
    assert not torch.equal(one.supernet.logits, other.supernet.logits)


def test_weights_and_alpha_read_their_own_splits(tiny):
    dark, light = (ImageSet(("a",), (np.full((9, 9, 1), level, np.uint8),)) for level in (0, 255))
    seen = [
        bool(batch.mean() > 0.5) for batch in inputs(Search([tiny.with_values(warmup_iterations=3)], dark, light), 6)
    ]
    assert seen == [False] * 3 + [True, False] * 3


def test_the_curve_records_alpha_and_the_architecture_follows_it(search, tiny, finish):
    finished = finish(search(tiny.with_values(lambda1=1.0)))
    fusion = finished.alpha(finished.members[0])[:, 1].tolist()
    assert finished.members[0].curve[-1]["alpha"] == fusion
    assert finished.architecture(finished.members[0]).letters == "".join(
        "F" if alpha > 0.5 else "P" for alpha in fusion
    )
    assert finished.architecture(finished.members[0]).columns == (2, 2)


def test_the_row_in_which_the_warm_up_ends_holds_the_means_of_the_alpha_steps(search, tiny, finish):
    coarse, fine = (
        finish(search(tiny.with_values(report_iterations=every, search_iterations=15))).members[0].curve
        for every in (15, 1)
    )
    losses = [row["architecture_loss"] for row in fine if "architecture_loss" in row]
    assert len(losses) == 15 - tiny.warmup_iterations
    assert coarse[0]["architecture_loss"] == pytest.approx(sum(losses) / len(losses))


def test_optimisers_have_the_configured_settings(search, tiny):
    started = search(tiny.with_values(**PUBLISHED))
    sgd, adam = (started.optimizers[name].param_groups[0] for name in ("weights", "alpha"))
    assert type(started.optimizers["weights"]) is torch.optim.SGD
    assert (sgd["momentum"], sgd["weight_decay"]) == (0.9, 3e-4)
    assert type(started.optimizers["alpha"]) is torch.optim.Adam
    assert (adam["lr"], adam["betas"], adam["weight_decay"]) == (3e-4, (0.5, 0.999), 1e-3)
    assert [id(p) for p in adam["params"]] == [id(started.supernet.logits)]


def test_initial_logits_are_nearly_undecided_and_the_seeds(search, tiny):
    many = tiny.with_values(columns=(40,))
    logits = search(many).supernet.logits
    assert logits.std().item() == pytest.approx(1e-3, rel=0.2)
    assert torch.equal(logits, search(many).supernet.logits)
    assert not torch.equal(logits, search(many.with_values(seed=1)).supernet.logits)


def batch(size=16):
    generator = torch.Generator().manual_seed(1)
    clean = torch.rand(4, 1, size, size, generator=generator, dtype=torch.float64)
    return clean + 0.1 * torch.randn(clean.shape, generator=generator, dtype=torch.float64), clean


@pytest.fixture
def pair(search, tiny):
    """A search and a plain search in float64, from one state, and how to make a step of both."""

    def made(**changed):
        c = tiny.with_values(cells=3, columns=(2,), alpha_initial_std=1.0, lambda1=0.1, clip_norm=0.01, **changed)
        lean = in_float64(search(c))
        uneven(lean.supernet)
        for crops in lean.crops.values():
            crops.batch = lambda iteration: batch()
        supernet = Supernet(c.columns_by_cell, c.channels, c.image_channels, c.mixing).double()
        supernet.load_state_dict(lean.supernet.state_dict())
        own = in_float64(search(c))
        own.supernet = supernet
        return lean, PlainSearch(supernet, c, own.alpha_objective)

    return made


@pytest.mark.parametrize("mixing", ["parallel", "sequential"])
@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_both_steps_are_those_of_the_authors_way(pair, statistics, mixing):
    lean, plain = pair(alpha_statistics=statistics, mixing=mixing)
    for name in ("alpha", "weights", "alpha", "weights"):
        expected, found = gradients(plain, name), gradients(lean, name)
        lean.step(name)
        if name == "alpha":
            plain.alpha_step(batch())
        else:
            plain.weights_step(batch(), lean.configuration.weights_learning_rate)
        assert len(expected) == len(found) > 0
        assert all(gradient.any() for gradient in found)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(lean.supernet.state_dict(), plain.supernet.state_dict(), rtol=1e-10, atol=1e-12)


def test_bf16_alpha_gradients_are_within_5_percent(search, tiny):
    values = {"channels": 4, "batch_size": 8, "patch_size": 16, "search_iterations": 80, "warmup_iterations": 60}
    warmed = next(search(tiny.with_values(**values)).advance(60))
    states = {}
    for precision in ("fp32", "bf16"):
        again = search(tiny.with_values(**values, precision=precision))
        again.load_state_dicts([warmed.state_dict(warmed.members[0])])
        found = gradients(again, "alpha")
        again.step("alpha")
        states[precision] = found[0]
    error = (states["bf16"] - states["fp32"]).norm() / states["fp32"].norm()
    assert 0 < error < 0.05


def test_bf16_keeps_weights_gradients_and_losses_in_fp32(search, tiny, finish):
    run = search(tiny.with_values(precision="bf16"))
    seen = []
    run.supernet.stem.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    found = gradients(run, "weights")
    loss = run.step("weights")["restoration_loss"]
    assert seen == [torch.bfloat16]
    assert {tensor.dtype for tensor in [loss, *found, *run.supernet.parameters()]} == {torch.float32}
    run._watched_errors()
    assert seen[1:] == [torch.float32]
    curve = finish(search(tiny.with_values(precision="bf16"))).members[0].curve
    assert curve[-1]["restoration_loss"] < curve[0]["restoration_loss"]


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


def test_a_tolerance_without_patience_makes_no_other_trial(tiny):
    assert tiny.with_values(search_tolerance=0.5).trial_id == tiny.trial_id
    assert tiny.with_values(search_patience=5, search_tolerance=0.5) != tiny.with_values(search_patience=5)
    assert tiny.search_patience == 0

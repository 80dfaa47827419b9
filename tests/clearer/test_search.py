from __future__ import annotations

import numpy as np
import pytest
import torch

from clearer.complexity import module_costs
from clearer.images.sets import ImageSet
from clearer.losses import architecture_complexity, architecture_entropy, polarisation_threshold, polarised_alpha
from clearer.search import Search

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
    assert (lambda1 > polarisation_threshold(count, 1e-3)) == (alpha > 0.5)
    assert larger_alpha_without_restoration(started, 9_500) == pytest.approx([alpha] * count, abs=1e-3)
    assert polarised_alpha(lambda1, count, 1e-3) == pytest.approx(alpha, abs=1e-4)


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
    started._alpha_step()
    moved = changed(before, tensors(started))
    assert moved & learnable(started) == {"logits"}
    assert (moved == {"logits"}) == (statistics == "running")
    assert all(weight.requires_grad and weight.grad is None for weight in started.supernet.parameters())


def test_the_weights_step_leaves_the_logits_alone(search, tiny):
    started = search(tiny)
    before = tensors(started)
    started._weights_step()
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

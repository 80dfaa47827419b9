import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analysis.predictions.polarisation import fixed_point
from clearer.configuration import Configuration
from clearer.losses import architecture_complexity, architecture_entropy

probabilities = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=12)


def logits_of(parallel):
    alpha = torch.tensor(parallel, dtype=torch.float64)
    return torch.stack([alpha, 1 - alpha], dim=1).log()


@given(probabilities)
def test_entropy_is_equation_4(parallel):
    every_alpha = [alpha for p in parallel for alpha in (p, 1 - p)]
    binary = sum(a * math.log10(a) + (1 - a) * math.log10(1 - a) for a in every_alpha)
    assert architecture_entropy(logits_of(parallel)).item() == pytest.approx(-binary / len(every_alpha), abs=1e-12)


@pytest.mark.parametrize("columns", [1, 4, 12])
def test_entropy_of_undecided_and_decided_columns(columns):
    undecided = torch.full((columns, 2), 3.0)
    decided = torch.tensor([[40.0, -60.0]]).repeat(columns, 1)
    assert architecture_entropy(undecided).item() == pytest.approx(math.log10(2), rel=1e-6)
    assert architecture_entropy(decided).item() == pytest.approx(0, abs=1e-30)


def test_the_losses_of_several_searches_are_those_of_each():
    logits = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
    costs = torch.rand(3, 4, 2, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(architecture_entropy(logits), torch.stack([architecture_entropy(own) for own in logits]))
    each = [architecture_complexity(*own) for own in zip(logits, costs, strict=True)]
    torch.testing.assert_close(architecture_complexity(logits, costs), torch.stack(each))


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_entropy_is_finite_at_huge_logits(size):
    logits = torch.tensor([[size, -size], [-size, size], [size, size]], requires_grad=True)
    entropy = architecture_entropy(logits)
    entropy.backward()
    assert entropy.item() == pytest.approx(math.log10(2) / 3, rel=1e-6)
    assert logits.grad.isfinite().all()


@given(probabilities, st.floats(-50, 50), st.randoms(use_true_random=False))
def test_entropy_ignores_shifts_order_and_letters(parallel, shift, random):
    logits = logits_of(parallel)
    shuffled = torch.tensor(random.sample(logits.tolist(), len(parallel)), dtype=torch.float64)
    for other in (logits + shift, shuffled, logits.flip(1)):
        assert architecture_entropy(other).item() == pytest.approx(architecture_entropy(logits).item(), abs=1e-12)


@given(probabilities)
def test_complexity_is_equation_5(parallel):
    costs = torch.arange(2 * len(parallel), dtype=torch.float64).reshape(-1, 2)
    weighted = sum(p * c_p + (1 - p) * c_f for p, (c_p, c_f) in zip(parallel, costs.tolist(), strict=True))
    assert architecture_complexity(logits_of(parallel), costs).item() == pytest.approx(
        weighted / (2 * len(parallel)), abs=1e-12
    )


def test_gradients():
    logits = torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    costs = torch.rand(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(architecture_entropy, logits)
    assert torch.autograd.gradcheck(lambda given: architecture_complexity(given, costs), logits)


@pytest.mark.parametrize("shape", [(3,), (3, 3), (3, 1), (0, 2), (2, 2, 3), (2, 0, 2), (1, 2, 2, 2), ()])
def test_logits_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="logits are"):
        architecture_entropy(torch.zeros(shape))


def test_costs_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 2\), costs \(2, 2\)"):
        architecture_complexity(torch.zeros(3, 2), torch.zeros(2, 2))


def threshold(columns, weight_decay):
    return Configuration(cells=1, columns=(columns,), alpha_weight_decay=weight_decay).polarisation_threshold


def test_the_established_figures():
    assert float(fixed_point(0.1, columns=12, weight_decay=1e-3)) == pytest.approx(0.8344, abs=5e-5)
    assert Configuration().polarisation_threshold == pytest.approx(0.0553, abs=5e-5)


@given(st.floats(1.01, 100), st.integers(1, 48), st.floats(1e-4, 1e-2))
def test_above_the_threshold_entropy_and_decay_balance(ratio, columns, weight_decay):
    lambda1 = ratio * threshold(columns, weight_decay)
    alpha = float(fixed_point(lambda1, columns, weight_decay))
    half = math.log(alpha / (1 - alpha)) / 2
    logits = torch.tensor([[half, -half], [-half, half]] * columns, dtype=torch.float64)[:columns].requires_grad_()
    (lambda1 * architecture_entropy(logits)).backward()
    torch.testing.assert_close(logits.grad, -weight_decay * logits.detach(), rtol=1e-6, atol=1e-12)


@given(st.floats(0, 1), st.integers(1, 48), st.floats(1e-4, 1e-2))
def test_up_to_the_threshold_nothing_polarises(ratio, columns, weight_decay):
    lambda1 = ratio * threshold(columns, weight_decay)
    assert float(fixed_point(lambda1, columns, weight_decay)) == pytest.approx(0.5, abs=1e-7)

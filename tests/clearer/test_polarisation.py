"""The threshold of λ1 and the fixed point of α, against the losses that they follow from."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analysis.predictions.polarisation import fixed_point
from clearer.losses import architecture_entropy
from clearer.polarisation import polarisation_threshold


def test_the_established_figures():
    assert float(fixed_point(0.1, columns=12, weight_decay=1e-3)) == pytest.approx(0.8344, abs=5e-5)
    assert polarisation_threshold(columns=12, weight_decay=1e-3) == pytest.approx(0.0553, abs=5e-5)


@given(st.floats(1.01, 100), st.integers(1, 48), st.floats(1e-4, 1e-2))
def test_above_the_threshold_entropy_and_decay_balance(ratio, columns, weight_decay):
    lambda1 = ratio * polarisation_threshold(columns, weight_decay)
    alpha = float(fixed_point(lambda1, columns, weight_decay))
    half = math.log(alpha / (1 - alpha)) / 2
    logits = torch.tensor([[half, -half], [-half, half]] * columns, dtype=torch.float64)[:columns].requires_grad_()
    (lambda1 * architecture_entropy(logits)).backward()
    torch.testing.assert_close(logits.grad, -weight_decay * logits.detach(), rtol=1e-6, atol=1e-12)


@given(st.floats(0, 1), st.integers(1, 48), st.floats(1e-4, 1e-2))
def test_up_to_the_threshold_nothing_polarises(ratio, columns, weight_decay):
    lambda1 = ratio * polarisation_threshold(columns, weight_decay)
    assert float(fixed_point(lambda1, columns, weight_decay)) == pytest.approx(0.5, abs=1e-7)

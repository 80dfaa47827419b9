"""What the regulariser does to α alone, against the search's own optimiser and the closed form."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from analysis.predictions.polarisation import fixed_point
from analysis.predictions.silent_search import Adam, alpha_of, contrasts, furthest_alpha, silent_alpha
from clearer.complexity import module_costs
from clearer.configuration import Configuration
from clearer.images.sets import ImageSet
from clearer.search import Search
from tests.analysis.searches import SETTINGS, row_of

PRESSED = (
    {"lambda1": 0.1},
    {"lambda1": 0.1, "lambda2": 0.1, "complexity": "flops"},
    {"lambda1": 0.05, "lambda2": 0.05, "complexity": "authors"},
    {"lambda1": 0.05, "lambda2": 0.1, "complexity": "time", "module_times_ms": (1.0, 2.0, 3.0, 1.5)},
)


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_the_regulariser_alone_does_what_the_optimiser_of_a_search_does() -> None:
    configurations = [Configuration(**{**SETTINGS, **own, "alpha_learning_rate": 6e-3}) for own in PRESSED]
    image = ImageSet(("a",), (np.zeros((9, 9, 1), np.uint8),))
    search = Search(configurations, image, image)
    logits = search.supernet.logits
    starts = logits.detach().double().numpy().reshape(search.width, -1, 2).copy()
    search._loss = lambda name, silent: search.alpha_objective(silent)
    for _ in range(400):
        search._descend("alpha", torch.zeros(search.width))
    for member, c, start in zip(search.members, configurations, starts, strict=False):
        costs, contrast = module_costs(c), contrasts(row_of(c))
        assert contrast == pytest.approx((costs[:, 1] - costs[:, 0]).numpy(), abs=1e-6)
        optimiser = Adam(c.alpha_learning_rate, c.alpha_weight_decay, c.alpha_beta1, c.alpha_beta2)
        pressed = c.lambda2 * contrast
        found = silent_alpha(start, 400, lambda1=c.lambda1, pressed=pressed, columns=5, optimiser=optimiser)
        assert found == pytest.approx(search.alpha(member)[:, 1].detach().numpy(), abs=1e-4)
        assert np.abs(found - 0.5).max() > 0.1


def test_the_furthest_alpha_is_the_closed_form_and_moves_with_the_complexity() -> None:
    sides = np.array([1.0, -1.0])
    about = {"columns": 12, "weight_decay": 1e-3}
    for lambda1 in (0.01, 0.06, 0.1, 0.5):
        held = furthest_alpha(sides, lambda1=lambda1, pressed=0.0, **about)
        rest = float(fixed_point(lambda1, 12, 1e-3))
        assert held.tolist() == pytest.approx([rest, 1 - rest], abs=1e-3)
    pressed = furthest_alpha(sides, lambda1=0.1, pressed=-0.05, **about)
    assert pressed[0] > fixed_point(0.1, 12, 1e-3)
    assert 1 - fixed_point(0.1, 12, 1e-3) < pressed[1] <= 0.5
    unknown = furthest_alpha(sides, lambda1=0.1, pressed=np.nan, **about)
    assert np.isnan(unknown).all()


def test_alpha_of_logits_is_their_softmax() -> None:
    logits = torch.randn(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert alpha_of((logits[:, 1] - logits[:, 0]).numpy()) == pytest.approx(torch.softmax(logits, 1)[:, 1].numpy())

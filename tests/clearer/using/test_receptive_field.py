import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from clearer.architecture import Architecture
from clearer.networks import Network
from clearer.using.receptive_field import receptive_field

architectures = st.lists(st.text("PF", min_size=1, max_size=3), min_size=1, max_size=3).map(
    lambda cells: Architecture(tuple(cells))
)


def measured(architecture):
    """The reach by gradients, along columns: all weights positive, so nothing cancels and every ReLU is open."""
    network = Network(architecture, 1, 1).double().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
    period, reach = 2 ** len(architecture.cells), receptive_field(architecture)
    first = (reach.before // period + 2) * period
    image = torch.ones(1, 1, period, first + (reach.after // period + 3) * period, dtype=torch.float64)
    restored = network(image.requires_grad_())
    before = after = 0
    for place in range(first, first + period):
        (gradient,) = torch.autograd.grad(restored[..., place].sum(), image, retain_graph=True)
        seen = gradient[0, 0].sum(0).nonzero()
        before, after = max(before, place - int(seen[0])), max(after, int(seen[-1]) - place)
    return before, after


@settings(max_examples=15)
@given(architectures)
def test_it_is_where_gradients_come_from(architecture):
    assert receptive_field(architecture) == measured(architecture)


def test_it_is_exact_for_the_published_and_for_deeper_architectures():
    for text in ("FPFP-FPFF-PFFP", "P-P-P-P"):
        architecture = Architecture.parse(text)
        assert receptive_field(architecture) == measured(architecture)


@given(architectures, st.integers(0, 8))
def test_a_parallel_module_never_sees_less_than_a_fusion(architecture, place):
    letters = list(architecture.letters)
    letters[place % len(letters)] = "P"
    wider = receptive_field(Architecture.from_letters("".join(letters), architecture.columns))
    assert wider.before >= receptive_field(architecture).before >= 0
    assert wider.after >= receptive_field(architecture).after >= 0

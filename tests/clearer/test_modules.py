import pytest
import torch
from steps import uneven
from torch import nn

from clearer.modules import Fusion, Parallel, Steps, Transition, folded, frozen, resample, stem
from clearer.networks import MixedColumn, Supernet

ALPHA = torch.tensor([[0.3], [0.7]])  # of one network
MODULES = {
    "parallel": (Parallel(3, 2), ()),
    "fusion": (Fusion(3, 2), ()),
    "final fusion": (Fusion(3, 2, targets=1), ()),
    "transition 1": (Transition(1, 2), ()),
    "transition 3": (Transition(3, 2), ()),
    "column": (MixedColumn(3, 2), (ALPHA,)),
    "sequential column": (MixedColumn(3, 2, "sequential"), (ALPHA,)),
}


def branches(count, channels=2, size=8):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, channels << r, size >> r, size >> r, generator=generator) for r in range(count)]


def inputs_of(name):
    return branches(1, channels=8) if name == "transition 1" else branches(3)


def silence(module):
    for convolution in (m for m in module.modules() if isinstance(m, nn.Conv2d)):
        nn.init.zeros_(convolution.weight)
    return module


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_leaves_its_input_alone(name, training):
    module, more = MODULES[name]
    given = inputs_of(name)
    tensors, copies = list(given), [branch.clone() for branch in given]
    module.train(training)
    found = module(given, *more)
    assert found is not given
    assert [a is b for a, b in zip(given, tensors, strict=True)] == [True] * len(copies)
    assert all(torch.equal(a, b) for a, b in zip(given, copies, strict=True))


@pytest.mark.parametrize("name", ["parallel", "fusion", "column", "sequential column"])
def test_a_column_keeps_the_shapes_of_its_branches(name):
    module, more = MODULES[name]
    assert [b.shape for b in module(branches(3), *more)] == [b.shape for b in branches(3)]


@pytest.mark.parametrize("cell", [1, 2, 3])
def test_a_transition_adds_a_branch_of_half_the_resolution(cell):
    given = branches(1, channels=8) if cell == 1 else branches(cell)
    found = Transition(cell, 2)(given)
    assert [b.shape for b in found] == [b.shape for b in branches(cell + 1)]
    assert cell == 1 or all(a is b for a, b in zip(found, given, strict=False))


def test_without_convolutions_parallel_and_fusion_are_the_rectified_input():
    for module in (silence(Parallel(3, 2)), silence(Fusion(3, 2))):
        assert all(torch.equal(a, b.relu()) for a, b in zip(module(branches(3)), branches(3), strict=True))


def test_a_column_is_the_weighted_sum_of_its_modules():
    column = MixedColumn(3, 2).eval()
    mixed = column(branches(3), ALPHA)
    for y, p, f in zip(mixed, column.parallel(branches(3)), column.fusion(branches(3)), strict=True):
        assert torch.equal(y, ALPHA[0] * p + ALPHA[1] * f)
    with pytest.raises(ValueError, match="mixing='both'"):
        MixedColumn(3, 2, "both")


def test_every_branch_reaches_every_branch_through_fusion_alone():
    for kind, reached in ((Fusion(3, 2), torch.ones(3, 3)), (Parallel(3, 2), torch.eye(3))):
        given = [b.requires_grad_() for b in branches(3)]
        for target, branch in enumerate(kind.eval()(given)):
            gradients = torch.autograd.grad(branch.sum(), given, retain_graph=True, allow_unused=True)
            assert [float(g is not None and bool(g.any())) for g in gradients] == reached[target].tolist()


def test_resampling_down_changes_channels_last_and_is_not_rectified_last():
    path = resample(0, 2, 3)
    assert [type(m) for m in path] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Conv2d, nn.BatchNorm2d]
    assert [(m.in_channels, m.out_channels, m.stride) for m in path if isinstance(m, nn.Conv2d)] == [
        (3, 3, (2, 2)),
        (3, 12, (2, 2)),
    ]


@pytest.mark.parametrize("targets", [1, 3])
def test_a_fusion_is_the_rectified_sum_of_all_branches_resampled_by_the_nearest_pixel(targets):
    fusion = Fusion(3, 2, targets).double().eval()
    given = [branch.double() for branch in branches(3)]
    for target, found in enumerate(fusion(given)):
        total = 0
        for source, path in enumerate(fusion.paths[target]):
            factor = 2 ** max(source - target, 0)
            total = total + path(given[source]).repeat_interleave(factor, -1).repeat_interleave(factor, -2)
        torch.testing.assert_close(found, total.relu(), rtol=1e-12, atol=1e-12)


def test_no_convolution_has_a_bias_and_the_stem_quadruples_the_channels():
    modules = [*(module for module, _ in MODULES.values()), stem(3, 2)]
    assert all(m.bias is None for module in modules for m in module.modules() if isinstance(m, nn.Conv2d))
    assert stem(3, 2)(torch.rand(2, 3, 5, 7)).shape == (2, 8, 5, 7)


def test_folding_changes_no_output_and_ends_with_its_block():
    network = uneven(Supernet((2, 2, 2), 2)).double().eval()
    degraded = torch.rand(4, 1, 16, 16, dtype=torch.float64)
    expected = network(degraded)
    with folded(network):
        found = network(degraded)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    assert not torch.equal(found, expected)  # it was folded: the rounding is another
    assert torch.equal(network(degraded), expected)
    assert all(steps._folded is None for steps in network.modules() if isinstance(steps, Steps))


def test_frozen_parameters_learn_again_after_their_block():
    parameters = list(Parallel(2, 2).parameters())
    with frozen(parameters):
        assert not any(parameter.requires_grad for parameter in parameters)
    assert all(parameter.requires_grad for parameter in parameters)
    with pytest.raises(TypeError), frozen(parameters):
        parameters[0]()
    assert all(parameter.requires_grad for parameter in parameters)

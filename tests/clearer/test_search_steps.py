"""The search's steps against the authors' way of the same mathematics, and bf16 against fp32."""

from __future__ import annotations

import pytest
import torch
from steps import gradients, uneven

from benchmarks import growth, plain, search_step
from benchmarks.plain import PlainSearch
from clearer.architecture import Architecture
from clearer.modules import Steps, folded
from clearer.networks import Network, Supernet


def batch(size=16):
    generator = torch.Generator().manual_seed(1)
    clean = torch.rand(4, 1, size, size, generator=generator, dtype=torch.float64)
    return clean + 0.1 * torch.randn(clean.shape, generator=generator, dtype=torch.float64), clean


@pytest.fixture
def pair(search, tiny):
    """A search and a plain search in float64, from one state, and how to make a step of both."""

    def made(**changed):
        c = tiny.with_values(cells=3, columns=(2,), alpha_initial_std=1.0, lambda1=0.1, clip_norm=0.01, **changed)
        lean = search(c)
        uneven(lean.supernet.double())
        lean._costs, lean._lambdas = lean._costs.double(), lean._lambdas.double()
        lean._batch = lambda *_: batch()
        supernet = Supernet(c.columns_by_cell, c.channels, c.image_channels, c.mixing).double()
        supernet.load_state_dict(lean.supernet.state_dict())
        own = search(c)
        own.supernet, own._costs, own._lambdas = supernet, lean._costs, lean._lambdas
        return lean, PlainSearch(supernet, c, own.alpha_objective)

    return made


@pytest.mark.parametrize("mixing", ["parallel", "sequential"])
@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_both_steps_are_those_of_the_authors_way(pair, statistics, mixing):
    lean, plain = pair(alpha_statistics=statistics, mixing=mixing)
    for name in ("alpha", "weights", "alpha", "weights"):
        expected, found = gradients(plain, name), gradients(lean, name)
        if name == "alpha":
            plain.alpha_step(batch())
            lean._alpha_step()
        else:
            plain.weights_step(batch(), lean.configuration.weights_learning_rate)
            lean._weights_step()
        assert len(expected) == len(found) > 0
        assert all(gradient.any() for gradient in found)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(lean.supernet.state_dict(), plain.supernet.state_dict(), rtol=1e-10, atol=1e-12)


def test_folding_changes_no_output_and_ends_with_its_block(pair):
    network = pair()[0].supernet.eval()
    degraded, _ = batch()
    expected = network(degraded)
    with folded(network):
        found = network(degraded)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    assert not torch.equal(found, expected)  # it was folded: the rounding is another
    assert torch.equal(network(degraded), expected)
    assert all(steps._folded is None for steps in network.modules() if isinstance(steps, Steps))


def test_bf16_alpha_gradients_are_within_5_percent(search, tiny):
    values = {"channels": 4, "batch_size": 8, "patch_size": 16, "search_iterations": 80, "warmup_iterations": 60}
    warmed = next(search(tiny.with_values(**values)).advance(60))
    states = {}
    for precision in ("fp32", "bf16"):
        again = search(tiny.with_values(**values, precision=precision))
        again.load_state_dicts([warmed.state_dict(warmed.members[0])])
        found = gradients(again, "alpha")
        again._alpha_step()
        states[precision] = found[0]
    error = (states["bf16"] - states["fp32"]).norm() / states["fp32"].norm()
    assert 0 < error < 0.05


def test_bf16_keeps_weights_gradients_and_losses_in_fp32(search, tiny, finish):
    run = search(tiny.with_values(precision="bf16"))
    seen = []
    run.supernet.stem.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    found = gradients(run, "weights")
    loss = run._weights_step()
    assert seen == [torch.bfloat16]
    assert {tensor.dtype for tensor in [loss, *found, *run.supernet.parameters()]} == {torch.float32}
    run._watched_errors()
    assert seen[1:] == [torch.float32]
    curve = finish(search(tiny.with_values(precision="bf16"))).members[0].curve
    assert curve[-1]["restoration_loss"] < curve[0]["restoration_loss"]


def test_an_iteration_takes_81_percent_of_the_operations():
    rows = {(row["candidate"], row["step"]): row for row in search_step.measure("tiny", ["fp32"], 1)}
    shares = [rows["fp32", step]["flop_share"] for step in ("alpha", "weights", "iteration")]
    assert shares == pytest.approx([0.622, 1, 0.811], abs=1e-3)
    assert all(rows["baseline", step]["flop_share"] == rows["baseline", step]["ratio"] == 1 for _, step in rows)
    assert len(list(search_step.lines(list(rows.values())))) == 2 + 6


def test_a_derived_network_by_the_authors_way_restores_the_same():
    network = uneven(Network(Architecture.parse("FP-PF"), 2)).double().eval()
    degraded, _ = batch()
    torch.testing.assert_close(plain.restore(network, degraded), network(degraded), rtol=1e-10, atol=1e-12)


def test_growth_is_measured_against_its_first_row():
    cases = {name: growth.CASES[name] | {"patch_size": 16} for name in ("baseline", "K = 2", "N_i = 2")}
    rows = {row["case"]: row for row in growth.measure(cases, 2)}
    assert rows["K = 2"]["flop"] == rows["baseline"]["flop"] > 1.5 * rows["N_i = 2"]["flop"]
    assert rows["baseline"]["ratio"] == 1
    assert rows["K = 2"]["ratio_min"] <= rows["K = 2"]["ratio"] <= rows["K = 2"]["ratio_max"]
    assert len(growth.lines(list(rows.values()))) == 2 + 3

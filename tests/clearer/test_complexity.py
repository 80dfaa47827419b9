import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from clearer.complexity import measure_module_times, module_costs
from clearer.configuration import Configuration
from clearer.losses import architecture_complexity
from clearer.modules import Fusion, Parallel

KINDS = (Parallel, Fusion)


def shares(by_cell):
    """C^p and C^f of two columns in each cell, scaled so that C^p + C^f is 1 on average."""
    by_column = torch.tensor(by_cell, dtype=torch.float32).repeat_interleave(2, dim=0)
    return by_column / by_column.sum(1).mean()


@pytest.fixture
def configuration(tiny):
    return tiny.with_values(channels=3)


def test_parameters_are_those_of_the_built_modules(configuration):
    sizes = [[sum(p.numel() for p in kind(cell + 1, 3).parameters()) for kind in KINDS] for cell in (1, 2)]
    torch.testing.assert_close(module_costs(configuration), shares(sizes))


def test_flops_are_those_of_the_built_modules(configuration):
    def flops(module, cell):
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            module([torch.rand(1, 3 << r, 8 >> r, 8 >> r) for r in range(cell + 1)])
        return counter.get_total_flops()

    counted = [[flops(kind(cell + 1, 3), cell) for kind in KINDS] for cell in (1, 2)]
    torch.testing.assert_close(module_costs(configuration.with_values(complexity="flops")), shares(counted))


def test_times_are_the_measured_ones(configuration):
    timed = configuration.with_values(complexity="time", module_times_ms=(1.0, 2.0, 3.0, 6.0))
    torch.testing.assert_close(module_costs(timed), shares([[1, 2], [3, 6]]))
    with pytest.raises(ValueError, match="module_times_ms"):
        module_costs(configuration.with_values(complexity="time"))


def test_paper_costs_prefer_fusion():
    costs = module_costs(Configuration())
    assert costs.shape == (12, 2)
    assert (costs[:, 0] > costs[:, 1]).all()
    assert costs[0, 0] / costs[0, 1] == pytest.approx(92_544 / 20_672)
    assert costs[-1, 0] / costs[0, 0] == pytest.approx(1_568_640 / 92_544)


@pytest.mark.parametrize(
    ("complexity", "by_cell"),
    [("parameters", [0.072, 0.234, 0.782]), ("flops", [0.44, 0.56, 0.62]), ("authors", [0.8, 0.8, 0.8])],
)
def test_one_lambda2_presses_as_hard_as_its_unit_says(complexity, by_cell):
    costs = module_costs(Configuration(complexity=complexity))
    assert (costs[::4, 0] - costs[::4, 1]).tolist() == pytest.approx(by_cell, abs=0.005)


def test_authors_costs_are_the_released_formula(configuration):
    logits = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    alpha = torch.softmax(logits, dim=1)
    complexity = architecture_complexity(logits, module_costs(configuration.with_values(complexity="authors")))
    torch.testing.assert_close(complexity, (0.7 * alpha[:, 0] + 0.3 * alpha[:, 1]).mean())


def test_measured_times_fit_the_configuration(configuration):
    times = measure_module_times(2, 3, size=16, device=torch.device("cpu"), seconds=0.01)
    assert all(time > 0 for time in times)
    assert configuration.with_values(complexity="time", module_times_ms=tuple(times)).module_times_ms == tuple(times)

import torch
from steps import uneven

from benchmarks import plain
from clearer.architecture import Architecture
from clearer.networks import Network


def test_a_derived_network_by_the_authors_way_restores_the_same():
    network = uneven(Network(Architecture.parse("FP-PF"), 2)).double().eval()
    degraded = torch.rand(4, 1, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(plain.restore(network, degraded), network(degraded), rtol=1e-10, atol=1e-12)

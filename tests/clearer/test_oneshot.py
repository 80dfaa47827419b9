"""One-shot scores, by a short search on embedded images."""

import pytest
import torch
from torch import nn

from clearer.architecture import Architecture
from clearer.oneshot import NORM_BATCHES, oneshot_scores, renew_statistics
from clearer.search import Search
from clearer.splits import learning_images, scored_images
from clearer.testing import score

ARCHITECTURES = ("FFF", "PPF", "PPP")


@pytest.fixture(scope="module")
def configuration(tiny):
    short = {"search_iterations": 8, "warmup_iterations": 2, "report_iterations": 4, "test_limit": 1}
    return tiny.with_values(cells=1, columns=(3,), patch_size=16, **short)


def test_architectures_are_scored_with_the_weights_of_the_search(configuration, finish):
    c = configuration
    learned, watched = (learning_images(c, split, None) for split in ("train", "validation"))
    tested = scored_images(c, None)
    supernet = finish(Search([c], learned, watched)).supernet
    found = oneshot_scores(supernet, c, ARCHITECTURES, learned, tested, "cpu")
    assert found["architecture"] == str(supernet.architecture())
    assert found["supernet_psnr_db"] == score(c, supernet, tested).means()["psnr_db"]
    for text, scores in zip(ARCHITECTURES, found["scores"], strict=True):
        network = supernet.derive(Architecture.parse(text))
        kept = score(c, network, tested).means()["psnr_db"]
        renew_statistics(network, c, learned, "cpu")
        renewed = score(c, network, tested).means()["psnr_db"]
        assert scores == {"architecture": text, "oneshot_psnr_db": renewed, "oneshot_kept_psnr_db": kept}
    assert len({scores["oneshot_psnr_db"] for scores in found["scores"]}) == 3


def test_statistics_are_those_of_the_architecture_and_weights_stay(configuration):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    before = {name: value.clone() for name, value in network.named_parameters()}
    network[1].running_mean += 100
    renew_statistics(network, configuration, learning_images(configuration, "train", None), "cpu")
    assert network[1].running_mean.abs().max() < 1
    assert int(network[1].num_batches_tracked) == NORM_BATCHES
    assert all(torch.equal(value, before[name]) for name, value in network.named_parameters())
    assert not network.training

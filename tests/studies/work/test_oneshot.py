"""One-shot scores, with a real tiny search."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.presets import QUICK
from clearer.splits import learning_images, scored_images
from clearer.testing import score
from studies.store.store import Store
from studies.work import oneshot, stages
from studies.work.jobs import Job, Pack
from studies.work.learning import run_pack
from studies.work.stages import Place

C = Configuration(
    **{
        **QUICK, "channels": 2, "cells": 1, "columns": 3, "batch_size": 4, "patch_size": 16, "search_iterations": 8, "warmup_iterations": 2,
        "test_limit": 1, "report_iterations": 4,
    }
)  # fmt: skip
ARCHITECTURES = ("PPF", "FFF", "PPP")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(str(tmp_path_factory.mktemp("store")), None)


def test_architectures_are_scored_with_the_weights_of_the_search(place: Place) -> None:
    store, data = Store(place.storage), stages.fingerprints(C, None)
    key = oneshot.oneshot_key(C, ARCHITECTURES, data)
    with pytest.raises(FileNotFoundError, match="supernet"):
        oneshot.run_oneshot(C, ARCHITECTURES, key, data, place)
    list(run_pack(Pack((Job("search", stages.search_key(C, data), C, data),)), place))
    oneshot.run_oneshot(C, ARCHITECTURES, key, data, place)
    result = store.result(oneshot.STAGE, key)
    assert result is not None
    assert [found["architecture"] for found in result["scores"]] == sorted(ARCHITECTURES)

    supernet = oneshot.load_supernet(C, data, store)
    tested = scored_images(C, None)
    for found in result["scores"]:
        network = supernet.derive(Architecture.parse(found["architecture"]))
        assert found["oneshot_kept_psnr_db"] == score(C, network, tested).means()["psnr_db"]
        oneshot.renew_statistics(network, C, learning_images(C, "train", None), "cpu")
        assert found["oneshot_psnr_db"] == score(C, network, tested).means()["psnr_db"]
    assert len({found["oneshot_psnr_db"] for found in result["scores"]}) == 3
    assert result["supernet_psnr_db"] == score(C, supernet, tested).means()["psnr_db"]


def test_statistics_are_those_of_the_architecture_and_weights_stay(place: Place) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    before = {name: value.clone() for name, value in network.named_parameters()}
    network[1].running_mean += 100
    images = learning_images(C, "train", None)
    oneshot.renew_statistics(network, C, images, "cpu")
    assert network[1].running_mean.abs().max() < 1
    assert int(network[1].num_batches_tracked) == oneshot.NORM_BATCHES
    assert all(torch.equal(value, before[name]) for name, value in network.named_parameters())
    assert not network.training


def test_the_key_holds_what_is_scored() -> None:
    data = stages.Fingerprints("w", "a", "t")
    key = oneshot.oneshot_key(C, ARCHITECTURES, data)
    assert key == oneshot.oneshot_key(C, ARCHITECTURES[::-1], data)
    others = [
        oneshot.oneshot_key(C, ARCHITECTURES[:2], data), oneshot.oneshot_key(C.with_values(lambda1=0.5), ARCHITECTURES, data),
        oneshot.oneshot_key(C.with_values(test_limit=2), ARCHITECTURES, data), oneshot.oneshot_key(C, ARCHITECTURES, stages.Fingerprints("w", "a", "x")),
    ]  # fmt: skip
    assert len({key, *others}) == 5

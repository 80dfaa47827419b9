"""What the tests of the method share: a short configuration, images from a generator, runs, the bits of a state."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.images.sets import ImageSet
from clearer.presets import Edition, preset_values
from clearer.search import Search
from clearer.training import Training


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Nothing is read from or left in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLEARER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def benchmarks() -> Path:
    """The folder of the published datasets: CLEARER_DATA, or shared/data beside the project."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("CLEARER_DATA") or beside)
    if not (folder / "rain800").is_dir():
        pytest.skip(f"needs bsds500, bsd68 and rain800 in {folder}; CLEARER_DATA names another folder")
    return folder


@pytest.fixture(scope="session")
def tiny() -> Configuration:
    """A trial of about a second; 20 iterations end inside the window of a curve's row."""
    small = {"channels": 2, "batch_size": 2, "patch_size": 8, "cells": 2, "columns": (2,), "report_iterations": 15}
    short = {"search_iterations": 40, "warmup_iterations": 5, "train_iterations": 40}
    return Configuration(**{**preset_values(Edition("quick", 1)), **small, **short})


@pytest.fixture(scope="session")
def photographs() -> dict[str, ImageSet]:
    """Three images of noise a split."""
    generator = np.random.default_rng(0)
    return {
        split: ImageSet(tuple("abc"), tuple(generator.integers(0, 256, (24, 20, 1), dtype=np.uint8) for _ in range(3)))
        for split in ("train", "validation")
    }


@pytest.fixture(scope="session")
def search(photographs):
    return lambda configuration, width=1: Search(
        [configuration] * width, photographs["train"], photographs["validation"]
    )


@pytest.fixture(scope="session")
def training(photographs):
    architecture = Architecture.parse("FP-PF")
    return lambda configuration, width=1: Training(
        [configuration] * width, architecture, photographs["train"], photographs["validation"]
    )


@pytest.fixture(scope="session", params=["search", "training"])
def start(request):
    """What starts a run of a configuration: both kinds of run, one after the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def finish():
    def to_the_end(run, every=None):
        for _ in run.advance(every):
            pass
        return run

    return to_the_end


@pytest.fixture(scope="session")
def bits():
    """A run's state as plain values, tensors as hashes of their bytes, clocks left out."""

    def plain(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return (
                str(value.dtype),
                tuple(value.shape),
                hashlib.sha256(value.detach().contiguous().numpy().tobytes()).hexdigest(),
            )
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items() if key not in ("seconds", "recorded_at")}
        return [plain(item) for item in value] if isinstance(value, list | tuple) else value

    return lambda run: plain([run.state_dict(member) for member in run.members])

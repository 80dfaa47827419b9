"""One-shot scores: architectures scored with the weights that the search trained, without training of their own.

A stage like the others: its key is the search, the architectures and the test. `studies.supernet_fidelity` asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import torch
from torch import nn

from clearer.architecture import Architecture
from clearer.checkpoint import unpack_state
from clearer.configuration import Configuration
from clearer.crops import Crops
from clearer.images.sets import ImageSet, check_unchanged
from clearer.networks import Supernet
from clearer.splits import learning_images, scored_images
from clearer.testing import score
from clearer.timing import device_name
from studies.store.store import Store, as_parquet
from studies.work.keys import NORM_BATCHES, Fingerprints, search_key
from studies.work.stages import Place

STAGE = "oneshot"


def compute_oneshot(c: Configuration, architectures: Sequence[str], key: str, data: Fingerprints, place: Place) -> None:
    """Scores the supernet at its own α, and every architecture with its weights, over the test images."""
    store = Store(place.storage)
    if store.result(STAGE, key) is not None:
        return
    torch.set_num_threads(c.threads)
    supernet = load_supernet(c, data, store)
    learned, tested = learning_images(c, c.weights_split, place.folder), scored_images(c, place.folder)
    check_unchanged(learned, data.files[0])
    check_unchanged(tested, data.files[2])
    found = []
    for text in sorted(architectures):
        network = supernet.derive(Architecture.parse(text))
        kept = _psnr_db(c, network, tested, place)
        renew_statistics(network, c, learned, place.device)
        found.append(
            {"architecture": text, "oneshot_psnr_db": _psnr_db(c, network, tested, place), "oneshot_kept_psnr_db": kept}
        )
    result = {
        "architecture": str(supernet.architecture()), "supernet_psnr_db": _psnr_db(c, supernet, tested, place),
        "scores": found, "device": device_name(place.device), "finished_at": time.time(),
    }  # fmt: skip
    store.finish(STAGE, key, result, {})


def load_supernet(c: Configuration, data: Fingerprints, store: Store) -> Supernet:
    """The supernet that a finished search left.

    Raises:
        FileNotFoundError: the search has not finished, or its supernet is gone.
    """
    name = f"stages/search/{search_key(c, data)}/supernet.pt"
    state = store.read(name)
    if state is None:
        raise FileNotFoundError(f"{name}: the search's supernet is missing")
    supernet = Supernet(c.columns_by_cell, c.channels, c.image_channels, c.mixing)
    supernet.load_state_dict(unpack_state(state, "cpu"))
    return supernet


def renew_statistics(network: nn.Module, c: Configuration, images: ImageSet, device: str) -> None:
    """Takes batch norm's running statistics anew from `NORM_BATCHES` batches of training crops: their plain mean.

    In the supernet a module's input is a mixture; alone, with the mixture's statistics, it is scaled wrongly
    (Guo et al. 2020, Single Path One-Shot NAS with Uniform Sampling, section 3.4).
    """
    batches = Crops(images, [c], "one-shot batch norm", device)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the mean over all batches
    network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    with torch.no_grad():
        for batch in range(NORM_BATCHES):
            network(batches.batch(batch)[0])
    network.eval()


def write_oneshot(store: Store, study: str, c: Configuration, key: str) -> None:
    """Puts the finished scores beside a study's rows, for `analysis.load_oneshot`: one row an architecture."""
    result = store.result(STAGE, key)
    if result is not None:
        about: dict[str, Any] = {
            "search_trial_id": c.trial_id, "seed": c.seed, "lambda1": c.lambda1, "lambda2": c.lambda2,
            "argmax": result["architecture"], "supernet_psnr_db": result["supernet_psnr_db"], "device": result["device"],
        }  # fmt: skip
        table = pa.Table.from_pylist([{**about, **scores} for scores in result["scores"]])
        store.write(f"studies/{study}/oneshot/{c.trial_id}.parquet", as_parquet(table))


def _psnr_db(c: Configuration, network: nn.Module, images: ImageSet, place: Place) -> float:
    return score(c, network, images, place.device).means()["psnr_db"]

"""The stages that do not learn (`studies.work.learning` has the others): test, references, testing time, one-shot."""

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PillowImage

from clearer import references
from clearer.checkpoint import unpack_network, unpack_state
from clearer.configuration import Configuration
from clearer.images.sets import ImageSet, check_unchanged
from clearer.machine import device_name
from clearer.networks import Network, Supernet
from clearer.oneshot import oneshot_scores
from clearer.splits import learning_images, scored_images
from clearer.testing import degraded_inputs, on_device, score
from clearer.timing import measure_testing_time, pass_seconds
from studies.store.store import Store
from studies.work.keys import Fingerprints, Trial
from studies.work.place import Place, learning_sets

Found = tuple[dict[str, Any], dict[str, bytes]]
"""What a stage has found: its result, and files."""
SCORES = ["psnr_db", "ssim", "psnr_patch_db", "degraded_psnr_db", "ssim_zero_padded", "psnr_y_db", "ssim_y"]
"""The scores of a test that are kept for every image; luma's for colour images alone."""


def unchanged_sets(c: Configuration, data: Fingerprints, folder: Path | None) -> tuple[ImageSet, ImageSet]:
    """What the weights and what α learn from; ImageError names the file that has changed since the study began."""
    sets = learning_sets(c, folder)
    for images, before in zip(sets, data.files, strict=False):
        check_unchanged(images, before)
    return sets


def compute(stage: str, key: str, c: Configuration, place: Place, body: Callable[[Store], Found]) -> None:
    """Computes a stage by `body`, unless it has finished, and records it with what it took."""
    store = Store(place.storage)
    if store.result(stage, key) is None:
        torch.set_num_threads(c.threads)  # sums, hence bits, depend on it
        started = time.perf_counter()
        result, files = body(store)
        took = {"finished_at": time.time(), "seconds": time.perf_counter() - started}
        store.finish(stage, key, result | took, files)


def compute_test(c: Configuration, key: str, train: str, data: Fingerprints, place: Place) -> None:
    """Scores a trained network over the test images, and keeps the scores and the first image restored."""

    def body(store: Store) -> Found:
        images = scored_images(c, place.folder)
        check_unchanged(images, data.files[2])
        scores = score(c, load_network(store, train), images, place.device)
        by_image = {name: getattr(scores, name) for name in SCORES if getattr(scores, name)}
        result = {
            "by_image": {name: [_or_none(value) for value in values] for name, values in by_image.items()},
            "images": list(images.names),
            "pixels_sha256": scores.pixels_sha256,
            "device": device_name(place.device),
        }
        return result, {"example.png": _png(scores.example)}

    compute("test", key, c, place, body)


def compute_references(c: Configuration, key: str, place: Place) -> None:
    """Scores the degraded input and the classical methods, tuned on the α split's first images; a picture of each."""

    def body(store: Store) -> Found:
        first = learning_images(c, c.alpha_split, place.folder).first(c.reference_images)
        test = scored_images(c, place.folder)
        found = list(references.scored(c, first, test))
        restored = {f"restored_{number}.png": each for number, each in enumerate(found) if number}  # 0: the input
        pictures = [
            {"file": file, "method": row["method"], "image": test.names[0], "psnr_db": scores.psnr_db[0]}
            for file, (row, scores) in restored.items()
        ]
        about = {"pixels_sha256": found[0][1].pixels_sha256, "fields": c.of_stage("test") | c.of_stage("reference")}
        rows = [{name: _or_none(value) for name, value in row.items()} for row, _ in found]
        result = {"rows": rows, "pictures": pictures, **about}
        return result, {file: _png(scores.example[2:]) for file, (_, scores) in restored.items()}

    compute("reference", key, c, place, body)


def compute_time(trial: Trial, architecture: str, train: str, place: Place) -> str:
    """Times a trained network for what was scored, unless this device has; the key of the result."""
    c = trial.configuration
    torch.set_num_threads(c.threads)
    device = device_name(place.device)
    key = trial.time_key(architecture, device)

    def body(store: Store) -> Found:
        degraded = degraded_inputs(c, scored_images(c, place.folder))
        network, timed = load_network(store, train), degraded[: c.time_images]
        inputs = [on_device(image, place.device) for image in timed]
        found = measure_testing_time(network, inputs, c)
        whole = (on_device(image, place.device) for image in degraded)
        seconds = pass_seconds(network, whole, c.self_ensemble) if c.time_set else None
        result = {
            "test_time_ms": found.median_ms,
            "test_time_iqr_ms": found.iqr_ms,
            "test_time_spread": found.spread,
            "test_time_images": len(inputs),
            "test_time_size": " ".join(f"{image.shape[1]}×{image.shape[0]}" for image in timed),
            "test_set_seconds": seconds,
        }
        about = {"device": device, "attempts": found.attempts, "precision": "fp32", "torch": torch.__version__}
        return result | about, {}

    compute("time", key, c, place, body)
    return key


def compute_oneshot(c: Configuration, key: str, architectures: Sequence[str], data: Fingerprints, place: Place) -> None:
    """Scores architectures with the weights of a search's supernet."""

    def body(store: Store) -> Found:
        name = f"stages/search/{Trial(c, data).search_key}/supernet.pt"
        state = store.read(name)
        if state is None:
            raise FileNotFoundError(f"{name}: the search's supernet is missing")
        supernet = Supernet(c.columns_by_cell, c.channels, c.image_channels, c.mixing, c.skip)
        supernet.load_state_dict(unpack_state(state, "cpu"))
        learned, tested = learning_images(c, c.weights_split, place.folder), scored_images(c, place.folder)
        check_unchanged(learned, data.files[0])
        check_unchanged(tested, data.files[2])
        found = oneshot_scores(supernet, c, architectures, learned, tested, place.device)
        return found | {"device": device_name(place.device)}, {}

    compute("oneshot", key, c, place, body)


def load_network(store: Store, train: str) -> Network:
    """The trained network of a finished training."""
    data = store.read(f"stages/train/{train}/network.safetensors")
    if data is None:
        raise FileNotFoundError(f"stages/train/{train}/network.safetensors: the training's network is missing")
    return unpack_network(data)


def _or_none(value: Any) -> Any:
    """A score as JSON has it: None where no 64 × 64 tile fits an image."""
    return None if isinstance(value, float) and np.isnan(value) else value


def _png(images: tuple[np.ndarray, ...]) -> bytes:
    """Images (height, width, channels), 1.0 is white, side by side as an 8-bit PNG."""
    beside = np.concatenate([np.clip(image, 0, 1) for image in images], axis=1)
    pixels = np.round(255 * beside).astype(np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "png")
    return buffer.getvalue()

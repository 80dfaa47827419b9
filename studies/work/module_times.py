"""Measured module times for `complexity=time`: taken once a device, kept in the store, and part of the configuration.

The times are what C^p and C^f of Eq. 5 are then, so they belong to what determines a search: a study run
again on the same device finds them in the store and hence the same trials.
"""

from typing import Any

from clearer.configuration import Configuration, digest
from clearer.machine import device_name
from studies.store.store import Store
from studies.work.keys import torch_version

STAGE = "modules"


def module_times(c: Configuration, storage: str, device: str, keep: bool) -> tuple[float, ...]:
    """Milliseconds of P and F of every cell at the configuration's width and patch size, taken here: P1, F1, P2, …"""
    import torch

    name, store = device_name(device, c.threads), Store(storage)
    if there := kept_times(c, store, name):
        return there
    torch.set_num_threads(c.threads)
    from clearer.complexity import measure_module_times

    times = measure_module_times(c.cells, c.channels, c.patch_size, torch.device(device))
    if keep:
        key, about = _named(c, name)
        store.finish(STAGE, key, {**about, "module_times_ms": list(times)}, {})
    return kept_times(c, store, name) or tuple(times)  # of two studies that measure at once, the first one's hold


def kept_times(c: Configuration, store: Store, name: str) -> tuple[float, ...]:
    """The module times that a store has of a device by its name; empty where it has none."""
    return tuple((store.result(STAGE, _named(c, name)[0]) or {}).get("module_times_ms", ()))


def _named(c: Configuration, device: str) -> tuple[str, dict[str, Any]]:
    about = {"cells": c.cells, "channels": c.channels, "size": c.patch_size, "device": device}
    return digest({"stage": STAGE, "torch": torch_version(), **about}), about

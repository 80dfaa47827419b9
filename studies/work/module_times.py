"""Measured module times for `complexity=time`: taken once a device, kept in the store, and part of the configuration.

The times are what C^p and C^f of Eq. 5 are then, so they belong to what determines a search: a study run
again on the same device finds them in the store and hence the same trials.
"""

from typing import Any

from clearer.configuration import Configuration, digest
from clearer.machine import device_name
from studies.store.store import Store

STAGE = "modules"


def module_times(c: Configuration, store: Store, device: str, keep: bool) -> tuple[float, ...]:
    """Milliseconds of P and F of every cell at the configuration's width and patch size, taken here: P1, F1, P2, …"""
    import torch

    shape = {"cells": c.cells, "channels": c.channels, "size": c.patch_size}
    measured: dict[str, Any] = {**shape, "device": device_name(device, c.threads)}
    key = digest({"stage": STAGE, "torch": torch.__version__, **measured})
    found = store.result(STAGE, key)
    if found is None:
        torch.set_num_threads(c.threads)
        from clearer.complexity import measure_module_times

        times = list(measure_module_times(c.cells, c.channels, c.patch_size, torch.device(device)))
        found = {**measured, "module_times_ms": times}
        if keep:
            store.finish(STAGE, key, found, {})
            found = store.result(STAGE, key) or found  # of two studies that measure at once, the first one's hold
    return tuple(found["module_times_ms"])

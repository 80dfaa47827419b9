"""Measured module times for `complexity=time`: taken once a device, kept in the store, and part of the configuration.

The times are what C^p and C^f of Eq. 5 are then, so they belong to what determines a search: a study run
again on the same device finds them in the store and hence the same trials.
"""

from collections.abc import Sequence
from typing import Any

from clearer.configuration import Configuration, digest
from clearer.machine import device_name
from studies.store.store import Store

STAGE = "modules"


def with_module_times(
    configurations: Sequence[Configuration], store: Store, gpus: float, keep: bool
) -> list[Configuration]:
    """The configurations, with `module_times_ms` where they ask for times: measured here, stored with `keep`."""
    device = "cuda" if gpus else "cpu"
    asked = [c.kind == "searched" and c.complexity == "time" and not c.module_times_ms for c in configurations]
    return [
        c.with_values(module_times_ms=module_times(c, store, device, keep)) if asks else c
        for c, asks in zip(configurations, asked, strict=True)
    ]


def module_times(c: Configuration, store: Store, device: str, keep: bool) -> tuple[float, ...]:
    """Milliseconds of P and F of every cell at the configuration's width and patch size: P1, F1, P2, …"""
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

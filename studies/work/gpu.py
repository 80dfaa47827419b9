"""What a trial has of a GPU: its share of the memory, and what it takes of the energy."""

import gc
import time

import torch

WAIT_SECONDS = 60.0
"""The longest wait for memory: of a process that ends, or of a neighbour that takes more than its share."""
_ENOUGH = 0.8
"""Of a share: a neighbour's CUDA takes some memory beside what its tensors do."""


def take_memory(share: float) -> None:
    """Waits until a share of a GPU's memory is free, what this process has cached included; it then gets no more."""
    gc.collect()
    if not torch.cuda.is_available():
        return
    torch.cuda.empty_cache()
    if 0 < share < 1:
        torch.cuda.set_per_process_memory_fraction(share)
    end = time.monotonic() + WAIT_SECONDS
    while not is_free(share) and time.monotonic() < end:
        time.sleep(1)


def is_free(share: float) -> bool:
    """Whether no other process has memory of a share of the GPU; true without a GPU."""
    if not torch.cuda.is_available():
        return True
    free, total = torch.cuda.mem_get_info()
    return free + torch.cuda.memory_reserved() >= _ENOUGH * share * total


def watt_hours() -> float | None:
    """What this process's GPU has used since its driver was loaded; None without nvidia-ml-py, or a counter of its own.

    GPUs have one from Volta on; a MIG instance and AMD's have none that this finds.
    """
    try:
        import pynvml

        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(0).uuid}")
        return pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu) / 3.6e6  # of millijoules
    except Exception:  # nothing depends on it
        return None


class Energy:
    """The watt-hours that runs of some seconds took, by the mean power of a GPU since this was made."""

    def __init__(self, share: float, seconds: float):
        self._share, self._seconds = share, seconds
        self._used = watt_hours() if share else None

    def of(self, seconds: float, until: float) -> float | None:
        """Of so many seconds, where those of all runs were `seconds` at first and are `until` now."""
        used = watt_hours() if self._used is not None and until > self._seconds else None
        if used is None or self._used is None:
            return None
        return self._share * (used - self._used) * seconds / (until - self._seconds)

"""Named streams of random numbers: one for each role of each replicate."""

import functools
import hashlib

import numpy as np


def stream(seed: int, role: str, iteration: int = 0) -> np.random.Generator:
    """The random numbers of one role at one iteration of one replicate: a function of this name alone.

    So nothing random needs to be saved, and trials of one seed see the same crops in the same order.
    """
    return np.random.default_rng([seed, _number(role), iteration])


@functools.cache
def _number(role: str) -> int:
    return int.from_bytes(hashlib.sha256(role.encode()).digest()[:8], "big")


def torch_seed(seed: int, role: str) -> int:
    """What a torch generator of one role is seeded with."""
    return int(stream(seed, role).integers(2**63))

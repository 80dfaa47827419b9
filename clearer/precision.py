"""How a GPU multiplies in fp32: PyTorch's convolutions round factors to TF32's 10 bits there unless told otherwise."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def fp32(tf32: bool = False) -> Iterator[None]:
    """Inside, products in fp32 are in full precision on every device, or on a GPU in TF32."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = tf32
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before

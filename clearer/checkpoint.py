"""What is written of runs and networks, as bytes: nothing here executes what it reads."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from clearer.architecture import Architecture
from clearer.networks import Network

_DIGEST_BYTES = 32
_OWN = ("architecture", "channels", "image_channels", "skip")
"""What a file says of its network; all else are notes."""


class DamagedError(ValueError):
    """Bytes that are not what was written."""


def pack_state(state: dict[str, Any]) -> bytes:
    """The bytes of `Run.state_dict()`, preceded by their SHA-256."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue()


def unpack_state(data: bytes, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The state that `pack_state` wrote. Raises DamagedError: bytes that are no state, or have another SHA-256."""
    body = data[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != data[:_DIGEST_BYTES]:
        raise DamagedError("a checkpoint is damaged")
    try:
        return torch.load(io.BytesIO(body), map_location=device, weights_only=True)
    except Exception as error:  # the unpickler raises many kinds
        raise DamagedError(f"not a checkpoint of this project ({type(error).__name__})") from None


def pack_network(network: Network, **notes: Any) -> bytes:
    """A network as safetensors, with the architecture (and `notes`) in the metadata."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    own = str(network.architecture), network.channels, network.image_channels, network.skip
    about = {**dict(zip(_OWN, own, strict=True)), **notes}
    return safetensors.torch.save(tensors, {"clearer": json.dumps(about)})


def unpack_network(data: bytes) -> Network:
    """The network that `pack_network` wrote, in evaluation mode. Raises DamagedError: `data` is none."""
    try:
        about, tensors = _about(data), safetensors.torch.load(data)
        architecture, *others = (({"skip": "none"} | about)[name] for name in _OWN)  # earlier versions had no skip
        described = Architecture.parse(architecture), *others
        with torch.device("meta"):  # nothing is allocated for a network that is described larger than it is
            shapes = {name: tensor.shape for name, tensor in Network(*described).state_dict().items()}
        if shapes != {name: tensor.shape for name, tensor in tensors.items()}:
            raise ValueError("the tensors are not those of the architecture")
        network = Network(*described)
        network.load_state_dict(tensors)
    except Exception as error:  # the parsers and the modules raise many kinds
        raise DamagedError(f"not a network of this project ({type(error).__name__})") from None
    return network.eval()


def read_network(path: Path) -> tuple[Network, dict[str, Any]]:
    """The network in a file, in evaluation mode, and its notes. Raises DamagedError: names a file that holds none."""
    try:
        data = path.read_bytes()
        network = unpack_network(data)
    except FileNotFoundError:
        kept = "STORAGE/stages/train/HASH/network.safetensors"
        raise DamagedError(f"{path}: no such file; studies keep networks as {kept}") from None
    except OSError as error:
        raise DamagedError(f"{path}: {error.strerror}") from None
    except DamagedError as error:
        raise DamagedError(f"{path}: {error}; name a network.safetensors that a study has trained") from None
    return network, {name: value for name, value in _about(data).items() if name not in _OWN}


def _about(data: bytes) -> dict[str, Any]:
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return json.loads(header["__metadata__"]["clearer"])

"""K networks of one shape computed as one: grouped convolutions over K times the channels, (batch, K·channels, …).

A network's part of the pack touches no other's. The pack does to it what it does alone, in another order of summation.
Every parameter and buffer is the networks' own, one after another along the first axis: a network's part of anything (a
tensor, a gradient, an optimiser's state) is one of K equal slices.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from clearer.configuration import Configuration, digest, fields_about

_WIDTHS = ("groups", "in_channels", "out_channels", "num_features")
"""What convolutions and batch norms know of their own widths."""
AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


def shape(configuration: Configuration, stage: str) -> str:
    """One text for all configurations that one pack of `stage` can hold: networks, images and iterations are alike."""
    fields, own = configuration.of_stage(stage), fields_about("member")
    return digest({name: value for name, value in fields.items() if name not in own})


def full_width(width: int, channels: int, precision: str = "fp32") -> int:
    """The width K that a pack is filled up to: the least from `width` on that is safe on a CPU.

    A width is safe if a network's results are the same bits at every place in the pack. A CPU computes channels in
    vectors: 8 values of fp32 or 16 of bf16. Channels that are left over after the last take another code path, which
    rounds otherwise. None is left over where K·`channels` is a power of two and at least one vector.

    A pack of one has no other place, and where `channels` is no power of two no K is safe: both stay at 1.
    """
    if width == 1 or channels & (channels - 1):
        return 1
    vector = 16 if precision == "bf16" else 8
    return 1 << (max(width, vector // channels) - 1).bit_length()


def packed(networks: Sequence[AnyNetwork]) -> AnyNetwork:
    """One network that computes all `networks`, made of the first of them. All have the same shape."""
    for modules in zip(*(network.modules() for network in networks), strict=True):
        first = modules[0]
        tensors = [*first.named_parameters(recurse=False), *first.named_buffers(recurse=False)]
        for name, tensor in tensors:
            whole = joined([getattr(module, name).detach() for module in modules])
            setattr(first, name, nn.Parameter(whole) if isinstance(tensor, nn.Parameter) else whole)
        for name in _WIDTHS if isinstance(first, nn.Conv2d | nn.BatchNorm2d) else ():
            if hasattr(first, name):
                setattr(first, name, len(networks) * getattr(first, name))
    return networks[0]


def joined(parts: Sequence[Any]) -> Any:
    """Copies of networks' tensors, or mappings of them, as a pack has them; what has no axis is the first one's."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {name: joined([part[name] for part in parts]) for name in first}
    if isinstance(first, Tensor):
        return torch.cat(list(parts)) if first.ndim else first.clone()
    return first


def part(whole: Any, place: int, width: int) -> Any:
    """A copy of what one network has of a tensor, or mapping of tensors, of a pack: `joined` undone."""
    if isinstance(whole, Mapping):
        return {name: part(value, place, width) for name, value in whole.items()}
    if isinstance(whole, Tensor):
        return (whole.chunk(width)[place] if whole.ndim else whole).clone()
    return whole


def by_channel(weights: Tensor, image: Tensor) -> Tensor:
    """Of `weights` (K,) one for each channel of `image` (batch, K·channels, height, width), as factors."""
    return weights.to(image.dtype).repeat_interleave(image.shape[1] // len(weights)).view(-1, 1, 1)


def mean_square_error(images: Tensor, others: Tensor, width: int) -> Tensor:
    """(K,): the mean squared error of each network's part, in the precision of `others`."""
    error = images.to(others.dtype) - others
    return error.square().unflatten(1, (width, -1)).mean(dim=(0, 2, 3, 4))


def clip_gradients(parameters: Iterable[nn.Parameter], width: int, most: float) -> None:
    """Scales each network's gradient to the norm `most` where it is larger: the norm of its own part."""
    gradients = [parameter.grad.chunk(width) for parameter in parameters if parameter.grad is not None]
    for own in zip(*gradients, strict=True):
        norm = nn.utils.get_total_norm(own, foreach=True)
        torch._foreach_mul_(list(own), torch.clamp(most / (norm + 1e-6), max=1.0))

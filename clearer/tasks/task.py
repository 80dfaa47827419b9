"""What a task is: how a degraded image is made of a clean one, what is scored of it, and what that is called.

Of the three ways a task has one:

* Pairs are given (`is_paired`), and nothing is made.
* Noise is drawn anew for every batch (`is_noise`, with `noisy` and `noisy_test_image`).
* Each image is degraded once, as a whole, by `degrade`: windows are cut from it as from a given pair.
"""

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from clearer.fields import ConfigurationError, as_text
from clearer.images.reading import Image, ImageError

Restore = Callable[..., np.ndarray]
"""Of a degraded image, (height, width, channels), 1.0 is white, the configuration, and parameters by name."""


@dataclass(frozen=True)
class Method:
    """A classical reference, and the values that each of its parameters may take.

    `package` is a module that it needs, and what pip calls that.
    """

    restore: Restore
    grid: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    package: tuple[str, str] = ("skimage", "scikit-image")

    def choices(self) -> list[dict[str, Any]]:
        """Every combination of the parameters' values."""
        return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]


class Task:
    """A task; methods take a configuration `c`, of which they read the task's own `fields` and no others."""

    name: ClassVar[str] = ""
    fields: ClassVar[Sequence[str]] = ()
    """The fields of the configuration that belong to it: no other task reads them."""
    is_paired: ClassVar[bool] = False
    is_noise: ClassVar[bool] = False
    input_name: ClassVar[str] = "degraded input"
    departures: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """What it needs otherwise than the presets have it: "" in all of them, else by the preset's name."""

    def degrade(self, c: Any, clean: Image, generator: np.random.Generator) -> np.ndarray:
        """The degraded image of a clean one of any size: equal in shape, 8 bits, or 0 … 255, which is rounded."""
        raise NotImplementedError

    def noisy(self, c: Any, clean: Any, noise: Any) -> Any:
        """Images 0 … 255 with normal `noise` of their shape, 1.0 is white; of tensors, in the memory of `noise`."""
        raise NotImplementedError

    def noisy_test_image(self, c: Any, clean: Image) -> np.ndarray:
        """The noisy test image, 1.0 is white: a function of the clean image's content and the fields alone."""
        raise NotImplementedError

    def methods(self) -> Mapping[str, Method]:
        """Its classical references, by name."""
        return {}

    def border(self, c: Any) -> int:
        """How many pixels at each side are restored and not scored."""
        return 0

    def problem(self, c: Any) -> tuple[str, str] | None:
        """A field whose value does not go with others', and why."""
        return None

    def reads(self, c: Any) -> Sequence[str]:
        """Those of its own fields that a configuration reads: all, but where one's value makes another void."""
        return self.fields

    def values(self, c: Any) -> dict[str, Any]:
        """The values of its own fields, as far as they are read."""
        return {name: getattr(c, name) for name in self.reads(c)}

    def degraded(self, c: Any, clean: Image) -> Image:
        """As `degrade`, with a generator that follows from the image's content and the fields alone.

        Raises ConfigurationError: nothing is made, for what reason, or something of another shape.
        """
        about = f"{clean.shape} {self.name} {self.values(c)}".encode()
        seed = hashlib.sha256(about + clean.tobytes()).digest()
        try:
            found = np.asarray(self.degrade(c, clean, np.random.default_rng(list(seed))))
        except (ConfigurationError, ImageError):
            raise
        except Exception as error:  # of a task of one's own
            why = (str(error).splitlines() or [""])[0]
            raise ConfigurationError(f"task={self.name}: degrade fails ({type(error).__name__}: {why})") from error
        if found.shape != clean.shape:
            raise ConfigurationError(f"task={self.name}: degrade makes {found.shape} of {clean.shape}; keep the shape")
        if not np.isfinite(found).all():
            raise ConfigurationError(f"task={self.name}: degrade makes values that are not finite")
        return found if found.dtype == np.uint8 else np.rint(found).clip(0, 255).astype(np.uint8)

    def words(self, c: Any) -> str:
        """The task and its settings as a label has them, such as `σ=30`: the first, and what is not usual."""
        usual = {f.name: f.default for f in dataclasses.fields(c) if f.metadata["said"]}
        told = [(name, v) for name, v in self.values(c).items() if name in usual]
        settings = (f"{name}={as_text(v)}" for name, v in told if name == self.fields[0] or v != usual[name])
        return " ".join([self.name, *settings])

    def said(self, c: Any) -> str:
        """Its settings as a caption has them, such as `σ = 30, protocol clip8`."""
        forms = {f.name: f.metadata["said"] for f in dataclasses.fields(c)}
        told = (forms[name].format(as_text(value)) for name, value in self.values(c).items() if forms[name])
        return ", ".join(told) or ("as given" if self.is_paired else "as it is defined")

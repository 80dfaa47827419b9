"""The members of a pack: which configurations one pack can hold, and what is known of each under way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from clearer.configuration import Configuration, digest

MEMBERS_OWN = frozenset({
    "seed", "sigma", "protocol", "initial_std", "alpha_initial_std", "lambda1", "lambda2", "complexity", "module_times_ms",
})  # fmt: skip
"""The fields in which the members of a pack may differ. Their networks, images and numbers of iterations are the same."""


def shape(configuration: Configuration, stage: str) -> str:
    """The same text for the configurations that one pack of `stage` can hold."""
    fields = configuration.of_stage(stage)
    return digest({name: value for name, value in fields.items() if name not in MEMBERS_OWN})


@dataclass
class Member:
    """One of the searches or trainings of a pack, from its beginning to its end.

    `seconds` is its share of the pack's. `problem` is why it ended without a result.
    """

    configuration: Configuration
    place: int
    curve: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    problem: ArithmeticError | None = None
    has_ended: bool = False

    @property
    def iteration(self) -> int:
        """The last iteration of the curve."""
        return self.curve[-1]["iteration"] if self.curve else 0

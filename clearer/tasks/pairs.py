"""Pairs of a degraded and a clean image, whatever degraded them, as a folder of one's own has them."""

from dataclasses import dataclass

from clearer.fields import ALL, setting
from clearer.images.datasets import PAIRINGS
from clearer.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class PairFields:
    """What a configuration says of pairs."""

    pairing: str = setting("clean_left", ALL, "how a folder holds pairs; clean_left: Rain800's", PAIRINGS, "images")


class Pairs(Task):
    name = "pairs"
    fields = ("pairing",)
    is_paired = True

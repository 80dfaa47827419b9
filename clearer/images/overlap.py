"""The leakage guard: images of one split that are also, or partly, in another.

It compares clean images by bytes and by verified keypoints (`clearer.images.scenes`, which says what it does not find).
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from clearer.images.reading import ImageError, ImageFile
from clearer.images.scenes import grouped, matches


class OverlapError(ImageError):
    """Splits of one study that share images; the message is one line with the counts, a few names and the mend."""


class Overlap(NamedTuple):
    """A file of one set and a file of another that show one scene; `kind` says how (see `clearer.images.scenes`)."""

    set_a: str
    file_a: Path
    set_b: str
    file_b: Path
    kind: str


def find_overlaps(sets: Mapping[str, Sequence[ImageFile]], within: bool = False) -> list[Overlap]:
    """Pairs of files of different sets, or `within` one, that show one scene, in order. Raises as `matches`."""
    files = [file for found in sets.values() for file in found]
    owners = [name for name, found in sets.items() for _ in found]
    return [
        Overlap(owners[one], files[one].path, owners[other], files[other].path, kind)
        for one, other, kind in matches(files, None if within else owners)
    ]


def describe(overlaps: Sequence[Overlap], names: int = 3) -> str:
    """One line: for each two sets how many files of each overlap, and the first few."""
    texts = []
    for (a, b), pairs in by_sets(overlaps).items():
        shown = ", ".join(f"{pair.file_a.name} = {pair.file_b.name} ({pair.kind})" for pair in pairs[:names])
        more = f", and {len(pairs) - names} more" if len(pairs) > names else ""
        counts = len({pair.file_a for pair in pairs}), len({pair.file_b for pair in pairs})
        texts.append(f"{counts[0]} of {a} overlap {counts[1]} of {b}: {shown}{more}")
    return "; ".join(texts)


def by_sets(overlaps: Sequence[Overlap]) -> dict[tuple[str, str], list[Overlap]]:
    """The overlaps of each two sets."""
    ordered = sorted(overlaps, key=lambda pair: (pair.set_a, pair.set_b))
    return {sets: list(pairs) for sets, pairs in itertools.groupby(ordered, lambda pair: (pair.set_a, pair.set_b))}


def scenes_of(files: Sequence[Path], overlaps: Sequence[Overlap]) -> list[list[Path]]:
    """`files` divided into scenes, by overlaps found `within` sets that have them all."""
    places = {path: place for place, path in enumerate(files)}
    pairs = [(places[o.file_a], places[o.file_b]) for o in overlaps if o.file_a in places and o.file_b in places]
    return [[files[place] for place in scene] for scene in grouped(len(files), pairs)]

"""Images that show the same scene, and the leakage guard: images of one split that are also, or partly, in another.

1. Copies of a file are found by the hash of its bytes; of a pair, only the clean image counts.
2. `keypoints` proposes pairs of images and the shift between them.
3. Every proposed pair is verified by pixels over the area that both show.

Keypoints and findings are kept in the cache under the files' hashes. Not found are mirrored, turned, rescaled and
strongly retouched copies, crops below about 100×100 pixels, and of images without structure all but exact copies.
"""

import functools
import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy

from clearer.images import keypoints
from clearer.images.cache import alone, keep, kept
from clearer.images.keypoints import shared_places
from clearer.images.reading import Image, ImageError, ImageFile, content_hash, read_file

Match = tuple[int, int, str]
"""Places in a list of files, the lower first, of two images that show one scene, and how: one of the following."""
COPY, PIXELS, GRAY, RECOMPRESSED, CROP = "same file", "same pixels", "gray copy", "recompressed", "crop"
LARGEST_RMSE = 10.0
"""Gray levels. In BSD500, BSD68 and Rain800 recompressions are within 8, and no other proposed pair is within 14."""
LARGEST_SHARE = 0.4
"""Of the shared area's standard deviation that the RMSE may reach: a flat area resembles any flat area."""
SMALLEST_AREA = 0.25
"""Of the smaller image that both must show."""


class OverlapError(ImageError):
    """Splits of one study that share images; the message is one line with the counts, a few names and the mend."""


class Overlap(NamedTuple):
    """A file of one set and a file of another that show one scene; `kind` says how."""

    set_a: str
    file_a: Path
    set_b: str
    file_b: Path
    kind: str


def find_overlaps(sets: Mapping[str, Sequence[ImageFile]], within: bool = False) -> list[Overlap]:
    """Pairs of files of different sets, or `within` one, that show one scene, in order. Raises as `matches`."""
    named = [(name, file) for name, files in sets.items() for file in files]
    pairs = ((*named[one], *named[other], kind) for one, other, kind in matches([file for _, file in named]))
    return [Overlap(a, one.path, b, other.path, kind) for a, one, b, other, kind in pairs if within or a != b]


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


def grouped(count: int, pairs: Iterable[Sequence[Any]]) -> list[list[int]]:
    """The numbers below `count` divided so that each of `pairs`, or of `matches`, is together; all in order."""
    sets = scipy.cluster.hierarchy.DisjointSet(range(count))
    for one, other, *_ in pairs:
        sets.merge(one, other)
    return sorted(map(sorted, sets.subsets()))


def matches(files: Sequence[ImageFile]) -> list[Match]:
    """Pairs of `files` that show one scene, in order. Raises ImageError: a file can't be read."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, file in enumerate(files):
        places[content_hash(file.path) + file.half].append(place)
    keys = sorted(places)
    found = [(*pair, COPY) for same in places.values() for pair in itertools.combinations(same, 2)]
    for i, j, kind in _among_distinct(keys, [files[places[key][0]] for key in keys]):
        found += [(min(pair), max(pair), kind) for pair in itertools.product(places[keys[i]], places[keys[j]])]
    return sorted(found)


def _among_distinct(keys: list[str], files: list[ImageFile]) -> list[Match]:
    """As `matches`, of files whose contents all differ and have `keys`, under which the findings are kept."""
    about = json.dumps([keypoints.VERSION, LARGEST_RMSE, LARGEST_SHARE, SMALLEST_AREA, keys])
    name = f"{hashlib.sha256(about.encode()).hexdigest()}.json"
    with alone("scenes", name):
        known = kept("scenes", name)
        if not known:
            known = json.dumps(sorted(_compared(keys, files))).encode()
            keep("scenes", name, known)
    return json.loads(known)


def _compared(keys: list[str], files: list[ImageFile]) -> list[Match]:
    with ThreadPoolExecutor(2) as threads:  # Pillow and scipy let another thread run
        points = list(threads.map(_keypoints, keys, files))
    gray = functools.lru_cache(64)(lambda place: read_file(files[place], 1)[0])
    found = []
    for (i, j), proposed in shared_places(points).items():
        shift = verified_shift(gray(i), gray(j), proposed)
        if shift is not None:
            found.append((i, j, _kind(gray(i), gray(j), shift, [files[i], files[j]])))
    return found + [(i, j, PIXELS) for i, j in _same_flat_pixels(points, files)]


def _same_flat_pixels(points: list[np.ndarray], files: list[ImageFile]) -> list[tuple[int, int]]:
    """Pairs of images with too few keypoints to vote that have the same pixels."""
    alike: dict[str, list[int]] = defaultdict(list)
    for place, found in enumerate(points):
        if len(found) < 3:
            image = read_file(files[place], 3)[0]
            alike[hashlib.sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest()].append(place)
    return [pair for same in alike.values() for pair in itertools.combinations(same, 2)]


def _keypoints(key: str, file: ImageFile) -> np.ndarray:
    name = f"{key}-{keypoints.VERSION}"
    known = kept("keypoints", name)
    if not known:
        known = keypoints.keypoints(read_file(file, 1)[0][..., 0]).tobytes()
        keep("keypoints", name, known)
    return np.frombuffer(known, np.uint64).reshape(-1, 3)


def verified_shift(one: Image, other: Image, about: tuple[int, int]) -> tuple[int, int] | None:
    """The shift within 2 pixels of `about` at which two gray images show one scene; None: at none.

    By (down, right), y, x of `one` is y + down, x + right of `other`. Every third row and column is compared.
    """
    best, place = LARGEST_RMSE, None
    for down in range(about[0] - 2, about[0] + 3):
        for right in range(about[1] - 2, about[1] + 3):
            areas = _shared(one, other, down, right)
            if areas[0].size < SMALLEST_AREA * min(one.size, other.size):
                continue
            a, b = (area[::3, ::3].astype(np.float32) for area in areas)
            error = float(np.sqrt(np.mean((a - b) ** 2)))
            if error <= best and error <= LARGEST_SHARE * float(a.std()):
                best, place = error, (down, right)
    return place


def _kind(one: Image, other: Image, shift: tuple[int, int], files: list[ImageFile]) -> str:
    if one.shape != other.shape or shift != (0, 0):
        return CROP
    if np.abs(one.astype(np.int16) - other).max() <= 2:  # two conversions to gray differ by one level in places
        colours = [read_file(file, 3)[0] for file in files]
        if np.array_equal(colours[0], colours[1]):
            return PIXELS
        if len({bool((image == image[..., :1]).all()) for image in colours}) == 2:
            return GRAY
    return RECOMPRESSED


def _shared(one: np.ndarray, other: np.ndarray, down: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """The area that both show where y, x of `one` is y + down, x + right of `other`."""
    top, left = max(0, -down), max(0, -right)
    bottom = max(top, min(one.shape[0], other.shape[0] - down))
    edge = max(left, min(one.shape[1], other.shape[1] - right))
    return one[top:bottom, left:edge], other[top + down : bottom + down, left + right : edge + right]

"""The images that a configuration uses: which files its splits hold, decoded, and held against each other."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from clearer.configuration import Configuration
from clearer.images.datasets import DATASETS, SPLITS, contents_line, scored_files, split_files
from clearer.images.overlap import Overlap, OverlapError, describe, find_overlaps
from clearer.images.reading import ImageFile
from clearer.images.sets import ImageSet, load_images
from clearer.scores import WINDOW
from clearer.tasks.known import task_of


def configured_files(c: Configuration, split: str, data: Path | None) -> list[ImageFile]:
    """The files of a split; `test` is that of a `test_set`, if there is one. Raises ImageError: what is missing."""
    pairing = _pairing(c)
    if split == "test" and c.test_set:
        return scored_files(c.test_set, data, pairing)
    return split_files(c.dataset, split, data, pairing)


def _pairing(c: Configuration) -> str:
    return c.pairing if task_of(c).is_paired else ""


def check_splits(c: Configuration, data: Path | None) -> list[Overlap]:
    """The overlaps between a configuration's train, validation and test images, if it allows any.

    Raises OverlapError: it allows none. Raises ImageError: names the folder or the file that can't be used.
    """
    files = {split: configured_files(c, split, data) for split in SPLITS}
    test = c.test_set or c.dataset
    named = {split: f"{test if split == 'test' else c.dataset} {split}" for split in SPLITS}
    found = find_overlaps({named[split]: files[split] for split in SPLITS})
    if found and not c.allow_overlap:
        raise OverlapError(f"{describe(found)}; --set allow_overlap=true runs nevertheless, and records it")
    return found


def absent_sets(c: Configuration, data: Path | None) -> list[str]:
    """The published datasets that a configuration names and that are not on this machine."""
    published = [name for name in (c.dataset, c.test_set or c.dataset) if name in DATASETS and name != "embedded"]
    return [name for name in dict.fromkeys(published) if data is None or not (data / name).is_dir()]


def contents_lines(configurations: Iterable[Configuration], data: Path | None) -> list[str]:
    """How many images of each dataset are taken, and what else lies there, in lines. Raises as `configured_files`."""
    splits: dict[tuple[str, str], set[str]] = defaultdict(set)
    for c in configurations:
        splits[c.dataset, _pairing(c)] |= {"train", "validation"}
        splits[c.test_set or c.dataset, _pairing(c)] |= {"test"}
    lines = (contents_line(name, data, how, taken, "train" in taken) for (name, how), taken in splits.items())
    return [line for line in lines if line]


def learning_images(c: Configuration, split: str, data: Path | None) -> ImageSet:
    """The split that a search or a training learns from; every image holds at least one patch."""
    why = f"the patch of {c.patch_size} (patch_size)"
    return _loaded(c, configured_files(c, split, data), c.patch_size, why)


def scored_images(c: Configuration, data: Path | None) -> ImageSet:
    """The images that a configuration is tested on: the first `test_limit` by name, or all; SSIM's window fits all."""
    files = configured_files(c, "test", data)[: c.test_limit or None]
    border = task_of(c).border(c)
    why = f"SSIM's window of {WINDOW}" + (f" and a border of {border}" if border else "")
    return _loaded(c, files, WINDOW + 2 * border, why)


def _loaded(c: Configuration, files: Sequence[ImageFile], smallest: int, why: str) -> ImageSet:
    """The images of files, with degraded partners where the task makes one of a whole image."""
    images, task = load_images(files, c.image_channels, c.grayscale, smallest, why), task_of(c)
    if task.is_paired or task.is_noise:
        return images
    return replace(images, degraded=tuple(task.degraded(c, clean) for clean in images.clean))

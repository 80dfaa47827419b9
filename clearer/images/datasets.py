"""Datasets: what is known of the published ones, and which files the splits of any dataset hold.

A dataset is a known one, kept below the data folder (`--data DIR`) under its name, or a folder of the user's own,
absolute or below the data folder. `test_set` may name another one. A folder's subfolders say its layout:

* `train/`, `val/` (or `valid/`, `validation/`), `test/`: the splits. Without `val/`, a seventh of `train/` is drawn for
  validation, as the paper draws 100 of Rain800's 700 pairs.
* None of them: as a test set every image is one. To learn from, a seventh each is drawn for test and validation.

What else a folder holds is not used. Drawing keeps images that show one scene together (`clearer.images.overlap`), and
depends on the images' names and scenes alone. For a task with pairs the configuration's `pairing` says how a folder
holds them: both halves in one image (`clean_left`, `clean_right`), or files of equal names in `clean/` and `degraded/`.
"""

import glob
import importlib.resources
import os
import tomllib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skimage import data_dir  # type: ignore[attr-defined]

from clearer.fields import nearest
from clearer.images.overlap import grouped, matches
from clearer.images.reading import SUFFIXES, ImageError, ImageFile, check_name, shown
from clearer.streams import stream

SPLITS = ("train", "validation", "test")
FOLDERS = {"train": ["train"], "validation": ["val", "valid", "validation"], "test": ["test"]}
"""The subfolders that may hold each split; the first that is there does."""
PAIRINGS = ("clean_left", "clean_right", "folders")
DRAWN = 7
"""One in so many is drawn for a split that a folder does not have."""


@dataclass(frozen=True)
class Dataset:
    """A published dataset, as `datasets.toml` describes it."""

    title: str
    folders: Mapping[str, int]
    terms: str
    citation: str
    source: str
    is_paired: bool = False
    url: str = ""
    archive: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """How many there are in all."""
        return sum(self.folders.values())


_DESCRIBED = tomllib.loads((importlib.resources.files("clearer.images") / "datasets.toml").read_text("utf-8"))
DATASETS: Mapping[str, Dataset] = {name: Dataset(**about) for name, about in _DESCRIBED.items()}
ARCHIVES = {name: known for name, known in DATASETS.items() if known.archive}
EMBEDDED = {split: tuple(names) for split, names in DATASETS["embedded"].files.items()}
"""Photographs inside scikit-image's wheel, split by image; no two show the same scene."""


def misuse(field: str, name: str, task: str, is_paired: bool, pairing: str) -> str:
    """Why a known dataset can't be the `dataset` or the `test_set` of a task, in one line; empty where it can."""
    known = DATASETS.get(name)
    if known is None:
        return ""
    if known.is_paired and not is_paired:
        return f"{field}={name}: holds pairs; task={task} needs {field}=a set of clean images"
    if is_paired and not known.is_paired:
        pairs = " or ".join([*(n for n, other in DATASETS.items() if other.is_paired), "a folder of pairs"])
        return f"{field}={name}: holds clean images alone; task={task} needs {field}={pairs}"
    if is_paired and pairing != "clean_left":
        return f"pairing={pairing}: the pairs of {field}={name} are clean_left"
    if field == "dataset" and "" in known.folders:
        return f"dataset={name}: has test images only; set test_set={name}"
    return ""


def split_files(name: str, split: str, data: Path | None, pairing: str = "") -> list[ImageFile]:
    """The files of one split, by name, of a known dataset or a folder; `pairing` for pairs, "" for clean images.

    Raises ImageError: a folder is missing or has no such split or no image, a partner is missing, or `data` is needed.
    """
    if name == "embedded":
        return [ImageFile(Path(data_dir) / file) for file in EMBEDDED[split]]
    folder, there = _layout(name, data)
    if not there:
        return _drawn(folder, pairing, SPLITS)[split]
    if split != "test" and "train" in there and "validation" not in there:
        return _drawn(folder / "train", pairing, ("train", "validation"))[split]
    if split not in there:
        raise ImageError(f"{folder}: has {', '.join(f'{one}/' for one in there.values())} but no {FOLDERS[split][0]}/")
    return folder_files(folder / there[split], pairing)


def scored_files(name: str, data: Path | None, pairing: str = "") -> list[ImageFile]:
    """The files of a test set: those in `test/`, or all of a folder that is not divided. Raises as `split_files`."""
    if name != "embedded":
        folder, there = _layout(name, data)
        if not there:
            return folder_files(folder, pairing)
    return split_files(name, "test", data, pairing)


def stored_sets(name: str, data: Path | None, pairing: str = "") -> dict[str, list[ImageFile]]:
    """What a dataset keeps on disk by texts such as `rain800 train`, nothing drawn. Raises as `split_files`."""
    if name == "embedded":
        return {f"{name} {FOLDERS[split][0]}": split_files(name, split, data) for split in SPLITS}
    folder, there = _layout(name, data)
    return {f"{name} {inner}".rstrip(): folder_files(folder / inner, pairing) for inner in there.values() or [""]}


def contents_line(
    name: str, data: Path | None, pairing: str = "", splits: Collection[str] = SPLITS, learns: bool = False
) -> str:
    """How many images of a dataset's folder `splits` are taken from, and what else it holds; "" of embedded ones.

    Where one `learns` from it, also how many of them are drawn for a split that the folder does not have.

    Hidden files are not counted. Folders are looked into three levels deep. Raises as `split_files`.
    """
    if name == "embedded":
        return ""
    folder, there = _layout(name, data)
    taken = [inner for split, inner in there.items() if split in splits] or [""]
    files = {inner: folder_files(folder / inner, pairing) for inner in taken}
    used = {path for found in files.values() for file in found for path in file.paths}
    counts = ", ".join(f"{inner}/ {len(found)}" if inner else f"{len(found)}" for inner, found in files.items())
    lacking = [split for split in SPLITS[1:] if learns and split in splits and split not in there]
    drawn = ", ".join(f"{len(split_files(name, split, data, pairing))} for {split}" for split in lacking)
    rest = left_over(folder, used)
    more = (f"; drawn of these: {drawn}" if drawn else "") + (f"; not used: {rest}" if rest else "")
    return shown(f"{name}: {counts} {'pairs' if pairing else 'images'}{more}")


def left_over(folder: Path, used: Collection[Path] = ()) -> str:
    """How many files of which ending a folder holds beside those that are `used`, by subfolder; "" where none."""
    places: dict[str, Counter[str]] = {}
    below = (Path(inner) for pattern in ("*", "*/*", "*/*/*") for inner in glob.iglob(pattern, root_dir=folder))
    for path in below:
        if folder / path not in used and not (folder / path).is_dir():
            place = path.parts[0] if len(path.parts) > 1 else ""
            places.setdefault(place, Counter())[path.suffix.lower() or "without ending"] += 1
    parts = []
    for inner, endings in sorted(places.items()):
        told = ", ".join(f"{count} {ending}" for ending, count in endings.most_common())
        parts.append(f"{inner}/ ({told})" if inner else told)
    return ", ".join(parts)


def dataset_folder(name: str, data: Path | None) -> Path:
    """The folder of a known dataset or of a user's own. Raises ImageError: there is none, or `data` is needed."""
    is_below = data is not None and (data / name).is_dir()
    own = Path(name if is_below else os.path.expanduser(name))  # `~name` of no user stays as it is, as for a shell
    if data is None and not own.is_absolute():
        if name in DATASETS:
            raise ImageError(f"dataset {name} needs --data DIR, the folder that holds {name}/")
        known = f"one of {', '.join(DATASETS)}{nearest(name, DATASETS)}"
        raise ImageError(f"dataset {name}: neither {known}, nor an absolute path, nor a folder below --data DIR")
    folder = (data or Path()) / own
    if name not in DATASETS and not folder.is_dir():
        told = f"{folder} ({name})" if name.startswith("~") else folder
        beside = [path.name for path in data.iterdir() if path.is_dir()] if data and data.is_dir() else []
        near = nearest(name, [*DATASETS, *beside])
        raise ImageError(f"{told}: no such folder; the known datasets are {', '.join(DATASETS)}{near}")
    return folder


def folder_files(folder: Path, pairing: str = "") -> list[ImageFile]:
    """The images or pairs of a folder, by name. Raises ImageError: no folder, no image in it, or no partner."""
    if pairing != "folders":
        return [ImageFile(path, half=pairing.removeprefix("clean_")) for path in _images(folder)]
    clean, degraded = ({path.name: path for path in _images(folder / part)} for part in ("clean", "degraded"))
    for name in sorted(clean.keys() ^ degraded.keys()):
        lonely, other = (clean[name], "degraded") if name in clean else (degraded[name], "clean")
        raise ImageError(f"{lonely}: no {name} in {folder / other}")
    return [ImageFile(clean[name], degraded[name]) for name in clean]


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ImageError(f"{folder}: no such folder; --data DIR must hold {folder.parent.name}/{folder.name}")
    files = sorted(p for p in folder.iterdir() if is_image_name(p.name))
    if not files:
        rest = left_over(folder)
        raise ImageError(shown(f"{folder}: holds no image ({', '.join(sorted(SUFFIXES))}){rest and f', but {rest}'}"))
    for path in files:
        check_name(path)
    return files


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken for an image: it has a known ending, and is not hidden."""
    return Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")


def _layout(name: str, data: Path | None) -> tuple[Path, dict[str, str]]:
    """A dataset's folder, and the splits that it is divided into, with the subfolder of each."""
    folder, known = dataset_folder(name, data), DATASETS[name].folders if name in DATASETS else None
    found: dict[str, str] = {}
    for split, inners in FOLDERS.items():
        for inner in inners:
            if inner in known if known else (folder / inner).is_dir():
                found.setdefault(split, inner)
    return folder, found


def _drawn(folder: Path, pairing: str, splits: Sequence[str]) -> dict[str, list[ImageFile]]:
    """The files of a folder divided into splits: a seventh for each but the first, or a scene's repeats fewer."""
    files = folder_files(folder, pairing)
    scenes = grouped(len(files), matches(files))
    remaining = [scenes[place] for place in stream(0, "drawn splits").permutation(len(scenes))]
    chosen: dict[str, list[int]] = {}
    for split in reversed(splits[1:]):
        chosen[split], left = [], []
        for scene in remaining:
            if len(chosen[split]) + len(scene) <= max(1, len(files) // DRAWN):
                chosen[split] += scene
            else:
                left.append(scene)
        remaining = left
    chosen[splits[0]] = [place for scene in remaining for place in scene]
    for split in splits:
        if not chosen[split]:
            raise ImageError(f"{folder}: {len(scenes)} scenes are too few to draw a {split} split")
    return {split: [files[place] for place in sorted(chosen[split])] for split in splits}

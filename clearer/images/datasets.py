"""Datasets: what is known of the published ones, and which files the splits of any dataset hold.

A dataset is a known one, kept below the data folder (`--data DIR`) under its name, or a folder of the user's
own, absolute or below the data folder. `test_set` may name another one. A folder's subfolders say its layout:

* `train/`, `val/` (or `valid/`, `validation/`), `test/`: the splits. Without `val/`, a seventh of `train/` is drawn
  for validation, as the paper draws 100 of Rain800's 700 pairs.
* None of them: as a test set every image is one. To learn from, a seventh is drawn for the test and a
  seventh for validation.

What else a folder holds is not used, and `contents_line` says so. Drawing keeps images that show one scene together
(`clearer.images.scenes`). It depends on the images' names and scenes alone.

For denoising every image is a clean one. For deraining the configuration's `pairing` says how a folder holds
pairs: `clean_left` or `clean_right`, both halves in one image; `folders`, files of equal names in `clean/`
and `degraded/`.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from skimage import data_dir  # type: ignore[attr-defined]

from clearer.images.reading import SUFFIXES, ImageError, ImageFile, check_name, shown
from clearer.images.scenes import groups
from clearer.streams import stream

SPLITS = ("train", "validation", "test")
FOLDERS = {"train": ["train"], "validation": ["val", "valid", "validation"], "test": ["test"]}
"""The subfolders that may hold each split; the first that is there does."""
PAIRINGS = ("clean_left", "clean_right", "folders")
_DEEPEST = 2
DRAWN = 7
"""One in so many is drawn for a split that a folder does not have."""

# Photographs inside scikit-image's wheel, split by image; no two show the same scene.
_LEARNT = "astronaut.png brick.png coffee.png grass.png hubble_deep_field.jpg moon.png motorcycle_left.png"
EMBEDDED = {
    "train": tuple(_LEARNT.split()),
    "validation": ("clock_motion.png", "gravel.png", "ihc.png", "rocket.jpg"),
    "test": ("chelsea.png", "camera.png", "coins.png"),
}


@dataclass(frozen=True)
class Dataset:
    """A published dataset. `folders` has the number of images (or pairs) of each subfolder; "" is the folder itself."""

    title: str
    task: str
    folders: Mapping[str, int]
    terms: str
    citation: str
    source: str

    @property
    def images(self) -> int:
        """How many there are in all."""
        return sum(self.folders.values())


DATASETS: Mapping[str, Dataset] = {
    "bsds500": Dataset(
        "BSDS500 (BSD500)", "denoise", {"train": 200, "val": 100, "test": 200},
        "non-commercial research and education (Berkeley); photographs of the Corel collection",
        "P. Arbelaez, M. Maire, C. Fowlkes, J. Malik, Contour Detection and Hierarchical Image Segmentation, "
        "IEEE TPAMI 33(5):898-916, 2011", "github.com/BIDS/BSDS500",
    ),
    "bsd68": Dataset(
        "BSD68 (Set68), gray; 68 of BSDS500's val images", "denoise", {"": 68},
        "as BSDS500's; no licence file at the source",
        "S. Roth, M. J. Black, Fields of Experts, IJCV 82(2):205-229, 2009", "github.com/cszn/DnCNN, testsets/BSD68",
    ),
    "set12": Dataset(
        "Set12, gray, 01.png … 12.png; 04.png is a crop of BSDS500 train 12003", "denoise", {"": 12},
        "no licence known",
        "K. Zhang et al., Beyond a Gaussian Denoiser, IEEE TIP 26(7):3142-3155, 2017", "from a folder of your own",
    ),
    "rain800": Dataset(
        "Rain800, side by side, clean left; holds repeated scenes and BSDS500 images", "derain",
        {"train": 700, "test": 100}, "no licence stated; research use only, third-party photographs",
        "H. Zhang, V. Sindagi, V. M. Patel, Image De-raining Using a Conditional Generative Adversarial Network, "
        "arXiv:1701.05957", "github.com/TheLethargicOwl/Single-Image-De-Raining-Keras, dataset/rain",
    ),
    "embedded": Dataset(
        "photographs inside scikit-image", "denoise",
        {FOLDERS[split][0]: len(names) for split, names in EMBEDDED.items()},
        "free to use and redistribute; each image's terms are in scikit-image's documentation of skimage.data",
        "S. van der Walt et al., scikit-image: image processing in Python, PeerJ 2:e453, 2014",
        "pypi.org/project/scikit-image",
    ),
}  # fmt: skip


def misuse(field: str, name: str, task: str, pairing: str) -> str:
    """Why a known dataset can't be the `dataset` or the `test_set` of a task, in one line; empty where it can."""
    known = DATASETS.get(name)
    if known is None:
        return ""
    if known.task != task:
        mend = "rain800 or a folder of pairs" if task == "derain" else "a set of clean images"
        return f"{field}={name}: made for task={known.task}; task={task} needs {field}={mend}"
    if known.task == "derain" and pairing != "clean_left":
        return f"pairing={pairing}: the pairs of {field}={name} are clean_left"
    if field == "dataset" and "" in known.folders:
        return f"dataset={name}: has test images only; set test_set={name}"
    return ""


def split_files(name: str, split: str, data: Path | None, pairing: str = "") -> list[ImageFile]:
    """The files of one split, by name, of a known dataset or a folder; `pairing` for pairs, "" for clean images.

    Raises:
        ImageError: a folder is missing or has no such split or no image, a partner is missing, or `data` is needed.
    """
    if split not in SPLITS:
        raise ImageError(f"split {split!r}: one of {', '.join(SPLITS)}")
    if name == "embedded":
        return [ImageFile(Path(data_dir) / file) for file in EMBEDDED[split]]
    folder = dataset_folder(name, data)
    there = _subfolders(name, folder)
    if not there:
        return _drawn(folder, pairing, SPLITS)[split]
    if split != "test" and "train" in there and "validation" not in there:
        return _drawn(folder / "train", pairing, ("train", "validation"))[split]
    if split not in there:
        raise ImageError(f"{folder}: has {', '.join(f'{one}/' for one in there.values())} but no {FOLDERS[split][0]}/")
    return folder_files(folder / there[split], pairing)


def scored_files(name: str, data: Path | None, pairing: str = "") -> list[ImageFile]:
    """The files of a test set: those in `test/`, or all of a folder that is not divided.

    Raises:
        ImageError: as `split_files`.
    """
    if name != "embedded":
        folder = dataset_folder(name, data)
        if not _subfolders(name, folder):
            return folder_files(folder, pairing)
    return split_files(name, "test", data, pairing)


def stored_sets(name: str, data: Path | None, pairing: str = "") -> dict[str, list[ImageFile]]:
    """What a dataset keeps on disk, folder by folder, nothing drawn; the keys are texts such as `rain800 train`.

    Raises:
        ImageError: as `split_files`.
    """
    if name == "embedded":
        return {f"{name} {FOLDERS[split][0]}": split_files(name, split, data) for split in SPLITS}
    folder = dataset_folder(name, data)
    inside = _subfolders(name, folder).values() or [""]
    return {f"{name} {inner}".rstrip(): folder_files(folder / inner, pairing) for inner in inside}


def contents_line(name: str, data: Path | None, pairing: str = "", splits: Collection[str] = SPLITS) -> str:
    """How many images of a dataset's folder `splits` are taken from, and what else it holds; "" of embedded ones.

    Hidden files are not counted. Folders are looked into three levels deep.

    Raises:
        ImageError: as `split_files`.
    """
    if name == "embedded":
        return ""
    folder = dataset_folder(name, data)
    taken = [inner for split, inner in _subfolders(name, folder).items() if split in splits] or [""]
    files = {inner: folder_files(folder / inner, pairing) for inner in taken}
    used = {path for found in files.values() for file in found for path in file.paths}
    counts = ", ".join(f"{inner}/ {len(found)}" if inner else f"{len(found)}" for inner, found in files.items())
    rest = left_over(folder, used)
    return shown(f"{name}: {counts} {'pairs' if pairing else 'images'}{f'; not used: {rest}' if rest else ''}")


def left_over(folder: Path, used: Collection[Path] = ()) -> str:
    """How many files of which ending a folder holds beside those that are `used`, by subfolder; "" where none."""
    places: dict[str, Counter[str]] = {}
    for path in _below(folder):
        if path not in used:
            place = [*path.relative_to(folder).parts[:-1], ""][0]
            places.setdefault(place, Counter())[path.suffix.lower() or "without ending"] += 1
    parts = []
    for inner, endings in sorted(places.items()):
        told = ", ".join(f"{count} {ending}" for ending, count in endings.most_common())
        parts.append(f"{inner}/ ({told})" if inner else told)
    return ", ".join(parts)


def _below(folder: Path) -> Iterator[Path]:
    for top, folders, files in os.walk(folder):
        is_deepest = len(Path(top).relative_to(folder).parts) == _DEEPEST
        folders[:] = () if is_deepest else (inner for inner in folders if not inner.startswith("."))
        yield from (Path(top, file) for file in files if not file.startswith("."))


def dataset_folder(name: str, data: Path | None) -> Path:
    """The folder of a known dataset or of a user's own.

    Raises:
        ImageError: there is none, or `data` is not given and needed.
    """
    is_below = data is not None and (data / name).is_dir()
    own = Path(name if is_below else os.path.expanduser(name))  # `~name` of no user stays as it is, as for a shell
    if data is None and not own.is_absolute():
        if name in DATASETS:
            raise ImageError(f"dataset {name} needs --data DIR, the folder that holds {name}/")
        known = f"one of {', '.join(DATASETS)}"
        raise ImageError(f"dataset {name}: neither {known}, nor an absolute path, nor a folder below --data DIR")
    folder = (data or Path()) / own
    if name not in DATASETS and not folder.is_dir():
        told = f"{folder} ({name})" if name.startswith("~") else folder
        raise ImageError(f"{told}: no such folder; the known datasets are {', '.join(DATASETS)}")
    return folder


def folder_files(folder: Path, pairing: str = "") -> list[ImageFile]:
    """The images of one folder, or its pairs, by name.

    Raises:
        ImageError: no such folder, no image in it, or an image whose partner is missing.
    """
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


def _subfolders(name: str, folder: Path) -> dict[str, str]:
    """The splits that a dataset's folder is divided into, with the subfolder of each."""
    known = DATASETS[name].folders if name in DATASETS else None
    found: dict[str, str] = {}
    for split, inners in FOLDERS.items():
        for inner in inners:
            if inner in known if known else (folder / inner).is_dir():
                found.setdefault(split, inner)
    return found


def _drawn(folder: Path, pairing: str, splits: Sequence[str]) -> dict[str, list[ImageFile]]:
    """The files of a folder divided into splits: a seventh for each but the first, or a scene's repeats fewer."""
    files = folder_files(folder, pairing)
    scenes = groups(files)
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

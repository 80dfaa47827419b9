"""`python -m clearer data`: which datasets are where, what overlaps, and fetching the published ones."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import PIL.Image
from rich.console import Console
from rich.table import Table

from clearer.command import console as new_console
from clearer.fields import nearest
from clearer.images.archives import FetchError, fetch, manifest
from clearer.images.datasets import ARCHIVES, DATASETS, FOLDERS, contents_line, is_image_name, left_over, stored_sets
from clearer.images.overlap import by_sets, find_overlaps, scenes_of
from clearer.images.reading import ImageError, ImageFile, check_file, check_name, content_hash, shown

Sets = dict[str, list[ImageFile]]


def run_data(data: Path | None, check_overlap: bool, words: Sequence[str], url: str | None = None) -> int:
    """Carries out one `data` command; `words` are empty, or `fetch` and names. The exit status: 1 where a file is bad.

    Raises ImageError, FetchError: one line that names the value, the file or the folder.
    """
    console = new_console(140)
    if words:
        _fetch(console, data, words, url)
    if data is not None:
        check_name(data)
        if not data.is_dir():
            raise ImageError(f"--data {data}: no such folder")
    problems: list[str] = []
    own = sorted(path.name for path in data.iterdir() if path.is_dir()) if data else []
    names = [*DATASETS, *(name for name in own if name not in DATASETS and not name.startswith("."))]
    found = {name: sets for name in names if (sets := _sets(console, name, data, check_overlap, problems))}
    hashes = {path: content_hash(path) for sets in found.values() for path in _paths(sets)}
    console.print(_listing(found, data, hashes))
    _print_notes(console, found, hashes)
    if data is None:
        there = "DIR/bsds500, DIR/bsd68, DIR/set12, DIR/rain800, or any folder"
        console.print(f"With --data DIR also what is there: {there}.")
    if check_overlap:
        _print_overlaps(console, found)
    for problem in problems:
        console.print(f"not usable: {problem}")
    return 1 if problems else 0


def _fetch(console: Console, data: Path | None, words: Sequence[str], url: str | None) -> None:
    if words[0] != "fetch":
        near = nearest(words[0], ["fetch"])
        raise FetchError(f"{words[0]}: unknown{near}; the word after data is fetch, then {', '.join(ARCHIVES)}")
    if len(words) == 1:
        raise FetchError(f"fetch: needs a name; {', '.join(ARCHIVES)}")
    if data is None:
        raise FetchError("fetch: needs --data DIR, the folder to fetch into")
    if url and len(words) != 2:
        raise FetchError(f"--from {url}: is the archive of one dataset, not of {', '.join(words[1:])}")
    for name in dict.fromkeys(words[1:]):
        missing = fetch(name, data, url)
        found = f"{missing} images fetched and verified" if missing else "complete already, verified"
        console.print(f"{name}: {found}")


def _sets(console: Console, name: str, data: Path | None, decode: bool, problems: list[str]) -> Sets:
    """A dataset's sets; what can't be used is left out and added to `problems`."""
    if name == "embedded":
        return stored_sets(name, data)
    if data is None or not (data / name).is_dir():
        return {}
    pairing = "clean_left" if name in DATASETS and DATASETS[name].is_paired else ""
    parts = [data / name, *(data / name / inner for names in FOLDERS.values() for inner in names)]
    if any((part / "clean").is_dir() and (part / "degraded").is_dir() for part in parts):
        pairing = "folders"
    elif name not in DATASETS and not any(is_image_name(path.name) for part in parts for path in part.glob("*")):
        rest = left_over(data / name)
        if PIL.Image.registered_extensions().keys() & re.findall(r"\.\w+", rest):
            console.print(shown(f"{name}: no dataset, holds no image itself; not used: {rest}"))
        return {}
    try:
        sets = stored_sets(name, data, pairing)
        console.print(contents_line(name, data, pairing))
    except ImageError as error:
        problems.append(str(error))
        return {}
    usable: Sets = {}
    for label, files in sets.items():
        for file in files:
            try:
                check_file(file, decode)
                usable.setdefault(label, []).append(file)
            except ImageError as error:
                problems.append(str(error))
    return usable


def _listing(found: Mapping[str, Sets], data: Path | None, hashes: Mapping[Path, str]) -> Table:
    table = Table(title=f"Datasets in {data}" if data else "Datasets", title_justify="left")
    for column in ("set", "images", "expected", "MB", "state"):
        table.add_column(column, justify="left" if column in ("set", "state") else "right", no_wrap=True)
    for name, sets in found.items():
        published = manifest(name)
        for label, files in sets.items():
            inner = label.removeprefix(name).strip()
            size = sum(path.stat().st_size for file in files for path in file.paths) / 1e6
            expected = str(DATASETS[name].folders[inner]) if name in DATASETS else ""
            table.add_row(label, str(len(files)), expected, f"{size:.1f}", _state(files, inner, published, hashes))
    for name in DATASETS:
        if name not in found:
            table.add_row(name, "-", str(DATASETS[name].images), "", "not here")
    return table


def _state(files: Sequence[ImageFile], inner: str, published: Mapping[str, str], hashes: Mapping[Path, str]) -> str:
    if not published:
        return "no published checksums"
    names = {f"{inner}/{file.path.name}".lstrip("/"): file.path for file in files}
    missing = sum(path.rpartition("/")[0] == inner and path not in names for path in published)
    other = [name for name, path in names.items() if published.get(name) != hashes[path]]
    parts = [f"{missing} missing"] if missing else []
    if other:
        parts.append(f"{len(other)} not as published, such as {min(other)}")
    return ", ".join(parts) or "as published"


def set_digest(folder: Path, hashes: Mapping[Path, str]) -> str:
    """SHA-256 over the lines `SHA-256  path` of the files below `folder`: that of its manifest, for a complete set."""
    lines = {str(path.relative_to(folder)): digest for path, digest in hashes.items() if path.is_relative_to(folder)}
    return hashlib.sha256("".join(f"{lines[path]}  {path}\n" for path in sorted(lines)).encode()).hexdigest()


def _print_notes(console: Console, found: Mapping[str, Sets], hashes: Mapping[Path, str]) -> None:
    for name, sets in found.items():
        folder = Path(os.path.commonpath({path.parent for path in _paths(sets)}))
        about = DATASETS.get(name)
        console.print(f"{name}: {about.title}" if about else name, style="bold")
        console.print(f"  folder   {folder}\n  SHA-256  {set_digest(folder, hashes)}")
        if about:
            console.print(f"  terms    {about.terms}\n  cite     {about.citation}\n  source   {about.source}")


def _paths(sets: Sets) -> list[Path]:
    return [path for files in sets.values() for file in files for path in file.paths]


def _print_overlaps(console: Console, found: Mapping[str, Sets]) -> None:
    """Two tables with counts, and below each the names of all files that it counts."""
    sets = {label: files for inner in found.values() for label, files in inner.items()}
    overlaps = find_overlaps(sets, within=True)
    table = Table(title="Overlaps: images of one set that show a scene of another", title_justify="left")
    for column in ("set", "files", "other set", "files", "how"):
        table.add_column(column, justify="right" if column == "files" else "left", no_wrap=True)
    names = []
    for (a, b), pairs in by_sets(overlaps).items():
        if a != b:
            how = ", ".join(f"{count} {kind}" for kind, count in Counter(pair.kind for pair in pairs).most_common())
            table.add_row(a, str(len({p.file_a for p in pairs})), b, str(len({p.file_b for p in pairs})), how)
            names.append(f"{a} = {b}: " + ", ".join(f"{p.file_a.name} = {p.file_b.name}" for p in pairs))
    console.print(table if names else "No image of one set shows a scene of another.")
    console.print("\n".join(names))
    repeats = Table(title="Repeated scenes", title_justify="left")
    for column in ("set", "images", "scenes"):
        repeats.add_column(column, justify="left" if column == "set" else "right", no_wrap=True)
    names = []
    whole = {name: [file for files in inner.values() for file in files] for name, inner in found.items()}
    for label, files in (sets | whole).items():
        paths = [file.path for file in files]
        scenes = scenes_of(paths, overlaps)
        if len(scenes) < len(paths):
            repeats.add_row(label, str(len(paths)), str(len(scenes)))
        if label in sets and len(scenes) < len(paths):
            shown = (" = ".join(path.name for path in scene) for scene in scenes if len(scene) > 1)
            names.append(f"{label}: " + ", ".join(shown))
    if names:
        console.print(repeats)
        console.print("\n".join(names))

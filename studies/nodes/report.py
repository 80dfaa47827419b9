"""What one node says of itself before the first trial: what is wrong there, and facts to compare with other nodes'.

What a node may lack is imported where that can be said of it.
"""

import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from analysis.storage.places import cause, redacted
from clearer.machine import cores, processor, versions
from studies.nodes.connection import own_files

LIBRARIES = "ray numpy scikit-image pillow pyarrow safetensors".split()
_SAME = ("python", "torch", "ray")
"""Every node must have the driver's release of these."""
_NAMED = 3
_PATIENCE_SECONDS = 5
_CACHE_BYTES = 10**9
_FREE_SHARE = 0.5
Problems = Iterator[tuple[bool, str]]


class Problem(NamedTuple):
    """What is wrong on a node ("" for the driver), in a line with its mend; an error stops a study."""

    is_error: bool
    node: str
    text: str


@dataclass(frozen=True)
class Question:
    """What a node is asked to have as the driver has it, and to find `driver` in the folder `marker` of the store."""

    storage: str
    marker: str
    files: Mapping[str, Mapping[str, int]]
    versions: Mapping[str, str]
    code: str


@dataclass
class Report:
    """A node's answer; sizes are in bytes. `device` takes testing times there."""

    host: str
    processor: str
    cores: int
    versions: dict[str, str] = field(default_factory=dict)
    storage_free: int | None = None
    cache_free: int | None = None
    gpus: list[str] = field(default_factory=list)
    gpu_bytes: list[int] = field(default_factory=list)
    device: str = ""
    problems: list[Problem] = field(default_factory=list)
    finished_at: float = 0.0


def examine(question: Question, node: str, host: str) -> Report:
    """Answers `question` here, on `host`, and leaves a file named `node` beside the marker where it has seen that."""
    report = Report(host, processor(), cores())
    report.versions, code = installed()
    found = [*_storage_problems(question, node, report), *_data_problems(question.files)]
    found += [*_code_problems(question, report.versions, code), *_cache_problems(question, report)]
    report.problems += [Problem(is_error, report.host, text) for is_error, text in found]
    report.finished_at = time.time()
    return report


def installed() -> tuple[dict[str, str], str]:
    """Versions of Python and of what numbers depend on, and the digest of this project's files."""
    found = dict.fromkeys(LIBRARIES, "missing") | versions(LIBRARIES) | {"torch": _torch_version()}
    digest = hashlib.sha256()
    for name, file in own_files().items():
        digest.update(name.encode() + b"\0" + file.read_bytes())
    return found, digest.hexdigest()[:12]


def release(name: str, version: str) -> str:
    """The part of a version that must be equal: 3.11 of Python 3.11.7, 2.13.0 of torch 2.13.0+cpu."""
    return ".".join(version.split(".")[:2]) if name == "python" else version.partition("+")[0]


def free_bytes(storage: str) -> int | None:
    """The free space where a storage is or would be; None where it is no folder."""
    if "://" in storage:
        return None
    path = Path(storage)
    return shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists())).free


def gb(size: float) -> str:
    """Bytes in units of 10⁹."""
    return f"{size / 1e9:,.0f}" if size >= 10e9 else f"{size / 1e9:.1f}"


def _torch_version() -> str:
    try:
        import torch

        return str(torch.__version__)  # its own type would need torch to be read
    except Exception as error:  # a library that it needs is missing, or is another one
        return f"can't be imported ({cause(error)})"


def _code_problems(question: Question, versions: Mapping[str, str], code: str) -> Problems:
    if code != question.code:
        other = f"runs other code of this project ({code}) than the driver ({question.code})"
        yield True, f"{other}; is a checkout on its PYTHONPATH? unset that for `ray start`"
    for name, here in question.versions.items():
        there = versions[name]
        is_same = release(name, there) == release(name, here)
        if there != here and not (name == "torch" and is_same):
            is_error = (not is_same and name in _SAME) or there == "missing"
            more = "" if is_error else "last digits may differ; "
            mend = f"install {name}{' ' if name == 'python' else '=='}{release(name, here)} there"
            yield is_error, f"{name} {there}, the driver has {here}; {more}{mend}"


def _storage_problems(question: Question, node: str, report: Report) -> Problems:
    """Reads what the driver wrote, then writes for the driver; a folder that is not shared is left as it is."""
    shown = redacted(question.storage)
    try:
        from studies.store.store import Store

        store = Store(question.storage)
        report.storage_free = free_bytes(question.storage)
        end = time.monotonic() + _PATIENCE_SECONDS  # a network folder may show a new file late
        while (found := store.read(f"{question.marker}/driver")) is None and time.monotonic() < end:
            time.sleep(0.2)
        if found is None:
            what = "is another one than the driver's" if Path(question.storage).exists() else "is not there"
            mend = "mount the same folder there at the same path, or give --storage s3://bucket/prefix"
            yield True, f"the storage {shown} {what}; {mend}"
        else:
            store.write(f"{question.marker}/{node}", b"")
    except Exception as error:  # pyarrow's file systems raise many kinds
        is_local = "://" not in question.storage
        mend = "let this user write there" if is_local else "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY there"
        yield True, f"the storage {shown} can't be read and written ({cause(error)}); {mend}"


def _data_problems(expected: Mapping[str, Mapping[str, int]]) -> Problems:
    for place, wanted in expected.items():
        shown = redacted(place.partition("#")[0])
        try:
            from studies.work.remote_images import sizes

            found = sizes(place)
        except Exception as error:
            mend = "it needs what the driver has in its environment"
            yield True, f"the images at {shown} can't be read ({cause(error)}); {mend}"
            continue
        if not found and "://" not in place:
            mend = "mount or copy the same folder there, or give --data s3://bucket/prefix"
            yield True, f"the images at {shown} are not there; {mend}"
            continue
        lacking, more = wanted.keys() - found.keys(), found.keys() - wanted.keys()
        others = {name for name in wanted.keys() & found.keys() if wanted[name] != found[name]}
        parts = [("lacks", lacking), ("has another", others), ("has besides", more)]
        said = "; ".join(f"{verb} {_some(names)}" for verb, names in parts if names)
        if said:
            yield True, f"{shown} {said}; make its contents the driver's"


def _cache_problems(question: Question, report: Report) -> Problems:
    try:
        from clearer.images.cache import cache_folder

        cache = cache_folder("data").parent
        free = report.cache_free = shutil.disk_usage(cache).free
    except OSError as error:
        yield True, f"the folder of node-local copies can't be written ({error}); name another in CLEARER_CACHE"
        return
    copied = sum(sum(sized.values()) for place, sized in question.files.items() if "://" in place)
    if free < max(copied, _CACHE_BYTES):
        wanted = f"{gb(copied)} GB of images and what is decoded of them"
        yield free < copied, f"{cache} has {gb(free)} GB free, for {wanted}; name another folder in CLEARER_CACHE"


def examine_gpus(host: str) -> tuple[list[tuple[str, int]], list[Problem]]:
    """The name and the bytes of each GPU that this process has, and what is wrong with them."""
    gpus: list[tuple[str, int]] = []
    problems: list[Problem] = []
    try:
        import torch

        if not torch.cuda.is_available():
            built = f"CUDA {torch.version.cuda}" if torch.version.cuda else f"ROCm {torch.version.hip}"
            built = built if torch.version.cuda or torch.version.hip else "no GPU"
            mend = "install a build that fits the driver of nvidia-smi, or of rocm-smi"
            problems.append(Problem(True, host, f"torch {torch.__version__} (built for {built}) sees no GPU; {mend}"))
        for index in range(torch.cuda.device_count()):
            name, (free, total) = torch.cuda.get_device_name(index), torch.cuda.mem_get_info(index)
            gpus.append((name, int(total)))
            if free < _FREE_SHARE * total:
                text = f"GPU {index} ({name}) has {gb(free)} of {gb(total)} GB free; end what else uses it"
                problems.append(Problem(False, host, text))
            image = torch.rand(1, 8, 16, 16, device=f"cuda:{index}", requires_grad=True)
            torch.nn.functional.conv2d(image, torch.rand(8, 8, 3, 3, device=image.device)).sum().backward()
            torch.cuda.synchronize(index)
    except Exception as error:  # CUDA's errors are of many kinds
        mend = "is torch's build for a GPU of this kind?"
        problems.append(Problem(True, host, f"GPU {max(0, len(gpus) - 1)} can't compute ({cause(error)}); {mend}"))
    return gpus, problems


def _some(names: set[str]) -> str:
    first = ", ".join(sorted(names)[:_NAMED])
    return first if len(names) <= _NAMED else f"{first} and {len(names) - _NAMED} more"

"""Restores a user's own image files with a trained network: `python -m clearer restore`."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clearer.checkpoint import read_network
from clearer.images.cache import written_whole
from clearer.images.reading import ImageError
from clearer.machine import keep_freed_memory
from clearer.networks import Network
from clearer.using.photographs import read_photograph, write_png
from clearer.using.tiling import default_tile, restored_tiles, tiles


def restore_files(
    network: Path,
    images: Sequence[Path],
    folder: Path,
    tile: int | None,
    self_ensemble: int,
    device: str | None,
    threads: int | None,
    overwrite: bool,
) -> int:
    """Writes every image, restored, as a PNG of the same name into `folder`; the exit status.

    0: all are written. 1: some of several could not be restored, each is named on standard error. 2: none could be.
    Raises ValueError, DamagedError: a mistake in the request; nothing was computed or written.
    """
    outputs = planned(images, folder, overwrite)
    trained, notes = read_network(network)
    smallest = 1 << len(trained.architecture.cells)
    if tile is not None and tile < smallest:
        raise ValueError(f"--tile {tile}: less than {smallest} pixels, the coarsest pixel of this network")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: PyTorch finds no CUDA device on this machine; use --device cpu")
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.allow_tf32 = False  # its rounding would show where tiles meet
    if threads is not None:
        torch.set_num_threads(threads)
    keep_freed_memory(2**20)  # larger blocks go back: in glibc's heap, windows of many shapes leave gaps
    print(_about(trained, notes))
    tile, failed = tile or default_tile(trained), 0
    for path, output in outputs.items():
        try:
            print(_restore_file(trained, path, output, tile, self_ensemble, chosen), flush=True)
        except (ImageError, ArithmeticError, OSError, MemoryError, RuntimeError) as error:
            print(f"python -m clearer restore: {_reason(error, path, output, tile)}", file=sys.stderr)
            failed += 1
    return 0 if not failed else 1 if failed < len(outputs) else 2


def _restore_file(network: Network, path: Path, output: Path, tile: int, self_ensemble: int, device: str) -> str:
    """Writes an image restored, in its bit depth, whole or not at all; what was done, in a line."""
    started = time.perf_counter()
    photograph = read_photograph(path)
    output.parent.mkdir(parents=True, exist_ok=True)
    height, width, channels = photograph.colour.shape
    found, count = np.empty_like(photograph.colour), len(tiles(height, width, tile))
    parts = restored_tiles(network, photograph.colour, tile, self_ensemble, device)
    for done, (area, restored) in enumerate(parts, start=1):
        area.of(found)[...] = np.rint(restored.clip(0, 1) * np.iinfo(found.dtype).max)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{path.name}: tile {done} of {count}" + ("\r\033[K" if done == count else ""))
    with written_whole(output) as temporary, temporary.open("wb") as file:
        write_png(replace(photograph, colour=found), file)
    said = [f"{width}×{height}", f"{photograph.bits} bits", f"{count} tile{'s' if count > 1 else ''}"]
    if channels > network.image_channels:
        said.append("gray network: each channel by itself")
    if channels < network.image_channels:
        said.append("colour network: gray as three equal channels, averaged")
    if photograph.frames > 1:
        said.append(f"the first of {photograph.frames} frames")
    return f"{path} → {output}: {', '.join(said)}, {time.perf_counter() - started:.1f} s"


def planned(images: Sequence[Path], folder: Path, overwrite: bool) -> dict[Path, Path]:
    """The file that each image will be written to. Raises ValueError: it can't be, or is there, or is another's."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        raise ValueError(f"--out {folder}: {existing} is a file; name a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ValueError(f"--out {folder}: may not be written to; name a folder that may")
    sources: dict[Path, Path] = {}
    inputs = {image.resolve() for image in images}
    for image in images:
        output = folder / f"{image.stem}.png"
        if output in sources:
            both = f"{sources[output]} and {image}"
            raise ValueError(f"{both} would both be written as {output}; restore them into two folders")
        if output.resolve() in inputs:
            raise ValueError(f"--out {folder}: would replace {output}, an image to restore; name another folder")
        if output.exists() and not overwrite:
            raise ValueError(f"{output}: exists already; --overwrite replaces it")
        sources[output] = image
    return {image: output for output, image in sources.items()}


def _reason(error: Exception, path: Path, output: Path, tile: int) -> str:
    if isinstance(error, ImageError):
        return str(error)
    if isinstance(error, OSError):
        return f"{output}: {error.strerror or error}"
    if isinstance(error, ArithmeticError):
        return f"{path}: {error}"
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "memory" in str(error):
        return f"{path}: not enough memory with --tile {tile}; give a smaller one"
    raise error


def _about(network: Network, notes: dict[str, Any]) -> str:
    colours = "gray" if network.image_channels == 1 else "colour"
    trained = "; trained with " + ", ".join(f"{name}={value}" for name, value in notes.items()) if notes else ""
    return f"network {network.architecture}, {network.channels} channels, {colours}{trained}"

"""The command line of the method: `python -m clearer describe|data|restore|export`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from clearer.architecture import Architecture
from clearer.command import OneLineParser


def describe(text: str, channels: int = 32, image_channels: int = 1) -> dict[str, object]:
    """What an architecture is made of: counts are exact; FLOPs are two a multiply-add of the convolutions."""
    architecture = Architecture.parse(text)
    flops = architecture.flops_per_pixel(channels, image_channels)
    return {
        "architecture": str(architecture),
        "cells": len(architecture.cells),
        "columns": list(architecture.columns),
        "channels": channels,
        "image_channels": image_channels,
        "parameters": architecture.parameters(channels, image_channels),
        "flops_per_pixel": int(flops) if flops.is_integer() else flops,
    }


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; the exit status."""
    parser = OneLineParser(
        prog="python -m clearer", description="CLEARER: multi-scale architectures for image restoration."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=OneLineParser)
    for add in (_add_describe, _add_data, _add_restore, _add_export):
        add(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError) as error:
        commands.choices[options.command].error(str(error))
    except KeyboardInterrupt:
        print("Stopped. What was finished is kept.", file=sys.stderr)
        return 130


def _add_describe(commands: Any) -> None:
    described = commands.add_parser("describe", help="print an architecture's exact counts as JSON")
    described.add_argument("architecture", help="one letter a column, cells joined by dashes: FPFP-FPFF-PFFP")
    described.add_argument("--channels", type=_count, default=32, help="C, channels at full resolution (default 32)")
    described.add_argument("--image-channels", type=int, choices=(1, 3), default=1, help="1 gray, 3 RGB (default 1)")
    described.set_defaults(run=_describe)


def _describe(options: argparse.Namespace) -> int:
    print(json.dumps(describe(options.architecture, options.channels, options.image_channels)))
    return 0


def _add_restore(commands: Any) -> None:
    restored = commands.add_parser("restore", help="restore your own images with a trained network")
    add = restored.add_argument
    add("--network", type=Path, required=True, metavar="FILE", help="network.safetensors of a study")
    add("images", type=Path, nargs="+", metavar="IMAGE", help="gray or colour, 8 or 16 bits, of any size")
    add("--out", type=Path, required=True, metavar="DIR", help="where each image is written as a PNG of its name")
    add("--tile", type=_count, metavar="PIXELS", help="largest side of a tile (default: what stays below 2 GiB)")
    add("--self-ensemble", type=int, choices=(1, 8), default=1, help="8: average over all flips and turns (default 1)")
    add("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    add("--threads", type=_count, metavar="N", help="CPU threads (default: PyTorch's)")
    add("--overwrite", action="store_true", help="replace files that exist in --out")
    restored.set_defaults(run=_restore)


def _restore(options: argparse.Namespace) -> int:
    from clearer.using.restoring import restore_files  # PyTorch takes a second to import

    o = options
    return restore_files(o.network, o.images, o.out, o.tile, o.self_ensemble, o.device, o.threads, o.overwrite)


def _add_export(commands: Any) -> None:
    exported = commands.add_parser("export", help="write a trained network as ONNX")
    exported.add_argument("--network", type=Path, required=True, metavar="FILE", help="network.safetensors of a study")
    exported.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="the file to write")
    exported.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    from clearer.using.export import export_file

    difference = export_file(options.network, options.onnx)
    print(f"{options.onnx}: ONNX Runtime's results equal PyTorch's within {difference:.1e}")
    return 0


def _add_data(commands: Any) -> None:
    data = commands.add_parser("data", help="list datasets, name overlaps, fetch the published ones")
    add = data.add_argument
    add("--data", type=Path, metavar="DIR", help="the folder that holds bsds500/, bsd68/, set12/, rain800/")
    add("--check-overlap", action="store_true", help="name images that are in two sets, and repeated scenes")
    add("--from", dest="url", metavar="URL", help="fetch one dataset's .tar.gz from this mirror")
    add("words", nargs="*", metavar="fetch NAME", help="download and verify, such as fetch bsds500 bsd68")
    data.set_defaults(run=_data)


def _data(options: argparse.Namespace) -> int:
    from clearer.images import command as data_command  # here, so that describing does not wait for it

    data_command.run(options.data, options.check_overlap, options.words, options.url)
    return 0


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

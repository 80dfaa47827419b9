"""The command line of the method: `python -m clearer describe|data|restore|export`."""

import argparse
import json
import sys
from typing import Any

from clearer.architecture import Architecture
from clearer.command import OneLineParser, path, whole_number


def describe(text: str, channels: int = 32, image_channels: int = 1) -> dict[str, object]:
    """What an architecture is made of: counts are exact; FLOPs are two a multiply-add of the convolutions."""
    architecture = Architecture.parse(text)
    flops = architecture.flops_per_pixel(channels, image_channels)
    space = {"cells": len(architecture.cells), "columns": list(architecture.columns)}
    widths = {"channels": channels, "image_channels": image_channels}
    parameters = architecture.parameters(channels, image_channels)
    counts = {"parameters": parameters, "flops_per_pixel": int(flops) if flops.is_integer() else flops}
    return {"architecture": str(architecture), **space, **widths, **counts}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; the exit status."""
    parser, commands = _parser()
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except (ValueError, OSError) as error:
        commands.choices[options.command].error(str(error))
    except KeyboardInterrupt:
        print("Stopped. What was finished is kept.", file=sys.stderr)
    return 130


def _parser() -> tuple[OneLineParser, Any]:
    about = "CLEARER: multi-scale architectures for image restoration."
    parser = OneLineParser(prog="python -m clearer", description=about)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=OneLineParser)

    add = commands.add_parser("describe", help="print an architecture's exact counts as JSON").add_argument
    add("architecture", help="one letter a column, cells joined by dashes: FPFP-FPFF-PFFP")
    add("--channels", type=whole_number, default=32, help="C, channels at full resolution (default 32)")
    add("--image-channels", type=int, choices=(1, 3), default=1, help="1 gray, 3 RGB (default 1)")

    add = commands.add_parser("data", help="list datasets, name overlaps, fetch the published ones").add_argument
    add("--data", type=path, metavar="DIR", help="the folder that holds bsds500/, bsd68/, set12/, rain800/")
    add("--check-overlap", action="store_true", help="name images that are in two sets, and repeated scenes")
    add("--from", dest="url", metavar="URL", help="fetch one dataset's .tar.gz from this mirror")
    add("words", nargs="*", metavar="fetch NAME", help="download and verify, such as fetch bsds500 bsd68")

    add = commands.add_parser("restore", help="restore your own images with a trained network").add_argument
    add("--network", type=path, required=True, metavar="FILE", help="network.safetensors of a study")
    add("images", type=path, nargs="+", metavar="IMAGE", help="gray or colour, 8 or 16 bits, of any size")
    add("--out", type=path, required=True, metavar="DIR", help="where each image is written as a PNG of its name")
    add("--tile", type=whole_number, metavar="PIXELS", help="largest side of a tile (default: what stays below 2 GiB)")
    add("--self-ensemble", type=int, choices=(1, 8), default=1, help="8: average over all flips and turns (default 1)")
    add("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    add("--threads", type=whole_number, metavar="N", help="CPU threads (default: PyTorch's)")
    add("--overwrite", action="store_true", help="replace files that exist in --out")

    add = commands.add_parser("export", help="write a trained network as ONNX").add_argument
    add("--network", type=path, required=True, metavar="FILE", help="network.safetensors of a study")
    add("--onnx", type=path, required=True, metavar="FILE", help="the file to write")
    return parser, commands


def _run(o: argparse.Namespace) -> int:
    """Carries out a command, for which alone what it needs is imported: PyTorch takes a second."""
    if o.command == "data":
        from clearer.images.command import run_data

        return run_data(o.data, o.check_overlap, o.words, o.url)
    if o.command == "restore":
        from clearer.using.restoring import restore_files

        return restore_files(o.network, o.images, o.out, o.tile, o.self_ensemble, o.device, o.threads, o.overwrite)
    if o.command == "export":
        from clearer.using.export import export_file

        difference = export_file(o.network, o.onnx)
        print(f"{o.onnx}: ONNX Runtime's results equal PyTorch's within {difference:.1e}")
    else:
        print(json.dumps(describe(o.architecture, o.channels, o.image_channels)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The command line of the method: `python -m clearer describe ARCH` and `python -m clearer data`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import NoReturn

from clearer.architecture import Architecture


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line and exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Prints `message` and how to get help."""
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


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
    described = commands.add_parser("describe", help="print an architecture's exact counts as JSON")
    described.add_argument("architecture", help="one letter a column, cells joined by dashes: FPFP-FPFF-PFFP")
    described.add_argument("--channels", type=_count, default=32, help="C, channels at full resolution (default 32)")
    described.add_argument("--image-channels", type=int, choices=(1, 3), default=1, help="1 gray, 3 RGB (default 1)")
    data = commands.add_parser("data", help="list datasets, name overlaps, fetch the published ones")
    data.add_argument(
        "--data", type=Path, metavar="DIR", help="the folder that holds bsds500/, bsd68/, set12/, rain800/"
    )
    data.add_argument(
        "--check-overlap", action="store_true", help="name images that are in two sets, and repeated scenes"
    )
    data.add_argument("--from", dest="url", metavar="URL", help="fetch one dataset's .tar.gz from this mirror")
    data.add_argument("words", nargs="*", metavar="fetch NAME", help="download and verify, such as fetch bsds500 bsd68")
    options = parser.parse_args(arguments)
    if options.command == "data":
        return _data(options, data)
    try:
        print(json.dumps(describe(options.architecture, options.channels, options.image_channels)))
    except ValueError as error:
        described.error(str(error))
    return 0


def _data(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from clearer import data_command  # here, so that describing does not wait for it

    try:
        data_command.run(options.data, options.check_overlap, options.words, options.url)
    except (ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    return 0


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

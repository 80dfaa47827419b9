"""How fast a test is: restoring whole images by a derived network, the project's way against a plain one, in turns.

    python -m benchmarks.testing [--channels 32] [--architecture FPFP-FPFF-PFFP] [--size 448x320]
        [--repeats 9] [--out FILE]

One thread, one image at a time, as a study scores and times it. The baseline is the same network by
the authors' way (`benchmarks.plain`): eager fp32, channels first, batch norm by itself. Candidates:
`fp32` as the project scores and times (channels last, batch norm folded); `bf16` the same under
autocast, which no score uses. Figures are CPU seconds of one image and the ratio to the baseline of
the same repeat.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.measuring import BASELINE, about, alternated, table, write
from benchmarks.plain import restore as plain_restore
from clearer.architecture import Architecture
from clearer.modules import folded
from clearer.networks import Network
from clearer.testing import restore


def candidates(architecture: str, channels: int, width: int, height: int) -> dict[str, Callable[[], object]]:
    """What restores one image, by name."""
    torch.manual_seed(0)
    network, own = (Network(Architecture.parse(architecture), channels).eval() for _ in range(2))
    own.load_state_dict(network.state_dict())
    own.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = torch.rand(1, 1, height, width)
    last = image.to(memory_format=torch.channels_last)

    def project(precision: str) -> None:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            restore(own, last)

    def baseline() -> None:
        with torch.inference_mode():
            plain_restore(network, image)

    folded(own).__enter__()  # once for all images, as a test does
    return {BASELINE: baseline, "fp32": lambda: project("fp32"), "bf16": lambda: project("bf16")}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--architecture", default="FPFP-FPFF-PFFP")
    parser.add_argument("--size", default="448x320", help="WIDTHxHEIGHT in pixels")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    width, height = (int(side) for side in options.size.split("x"))
    rows = alternated(candidates(options.architecture, options.channels, width, height), options.repeats)
    print("\n".join(table(rows)))
    print(f"{options.architecture}, C = {options.channels}, {options.size}; {about(options.repeats)}")
    write(options.out, vars(options), rows)


if __name__ == "__main__":
    main()

"""How far steps are from what the machine could do: their time over that of their operations or memory alone.

    python -m benchmarks.floors [--scale small] [--precision fp32,bf16] [--pack 1] [--device cpu]
        [--repeats 9] [--out FILE]

    operations   those of the step's convolutions (`torch.utils.flop_counter`: a multiplication and an
                 addition each count), at the rate of the product of two 4,096 × 4,096 matrices in the
                 step's precision
    memory       what a step keeps for its backward pass, written once and read once: a copy of as many bytes
    floor        the longer of the two

Nothing reaches it: a step with small channels has small products, and reads its images several
times. It says how much is left at most. The iteration of a search has two steps; the training is of
the network with every other column a fusion; figures of a pack of K are a K-th. One thread of the
CPU, CPU seconds; on a GPU wall time, synchronised, of steps that are replayed graphs. Steps and the
machine's own rates are measured in turn: medians of `--repeats`.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.device_steps import captured, iterate, started
from benchmarks.measuring import about, check_device, cpu_seconds, device_seconds, operations, repeated, write
from benchmarks.search_step import SCALES, configured
from clearer.probe import step_bytes

SIDE = 4096


def machine(dtype: torch.dtype, kept: int, device: str) -> dict[str, tuple[float, Callable[[], Any]]]:
    """What the machine's rates are taken from: operations, or bytes, of a call, and the call."""
    square = torch.rand(SIDE, SIDE, device=device).to(dtype)
    product = torch.empty_like(square)
    source = torch.ones(kept, dtype=torch.uint8, device=device)
    copy = torch.empty_like(source)
    return {
        "operations": (2.0 * SIDE**3, lambda: torch.mm(square, square, out=product)),
        "bytes": (float(kept), lambda: copy.copy_(source)),
    }


def measured(scale: str, kind: str, precision: str, width: int, repeats: int, device: str) -> dict[str, Any]:
    """A row: the operations and bytes of an iteration of one member, what they take at the least, and what it takes."""
    c = configured(scale, precision).with_values(search_iterations=10**6, train_iterations=10**6)
    alone = started(kind, [c], device)  # the counter does not know that convolutions of a pack are in groups
    flop = operations(lambda: iterate(alone))
    run = captured(started(kind, [c.with_values(seed=seed) for seed in range(width)], device))
    if run.width != width:
        raise SystemExit(f"--pack {width}: at channels={c.channels} the next width is {run.width}")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    stage, steps = ("search", 2) if kind == "search" else ("train", 1)
    kept = step_bytes(stage, c) * torch.finfo(dtype).bits // 32
    rates = machine(dtype, width * kept, device)
    calls = {"iteration": lambda: iterate(run), **{name: call for name, (_, call) in rates.items()}}
    found = repeated(calls, repeats, cpu_seconds if device == "cpu" else lambda call: device_seconds(call, device))
    found["iteration"] = [seconds / width for seconds in found["iteration"]]
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    by_operations = flop * medians["operations"] / rates["operations"][0]
    by_bytes = steps * medians["bytes"] / width
    floor = max(by_operations, by_bytes)
    own = found["iteration"]
    return {
        "iteration": f"{kind}, {precision}" + (f", K = {width}" if width > 1 else ""),
        "flop": flop,
        "bytes": steps * kept,
        "flop_seconds": by_operations,
        "bytes_seconds": by_bytes,
        "seconds": medians["iteration"],
        "seconds_min": min(own),
        "seconds_max": max(own),
        "over_floor": medians["iteration"] / floor,
    }


def lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The table, in Markdown."""
    names = "| iteration | GFLOP | GB kept | operations, ms | memory, ms | it takes, ms | min … max | times the floor |"
    found = [names, "| --- " * 8 + "|"]
    for row in rows:
        ms = [1e3 * row[name] for name in ("flop_seconds", "bytes_seconds", "seconds", "seconds_min", "seconds_max")]
        counted = f"{row['iteration']} | {row['flop'] / 1e9:.3g} | {row['bytes'] / 1e9:.2g}"
        measured_ms = f"{ms[0]:.3g} | {ms[1]:.3g} | {ms[2]:.3g} | {ms[3]:.3g} … {ms[4]:.3g}"
        found.append(f"| {counted} | {measured_ms} | {row['over_floor']:.2g} |")
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--precision", default="fp32,bf16")
    parser.add_argument("--pack", default="1", help="the widths of packs to measure")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    check_device(parser, options.device)
    torch.set_num_threads(1)
    rows = [
        measured(options.scale, kind, precision, width, options.repeats, options.device)
        for kind in ("search", "training")
        for precision in options.precision.split(",")
        for width in map(int, options.pack.split(","))
    ]
    print("\n".join(lines(rows)))
    print(f"scale {options.scale}; {about(options.repeats, options.device)}")
    write(options.out, vars(options), rows)


if __name__ == "__main__":
    main()

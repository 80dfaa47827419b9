"""How cores are used best: one process with all of them as threads, or one process a core, as studies do.

    python -m benchmarks.processes [--scale small] [--precision fp32] [--pack 1,8] [--repeats 7] [--out FILE]

Iterations of searches, and steps of trainings of the network with every other column a fusion, a
member a second of wall time. The baseline is one process with as many threads as there are cores, K
= 1. Candidates alternate within one run, in processes that stay; each repeat gives each about
`--seconds`. Ratios are to the baseline of the same repeat: median, smallest and largest. Leave the
machine alone meanwhile.
"""

import argparse
import math
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from benchmarks.device_steps import iterate, started
from benchmarks.measuring import about, ratios, write
from benchmarks.search_step import SCALES, configured

Team = list[Connection]


def work(orders: Connection, scale: str, precision: str, kind: str, width: int, threads: int) -> None:
    """What a process does: as many iterations as it is told, again and again; none ends it."""
    torch.set_num_threads(threads)
    c = configured(scale, precision).with_values(search_iterations=10**6, train_iterations=10**6)
    run = started(kind, [c.with_values(seed=seed) for seed in range(width)], "cpu")
    iterate(run)
    orders.send(None)
    while iterations := orders.recv():
        for _ in range(iterations):
            iterate(run)
        orders.send(None)


@contextmanager
def team(processes: int, *asked: Any) -> Iterator[Team]:
    """Processes that wait for orders."""
    spawn = get_context("spawn")
    ends, begun = [], []
    for _ in range(processes):
        own, theirs = spawn.Pipe()
        begun.append(spawn.Process(target=work, args=(theirs, *asked), daemon=True))
        begun[-1].start()
        ends.append(own)
    for end in ends:
        end.recv()
    yield ends
    for end, process in zip(ends, begun, strict=True):
        end.send(0)
        process.join()


def wall(members: Team, iterations: int) -> float:
    """Wall seconds in which all of a team have iterated so often."""
    began = time.perf_counter()
    for end in members:
        end.send(iterations)
    for end in members:
        end.recv()
    return time.perf_counter() - began


def measured(
    kind: str, scale: str, precision: str, widths: list[int], repeats: int, seconds: float
) -> list[dict[str, Any]]:
    """A row for each way: iterations of a member a second, and how many times the baseline's, which is the first."""
    cores = os.cpu_count() or 1
    rates: dict[str, list[float]] = {}
    with ExitStack() as stack:
        teams = {}
        for width in widths:
            pack = f", K = {width}" if width > 1 else ""
            for processes, threads in ((1, cores), (cores, 1)):
                name = f"{kind}, {processes} × {threads} thread{'s' * (threads > 1)}{pack}"
                members = stack.enter_context(team(processes, scale, precision, kind, width, threads))
                teams[name] = members, processes * width, math.ceil(seconds / wall(members, 1))
        for _ in range(repeats):
            for name, (members, searches, iterations) in teams.items():
                rates.setdefault(name, []).append(searches * iterations / wall(members, iterations))
    base, *_ = rates.values()
    rows = []
    for name, own in rates.items():
        times = [o / b for o, b in zip(own, base, strict=True)]
        rate = {"rate": statistics.median(own), "rate_min": min(own), "rate_max": max(own)}
        ratio = {"ratio": statistics.median(times), "ratio_min": min(times), "ratio_max": max(times)}
        rows.append({"candidate": name, **rate, **ratio})
    return rows


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--pack", default="1,8", help="the widths of packs to measure, the first of which is 1")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each candidate in each repeat")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    widths = [int(text) for text in options.pack.split(",")]
    if widths[0] != 1:
        parser.error(f"--pack {options.pack}: the first is the baseline's, 1")
    asked = options.scale, options.precision, widths, options.repeats, options.seconds
    rows = [row for kind in ("search", "training") for row in measured(kind, *asked)]
    print("| processes × threads | iterations a second | min … max | times the baseline | min … max |")
    print("| --- " * 5 + "|")
    for row in rows:
        rates = f"{row['rate']:.3g} | {row['rate_min']:.3g} … {row['rate_max']:.3g}"
        print(f"| {row['candidate']} | {rates} | {ratios(row)} |")
    print(f"scale {options.scale}, {options.precision}, of a member; wall time; {about(options.repeats)}")
    write(options.out, vars(options), rows)


if __name__ == "__main__":
    main()

"""How steady a testing time is: one network timed again and again, alone and beside a busy neighbour.

    python -m benchmarks.testing_time [--repeats 10] [--channels 8] [--size 448x320]

The two conditions alternate within one run. Each repeat is one
`clearer.timing.measure_testing_time` of a single attempt, as a study takes it. The neighbour is as
many processes as there are cores, each multiplying matrices without a pause. Printed: the spread,
(largest − smallest) / median, of the repeats' medians in each condition, and the ratio of the
medians.
"""

import argparse
import multiprocessing
import os
import statistics
import time

import torch

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.machine import device_name
from clearer.networks import Network
from clearer.timing import Timing, measure_testing_time

ARCHITECTURE = "FPFP-FPFF-PFFP"
ONCE = Configuration(self_ensemble=1, time_attempts=1, time_spread_limit=1e9)  # six series of ten calls


def multiply_without_a_pause() -> None:
    """Keeps one core busy until it is ended."""
    torch.set_num_threads(1)
    matrix = torch.rand(512, 512)
    while True:
        matrix = torch.tanh(matrix @ matrix)


def measured(network: Network, image: torch.Tensor, busy: bool) -> Timing:
    """One testing time, with or without the neighbour."""
    context = multiprocessing.get_context("spawn")
    neighbours = [
        context.Process(target=multiply_without_a_pause, daemon=True) for _ in range((os.cpu_count() or 1) * busy)
    ]
    for neighbour in neighbours:
        neighbour.start()
    if busy:
        time.sleep(3)  # until they have imported torch
    try:
        return measure_testing_time(network, [image], ONCE)
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.join()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--size", default="448x320", help="WIDTHxHEIGHT in pixels")
    options = parser.parse_args()
    torch.set_num_threads(1)
    width, height = map(int, options.size.split("x"))
    network = Network(Architecture.parse(ARCHITECTURE), options.channels)
    image = torch.rand(1, 1, height, width).to(memory_format=torch.channels_last)
    found: dict[bool, list[Timing]] = {False: [], True: []}
    for _ in range(options.repeats):
        for busy in (False, True):
            found[busy].append(measured(network, image, busy))
    of_network = f"{ARCHITECTURE}, C = {options.channels}, {width}×{height} gray, fp32"
    print(f"{of_network}; {device_name('cpu')}, {os.cpu_count()} cores")
    print(f"{options.repeats} repeats of 6 series × 10 calls in each condition, alternating")
    for busy, times in found.items():
        medians = [t.median_ms for t in times]
        middle = statistics.median(medians)
        within = statistics.median(t.spread for t in times)
        refused = sum(t.spread > 0.03 for t in times)
        print(
            f"{'busy neighbour' if busy else 'alone':<16}median {middle:8.2f} ms   "
            f"spread of the repeats {(max(medians) - min(medians)) / middle:6.1%}   "
            f"spread within one (median) {within:6.1%}   above 3 %: {refused} of {len(times)}"
        )
    ratio = statistics.median(b.median_ms / a.median_ms for a, b in zip(found[False], found[True], strict=True))
    print(f"busy / alone, median of the pairs: {ratio:.2f}")


if __name__ == "__main__":
    main()

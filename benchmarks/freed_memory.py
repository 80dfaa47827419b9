"""What it saves that workers keep the memory that they free, in turns with processes that give it back, as glibc does.

    python -m benchmarks.freed_memory [--task derain] [--architecture PP-PP] [--size 640x448]
        [--repeats 5] [--out FILE]

The baseline of each kind of work is a process as Python starts it; `kept` is one that has called
`clearer.machine.keep_freed_memory`, as every worker of a study has. Work is that of the quick
preset: `training` is 40 iterations of a pack of two on random images, `restoring` and `scoring` are
of one image. One thread. Figures are CPU seconds, and the ratio to the baseline of the same repeat.
"""

import argparse
import functools
import resource
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measuring import BASELINE, about, cpu_seconds, summary, table, write
from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.images.sets import ImageSet
from clearer.machine import keep_freed_memory
from clearer.modules import folded
from clearer.networks import Network
from clearer.presets import preset_values
from clearer.scores import Scores
from clearer.tasks.known import task_of
from clearer.testing import on_device, restore
from clearer.training import Training

KINDS = ("training", "restoring", "scoring")
_ITERATIONS = 40


@functools.cache
def work(kind: str, task: str, architecture: str, width: int, height: int) -> Callable[[], Any]:
    """What one measurement calls, made once a process."""
    torch.set_num_threads(1)
    c = Configuration(**preset_values("quick", task)).with_values(train_iterations=10**6)
    parsed = Architecture.parse(architecture)
    clean, degraded = np.random.default_rng(0).integers(0, 256, (2, height, width, c.image_channels), dtype=np.uint8)
    if kind == "training":
        images = ImageSet(("random",), (clean,), (degraded,) if task_of(c).is_paired else None)
        steps = Training([c, c.with_values(seed=1)], parsed, images, images).advance(_ITERATIONS)
        return lambda: next(steps)
    image = degraded.astype(np.float32) / 255
    if kind == "scoring":
        return lambda: Scores.of([(clean.astype(np.float32) / 255, image, image)])
    network = Network(parsed, c.channels, c.image_channels, c.skip).eval()
    folded(network.to(memory_format=torch.channels_last)).__enter__()  # type: ignore[call-overload]
    return torch.inference_mode()(lambda: restore(network, on_device(image, "cpu")))


def seconds(*asked: Any) -> float:
    """CPU seconds of one call, in this process."""
    return cpu_seconds(work(*asked))


def peak_mib() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="derain")
    parser.add_argument("--architecture", default="PP-PP")
    parser.add_argument("--size", default="640x448", help="WIDTHxHEIGHT in pixels")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    asked = options.task, options.architecture, *(int(side) for side in options.size.split("x"))
    spawn = get_context("spawn")
    rows = []
    with spawn.Pool(1) as given_back, spawn.Pool(1, initializer=keep_freed_memory) as kept:
        for kind in KINDS:
            turns = range(options.repeats + 1)
            pairs = [[pool.apply(seconds, (kind, *asked)) for pool in (given_back, kept)] for _ in turns]
            base, own = zip(*pairs[1:], strict=True)  # the first is not counted
            for name, taken in ((BASELINE, base), ("kept", own)):
                rows.append({"candidate": f"{kind}, {name}", **summary(base, taken)})
        peaks = [pool.apply(peak_mib) for pool in (given_back, kept)]
    print("\n".join(table(rows)))
    print(f"most memory: {peaks[0]:.0f} MiB, {peaks[1]:.0f} MiB where it is kept")
    print(f"quick {options.task}, {options.architecture}, {options.size}; {about(options.repeats)}")
    write(options.out, vars(options), rows)


if __name__ == "__main__":
    main()

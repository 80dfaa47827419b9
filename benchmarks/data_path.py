"""How fast batches of crops are made: `clearer.crops` against the authors' way (`benchmarks.plain`), in turns.

    python -m benchmarks.data_path [--patch 64] [--batch 32] [--pack 1] [--channels 1] [--device cpu]
        [--repeats 15] [--out FILE]

One thread, the embedded training images, σ and protocol of the defaults. The baseline is a data
loader of single crops, `rebuilt` for every batch, as the authors have it in an α step, or `kept`
until its images are used up. A pack of K has K seeds. Every repeat measures all candidates one
after another, for about `--milliseconds` each: samples (of one member) per second of CPU time
(`time.process_time`), which a busy neighbour disturbs less than wall time; of wall time where the
device is no CPU, with the copy to it. Ratios are to the baselines of the same repeat: median,
smallest and largest.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.measuring import about, write
from benchmarks.plain import SingleCrops
from clearer.configuration import Configuration
from clearer.crops import Crops
from clearer.splits import learning_images

BASELINES = ("rebuilt", "kept")


def candidates(c: Configuration, packs: Sequence[int], device: str) -> dict[str, tuple[int, Callable[[], Any]]]:
    """By name: the samples of a batch, and what makes the next one on the device."""
    images = learning_images(c, c.weights_split, None)
    single = SingleCrops(c, images)
    epochs = itertools.chain.from_iterable(single.loader() for _ in itertools.count())
    found: dict[str, tuple[int, Callable[[], Any]]] = {
        "rebuilt": (c.batch_size, lambda: [side.to(device) for side in next(single.loader())]),
        "kept": (c.batch_size, lambda: [side.to(device) for side in next(epochs)]),
    }
    for width in packs:
        crops = Crops(images, [c.with_values(seed=seed) for seed in range(width)], "data path", device)
        found[f"K = {width}"] = width * c.batch_size, _following(crops)
    return found


def _following(crops: Crops) -> Callable[[], Any]:
    iterations = itertools.count()
    return lambda: crops.batch(next(iterations))


def measure(
    c: Configuration, packs: Sequence[int], device: str, repeats: int, milliseconds: float
) -> list[dict[str, Any]]:
    """A row for each candidate: samples a second, and how many times as fast as each baseline."""
    compared = candidates(c, packs, device)
    clock = _clock(device)
    batches = {name: _batches(make, clock, milliseconds / 1e3) for name, (_, make) in compared.items()}
    rates: dict[str, list[float]] = {name: [] for name in compared}
    for _ in range(repeats):
        for name, (samples, make) in compared.items():
            started = clock()
            for _ in range(batches[name]):
                make()
            rates[name].append(samples * batches[name] / (clock() - started))
    return [
        {"candidate": name, "samples_per_second": _spread(own)}
        | {f"times_{base}": _spread([o / b for o, b in zip(own, rates[base], strict=True)]) for base in BASELINES}
        for name, own in rates.items()
    ]


def _clock(device: str) -> Callable[[], float]:
    if torch.device(device).type == "cpu":
        return time.process_time

    def synchronised() -> float:
        torch.accelerator.synchronize()
        return time.perf_counter()

    return synchronised


def _batches(make: Callable[[], Any], clock: Callable[[], float], seconds: float) -> int:
    """How many batches take so long, after three to warm up."""
    for _ in range(3):
        make()
    started = clock()
    make()
    return max(1, round(seconds / max(clock() - started, 1e-6)))


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The table, in Markdown."""
    yield "| candidate | samples/s | min … max | times `rebuilt` | min … max | times `kept` | min … max |"
    yield "| --- " * 7 + "|"
    for row in rows:
        cells = [f"{row['samples_per_second'][name]:,.0f}" for name in ("median", "min", "max")]
        for base in BASELINES:
            cells += [f"{row[f'times_{base}'][name]:.2f}" for name in ("median", "min", "max")]
        pairs = [f"{middle} | {low} … {high}" for middle, low, high in zip(*[iter(cells)] * 3, strict=True)]
        yield f"| {row['candidate']} | {' | '.join(pairs)} |"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patch", type=int, default=64, help="side of a crop in pixels")
    parser.add_argument("--batch", type=int, default=32, help="crops of a batch")
    parser.add_argument("--pack", default="1", help="the widths of packs to measure")
    parser.add_argument("--channels", type=int, choices=[1, 3], default=1, help="gray or RGB")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--milliseconds", type=float, default=100, help="for each candidate in each repeat")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    c = Configuration(
        dataset="embedded", patch_size=options.patch, batch_size=options.batch, image_channels=options.channels
    )
    packs = [int(text) for text in options.pack.split(",")]
    rows = measure(c, packs, options.device, options.repeats, options.milliseconds)
    print("\n".join(lines(rows)))
    asked = f"{options.batch} crops of {options.patch}×{options.patch}, {options.channels} channels"
    print(f"{asked}; {about(options.repeats, options.device)}")
    write(options.out, vars(options), rows)


if __name__ == "__main__":
    main()

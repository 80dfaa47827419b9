"""How fast a search step is: the project's own against the authors' way (`benchmarks.plain`), alternating in one run.

    python -m benchmarks.search_step [--scale proxy] [--precision fp32,bf16] [--repeats 9] [--flop] [--out FILE]

One thread. An iteration is an α step and a weights step, each with its batch. Every repeat measures all candidates one
after another; figures are CPU seconds (`time.process_time`), which a busy neighbour disturbs less than wall time, and the
ratio to the baseline of the same repeat: median, smallest and largest. Both networks start from the same state and see crops of the
same images. `--flop` also counts the floating-point operations of both (a multiplication and an addition each count).

    tiny    C = 4,  batch 8,  32×32 crops      paper8  C = 32, batch 8,  64×64 crops
    proxy   C = 8,  batch 8,  32×32 crops      paper   C = 32, batch 32, 64×64 crops
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.plain import Batch, PlainSearch, SingleCrops
from clearer.configuration import PROXY, Configuration
from clearer.images import load_split
from clearer.networks import Supernet
from clearer.search import Search
from clearer.timing import device_name

SCALES: Mapping[str, Mapping[str, Any]] = {
    "tiny": {**PROXY, "channels": 4},
    "proxy": PROXY,
    "paper8": {"batch_size": 8},
    "paper": {},
}
BASELINE = "baseline"
Steps = dict[str, Callable[[], Any]]


def configured(scale: str, precision: str) -> Configuration:
    """A search of the scale on the embedded images, without a warm-up."""
    return Configuration(**{**SCALES[scale], "dataset": "embedded", "warmup_iterations": 0, "precision": precision})


def baseline(c: Configuration) -> Steps:
    """The baseline's steps, by name; each reads its own batch."""
    weights_images, alpha_images = _images(c)
    search = Search(c, weights_images, alpha_images)  # for its initial state and its objective
    supernet = Supernet(c.columns_by_cell, c.channels, c.image_channels, c.mixing)
    supernet.load_state_dict(search.supernet.state_dict())
    search.supernet.logits = supernet.logits
    plain = PlainSearch(supernet, c, search.alpha_objective)
    batches = _endless(SingleCrops(c, weights_images))
    alpha_crops = SingleCrops(c, alpha_images)
    return {
        "alpha": lambda: plain.alpha_step(next(alpha_crops.loader())),
        "weights": lambda: plain.weights_step(next(batches), c.weights_learning_rate),
    }


def project(c: Configuration) -> Steps:
    """The project's steps, by name; each reads its own batch."""
    search = Search(c, *_images(c))

    def weights_step() -> None:
        search._weights_step()
        search.iteration += 1  # other crops next time

    return {"alpha": search._alpha_step, "weights": weights_step}


def _images(c: Configuration) -> list[Any]:
    return [load_split(c.dataset, split, c.image_channels, None) for split in (c.weights_split, c.alpha_split)]


def _endless(crops: SingleCrops) -> Iterator[Batch]:
    while True:
        yield from crops.loader()


def measure(scale: str, precisions: list[str], repeats: int) -> list[dict[str, Any]]:
    """CPU seconds of each candidate's steps, and ratios to the baseline's of the same repeat."""
    candidates = {BASELINE: baseline(configured(scale, "fp32"))}
    candidates |= {precision: project(configured(scale, precision)) for precision in precisions}
    seconds: dict[str, list[dict[str, float]]] = {name: [] for name in candidates}
    for repeat in range(repeats + 1):
        for name, steps in candidates.items():
            found = {step: _cpu_seconds(run) for step, run in steps.items()}
            if repeat:  # the first is warm-up
                seconds[name].append({**found, "iteration": sum(found.values())})
    return [
        {"candidate": name, "step": step, **_summary(seconds[BASELINE], of_one, step)}
        for name, of_one in seconds.items()
        for step in ("alpha", "weights", "iteration")
    ]


def _cpu_seconds(run: Callable[[], Any]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def _summary(base: list[dict[str, float]], of_one: list[dict[str, float]], step: str) -> dict[str, float]:
    ratios = [b[step] / o[step] for b, o in zip(base, of_one, strict=True)]
    return {
        "cpu_seconds": statistics.median(o[step] for o in of_one),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


def flop(scale: str) -> list[dict[str, Any]]:
    """Floating-point operations of the convolutions and products, of the baseline and of the project in fp32."""
    c = configured(scale, "fp32")
    counts = {
        name: {step: _counted(run) for step, run in steps.items()}
        for name, steps in ((BASELINE, baseline(c)), ("fp32", project(c)))
    }
    for steps in counts.values():
        steps["iteration"] = sum(steps.values())
    return [
        {"candidate": name, "step": step, "flop": count, "share": count / counts[BASELINE][step]}
        for name, steps in counts.items()
        for step, count in steps.items()
    ]


def _counted(run: Callable[[], Any]) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def lines(times: list[dict[str, Any]], counts: list[dict[str, Any]]) -> Iterator[str]:
    """The tables, in Markdown."""
    yield "| candidate | step | CPU s | times as fast as the baseline | smallest … largest |"
    yield "| --- " * 5 + "|"
    for row in times:
        spread = f"{row['ratio_min']:.2f} … {row['ratio_max']:.2f}"
        yield f"| {row['candidate']} | {row['step']} | {row['cpu_seconds']:.4f} | {row['ratio']:.2f} | {spread} |"
    if counts:
        yield ""
        yield "| candidate | step | GFLOP | share of the baseline's |"
        yield "| --- " * 4 + "|"
    for row in counts:
        yield f"| {row['candidate']} | {row['step']} | {row['flop'] / 1e9:.2f} | {row['share']:.3f} |"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="proxy")
    parser.add_argument("--precision", default="fp32,bf16", help="the project's precisions to measure")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--flop", action="store_true", help="also count floating-point operations")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    times = measure(options.scale, options.precision.split(","), options.repeats)
    counts = flop(options.scale) if options.flop else []
    hardware = f"{device_name('cpu')}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    print(f"search step, scale {options.scale}, median of {options.repeats} alternating repeats")
    print("\n".join(lines(times, counts)))
    print(f"{hardware}; {', '.join(f'{name} {version}' for name, version in versions.items())}")
    if options.out is not None:
        about = {"scale": options.scale, "repeats": options.repeats, "hardware": hardware, "versions": versions}
        options.out.write_text(json.dumps({**about, "times": times, "flop": counts}, indent=1) + "\n")


if __name__ == "__main__":
    main()

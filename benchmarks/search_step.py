"""How fast a search step is: the project's own against the authors' way (`benchmarks.plain`), alternating in one run.

    python -m benchmarks.search_step [--scale small] [--precision fp32,bf16] [--pack 1] [--repeats 9] [--out FILE]

One thread. Figures of a pack of K searches are those of one of them, a K-th. An iteration is an α
step and a weights step, each with its batch. Every repeat measures all candidates one after
another; figures are CPU seconds (`time.process_time`), which a busy neighbour disturbs less than
wall time, and the ratio to the baseline of the same repeat: median, smallest and largest. All start
from the same state and see crops of the same images. In a first round, which is not timed, the
floating-point operations of the convolutions are counted (`torch.utils.flop_counter`: a
multiplication and an addition each count).

    tiny    C = 4,  batch 8,  32×32 crops      paper8  C = 32, batch 8,  64×64 crops
    small   C = 8,  batch 8,  32×32 crops      paper   C = 32, batch 32, 64×64 crops
"""

import argparse
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.measuring import BASELINE, about, cpu_seconds, figures, operations, summary, write
from benchmarks.plain import Batch, PlainSearch, SingleCrops
from clearer.configuration import Configuration
from clearer.networks import Supernet
from clearer.presets import Edition, preset_values
from clearer.search import Search
from clearer.splits import learning_images

SMALL = preset_values(Edition("proxy", 2))
"""The paper's space (S = 3, N = 4), with C = 8 and 8 crops of 32 × 32."""
SCALES: Mapping[str, Mapping[str, Any]] = {
    "tiny": {**SMALL, "channels": 4},
    "small": SMALL,
    "paper8": {"batch_size": 8},
    "paper": {},
}
Steps = dict[str, Callable[[], Any]]


def configured(scale: str, precision: str) -> Configuration:
    """A search of the scale on the embedded images, without a warm-up."""
    return Configuration(**{**SCALES[scale], "dataset": "embedded", "warmup_iterations": 0, "precision": precision})


def baseline(c: Configuration) -> Steps:
    """The baseline's steps, by name; each reads its own batch."""
    weights_images, alpha_images = _images(c)
    search = Search([c], weights_images, alpha_images)  # for its initial state and its objective
    supernet = Supernet(c.columns_by_cell, c.channels, c.image_channels, c.mixing)
    supernet.load_state_dict(search.supernet.state_dict())
    search.supernet.logits = supernet.logits
    plain = PlainSearch(supernet, c, search.alpha_objective)
    batches = endless(SingleCrops(c, weights_images))
    alpha_crops = SingleCrops(c, alpha_images)
    return {
        "alpha": lambda: plain.alpha_step(next(alpha_crops.loader())),
        "weights": lambda: plain.weights_step(next(batches), c.weights_learning_rate),
    }


def project(c: Configuration, width: int) -> Steps:
    """The project's steps, by name, of a pack of searches at λ1 and seeds of their own; each reads its own batch."""
    members = [c.with_values(seed=place, lambda1=0.01 * place) for place in range(width)]
    weights_images, alpha_images = _images(c)
    search = Search(members, weights_images, alpha_images)
    if search.width != width:
        raise SystemExit(f"--pack {width}: at channels={c.channels} the next width is {search.width}")

    def weights_step() -> None:
        search.step("weights")
        search.iteration += 1  # other crops next time

    return {"alpha": lambda: search.step("alpha"), "weights": weights_step}


def _images(c: Configuration) -> list[Any]:
    return [learning_images(c, split, None) for split in (c.weights_split, c.alpha_split)]


def endless(crops: SingleCrops) -> Iterator[Batch]:
    """Batch after batch, from a loader that is made anew when the images are used up."""
    while True:
        yield from crops.loader()


def measure(scale: str, precisions: Sequence[str], repeats: int, packs: Sequence[int] = (1,)) -> list[dict[str, Any]]:
    """A row for each step of each candidate, of one search: operations, CPU seconds, ratios to the baseline."""
    candidates = {BASELINE: baseline(configured(scale, "fp32"))}
    widths, counts = {BASELINE: 1}, {BASELINE: _with_iteration(candidates[BASELINE], operations)}
    for precision, width in itertools.product(precisions, packs):
        name = precision if width == 1 else f"{precision}, K = {width}"
        candidates[name], widths[name] = project(configured(scale, precision), width), width
        # Of the search alone: the counter does not know that convolutions of a pack are in groups.
        counts[name] = _with_iteration(project(configured(scale, precision), 1), operations)
        _with_iteration(candidates[name], cpu_seconds)
    seconds: dict[str, list[dict[str, float]]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, steps in candidates.items():
            found = _with_iteration(steps, cpu_seconds)
            seconds[name].append({step: value / widths[name] for step, value in found.items()})
    return [
        {
            "candidate": name,
            "step": step,
            "flop": counts[name][step],
            "flop_share": counts[name][step] / counts[BASELINE][step],
            **summary([b[step] for b in seconds[BASELINE]], [o[step] for o in seconds[name]]),
        }
        for name in candidates
        for step in ("alpha", "weights", "iteration")
    ]


def _with_iteration(steps: Steps, figure: Callable[[Callable[[], Any]], float]) -> dict[str, float]:
    found = {name: figure(step) for name, step in steps.items()}
    return {**found, "iteration": sum(found.values())}


def lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The table, in Markdown."""
    yield "| candidate | step | GFLOP | share | CPU ms | min … max | times as fast | min … max |"
    yield "| --- " * 8 + "|"
    for row in rows:
        counted = f"{row['flop'] / 1e9:.2f} | {row['flop_share']:.3f}"
        yield f"| {row['candidate']} | {row['step']} | {counted} | {figures(row)}"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--precision", default="fp32,bf16", help="the project's precisions to measure")
    parser.add_argument("--pack", default="1", help="the widths of packs to measure")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(
        options.scale, options.precision.split(","), options.repeats, [int(text) for text in options.pack.split(",")]
    )
    print("\n".join(lines(rows)))
    print(f"scale {options.scale}; {about(options.repeats)}")
    write(options.out, vars(options), rows)


if __name__ == "__main__":
    main()

"""How fast a whole study is: the quick λ study, against its stages one after another by the authors' way.

    python -m benchmarks.quick_study [--iterations 12] [--out FILE]

The candidate is the command itself, `studies/lambda_pareto.py` with no arguments but an empty
folder: wall time from its start to its end, with Ray, references, tests, testing times, figures and
MLflow. The baseline is one process with as many threads as the machine has cores:

* searches and trainings by `benchmarks.plain` (eager fp32, all gradients, a loader of single crops). Of
  `--iterations` of each kind of step the fastest, which favours the baseline, times what the study's
  rows say that it ran.
* tests by `benchmarks.plain.restore`, scored as the study scores: one is taken whole, times their number.
* testing times of the same architectures, by the same series of calls of `benchmarks.plain.restore`, and
  references: all taken whole.
* without Ray, reports, figures, MLflow, checkpoints, and its own start.

Two counts of the same job: each distinct stage once, which gives the baseline the store's sharing
for nothing; and each trial by itself, as it is without a store, where trials that found the same
architecture train, test and time it each. The first is the ratio that counts.
"""

import argparse
import dataclasses
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

import analysis
from benchmarks.measuring import hardware, write
from benchmarks.plain import PlainTraining, SingleCrops, restore
from benchmarks.search_step import baseline, endless
from clearer import references
from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.networks import Network
from clearer.presets import QUICK
from clearer.splits import learning_images, scored_images
from clearer.testing import degraded_inputs, on_device, score
from clearer.timing import measure_testing_time, pass_seconds

STUDY = Path(__file__).resolve().parent.parent / "studies" / "lambda_pareto.py"


class PlainNetwork(nn.Module):
    """A derived network that restores by the authors' way."""

    def __init__(self, architecture: Architecture, c: Configuration):
        super().__init__()
        self.network = Network(architecture, c.channels, c.image_channels).eval()

    def forward(self, image: Tensor) -> Tensor:
        """The restored batch; channels first."""
        return restore(self.network, image.contiguous())


def wall(run: Callable[[], Any]) -> float:
    """Wall seconds of a call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def fastest(run: Callable[[], Any], iterations: int) -> float:
    """Of some calls, after one that is not counted: threads that wait for each other suffer from any neighbour."""
    run()
    return min(wall(run) for _ in range(iterations))


def learning_seconds(rows: pd.DataFrame, c: Configuration, iterations: int) -> Iterator[tuple[str, pd.Series]]:
    """Wall seconds of the searches and of the trainings by the authors' way, a figure for each row."""
    steps = baseline(c)
    alpha, weights = (fastest(steps[name], iterations) for name in ("alpha", "weights"))
    a_search = c.search_iterations * (alpha + weights) - c.warmup_iterations * alpha
    yield "searches", (rows["kind"] == "searched") * a_search
    images = learning_images(c, c.weights_split, None)

    def a_training(text: str) -> float:
        training, batches = PlainTraining(Architecture.parse(text), c), endless(SingleCrops(c, images))
        return c.train_iterations * fastest(lambda: training.step(next(batches)), iterations)

    yield "trainings", rows["architecture"].map({text: a_training(text) for text in rows["architecture"].unique()})


def other_seconds(rows: pd.DataFrame, c: Configuration) -> Iterator[tuple[str, pd.Series]]:
    """As `learning_seconds`, of tests, testing times and references; of these all rows share one."""
    images = scored_images(c, None)
    degraded = [on_device(image, "cpu") for image in degraded_inputs(c, images)]
    tests, times = {}, {}
    for text in rows["architecture"].unique():
        network = PlainNetwork(Architecture.parse(text), c)
        tests[text] = wall(lambda network=network: score(c, network, images))  # type: ignore[misc]
        torch.set_num_threads(c.threads)  # a testing time is one of so many threads, whoever takes it
        times[text] = wall(lambda network=network: timed(network, degraded, c))  # type: ignore[misc]
        torch.set_num_threads(os.cpu_count() or 1)
    yield "tests", rows["architecture"].map(tests)
    yield "testing times", rows["architecture"].map(times)
    whole = wall(lambda: list(references.scored(c, _first(c), images)))
    yield "references", pd.Series([whole] + [0.0] * (len(rows) - 1), rows.index)


def timed(network: nn.Module, degraded: list[Tensor], c: Configuration) -> None:
    """A testing time and a pass over the test set, as `studies.work.stages.run_timing` takes them."""
    measure_testing_time(network, degraded[: c.time_images], c.with_values(time_spread_limit=1e9))
    pass_seconds(network, degraded, c.self_ensemble)


def _first(c: Configuration) -> Any:
    images, some = learning_images(c, c.alpha_split, None), slice(c.reference_images)
    return dataclasses.replace(images, clean=images.clean[some], names=images.names[some])


_SHARED = {
    "searches": ["search_key"],
    "trainings": ["train_key"],
    "tests": ["test_key"],
    "testing times": ["architecture"],
    "references": [],
}
"""What tells distinct stages apart."""


def baseline_seconds(rows: pd.DataFrame, iterations: int) -> tuple[dict[str, float], dict[str, float]]:
    """By stage: each distinct stage once, and each trial by itself."""
    torch.set_num_threads(os.cpu_count() or 1)
    c = Configuration(**QUICK)
    once, each = {}, {}
    for name, seconds in itertools.chain(learning_seconds(rows, c, iterations), other_seconds(rows, c)):
        distinct = ~rows.duplicated(_SHARED[name]) if _SHARED[name] else slice(None)
        once[name], each[name] = float(seconds[distinct].sum()), float(seconds.sum())
    return once, each


def study_seconds(storage: Path) -> float:
    """Wall seconds of the study's command."""
    command = [sys.executable, STUDY, "--storage", storage]
    return wall(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))


def timeline(storage: Path, began: float, ended: float) -> dict[str, float]:
    """When the stages of the study were finished, in seconds from the start of its command."""
    found: dict[str, list[float]] = {}
    for file in storage.glob("stages/*/*/result.json"):
        result = json.loads(file.read_text())
        found.setdefault(file.parts[-3], []).append(file.stat().st_mtime - began)
        if file.parts[-3] == "search":
            found.setdefault("first step", []).append(result["started_at"] - began)
    ordered = sorted(found.items(), key=lambda item: max(item[1]))
    ends = {name: min(at) if name == "first step" else max(at) for name, at in ordered}
    return {**ends, "end": ended - began}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=12)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        storage, began = Path(folder) / "runs", time.time()
        own = study_seconds(storage)
        rows, line = analysis.load(storage), timeline(storage, began, time.time())
    once, each = baseline_seconds(rows, options.iterations)
    print("| | wall seconds | times as fast |\n| --- | --- | --- |")
    for text, parts in (("each distinct stage once", once), ("each trial by itself", each)):
        told = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in parts.items())
        print(f"| baseline, {text}: {told} | {sum(parts.values()):.0f} | 1.00 |")
    print(f"| the whole command | {own:.0f} | {sum(once.values()) / own:.2f}, {sum(each.values()) / own:.2f} |")
    print("seconds from the start of the command: " + ", ".join(f"{name} {at:.0f}" for name, at in line.items()))
    kinds = {"searches": "search_key", "trainings": "train_key", "architectures": "architecture"}
    counted = ", ".join(f"{rows[column].nunique()} {kind}" for kind, column in kinds.items())
    steps = f"steps of the baseline from {options.iterations} iterations of each"
    print(f"{counted}, {len(rows)} trials; {steps}; {hardware()['hardware']}")
    ratios = {"ratio": sum(once.values()) / own, "ratio_by_trial": sum(each.values()) / own}
    found = {"study_seconds": own, "once": once, "by_trial": each, "timeline": line, **ratios}
    write(options.out, vars(options), [found])


if __name__ == "__main__":
    main()

"""How fast a whole study is: the quick λ study with packs and processes, against the authors' way of its stages one after another.

    python -m benchmarks.quick_study [--iterations 12] [--out FILE]

The candidate is the command itself, `studies/lambda_pareto.py` with no arguments but an empty folder: wall time from its start to its end,
with Ray, references, tests, testing times, figures and MLflow. The baseline is the same stages one after another in one process: searches
and trainings by `benchmarks.plain` (eager fp32, all gradients, a loader of single crops) with as many threads as the machine has cores, and what the
study itself took for references, tests and testing times, without Ray, figures and MLflow. The learning is extrapolated: of
`--iterations` of each stage the fastest, which favours the baseline, times what the study's rows say that it ran.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import analysis
from benchmarks.measuring import hardware, write
from benchmarks.plain import PlainTraining, SingleCrops
from benchmarks.search_step import baseline, endless
from clearer.architecture import Architecture
from clearer.configuration import QUICK, Configuration
from clearer.runs import learning_images

STUDY = Path(__file__).resolve().parent.parent / "studies" / "lambda_pareto.py"


def seconds_of(run: Callable[[], Any], iterations: int) -> float:
    """Wall seconds of the fastest of some calls, after one that is not counted: threads that wait for each other suffer from any neighbour."""
    run()
    times = []
    for _ in range(iterations):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def plain_seconds(rows: pd.DataFrame, iterations: int) -> dict[str, float]:
    """Wall seconds of the study's searches and trainings by the authors' way, one after another."""
    torch.set_num_threads(os.cpu_count() or 1)
    c = Configuration(**QUICK)
    steps = baseline(c)
    alpha, weights = (seconds_of(steps[name], iterations) for name in ("alpha", "weights"))
    searches = rows[rows["kind"] == "searched"].drop_duplicates("search_key")
    total = {"searches": len(searches) * (c.search_iterations * (alpha + weights) - c.warmup_iterations * alpha)}
    images = learning_images(c, c.weights_split, None)
    trained = rows.drop_duplicates("train_key")["architecture"].value_counts()
    total["trainings"] = 0.0
    for text, count in trained.items():
        training = PlainTraining(Architecture.parse(str(text)), c)
        batches = endless(SingleCrops(c, images))
        each = seconds_of(lambda training=training, batches=batches: training.step(next(batches)), iterations)  # type: ignore[misc]
        total["trainings"] += count * c.train_iterations * each
    return total


def other_seconds(storage: Path) -> float:
    """Seconds of the stages that do not learn, one after another, as they were in the study."""
    total = 0.0
    for file in storage.glob("stages/*/*/result.json"):
        stage, found = file.parts[-3], json.loads(file.read_text())
        if stage in ("reference", "test"):
            total += found["seconds"]
        elif stage == "time":
            calls = found["attempts"] * QUICK["time_series"] * (QUICK["time_calls"] + 1)
            total += calls * found["test_time_images"] * found["test_time_ms"] / 1000 + found["test_set_seconds"]
    return total


def study_seconds(storage: Path) -> float:
    """Wall seconds of the study's command."""
    started = time.perf_counter()
    subprocess.run([sys.executable, STUDY, "--storage", storage], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=12)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder) / "runs"
        own = study_seconds(storage)
        rows, other = analysis.load(storage), other_seconds(storage)
    plain = plain_seconds(rows, options.iterations) | {"other stages": other}
    total = sum(plain.values())
    parts = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in plain.items())
    counted = f"{rows['search_key'].nunique()} searches, {rows['train_key'].nunique()} trainings, {rows['seed'].nunique()} seeds"
    print("| | wall seconds | times as fast |\n| --- | --- | --- |")
    print(f"| baseline: {parts} | {total:.0f} | 1.00 |")
    print(f"| the whole command | {own:.0f} | {total / own:.2f} |")
    print(f"{counted}; the baseline from {options.iterations} iterations of each stage; {hardware()['hardware']}")
    write(options.out, vars(options), [{"study_seconds": own, "baseline_seconds": plain, "ratio": total / own}])


if __name__ == "__main__":
    main()

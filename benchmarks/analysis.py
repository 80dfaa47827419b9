"""How long the front, the ranks, the hypervolume and its interval take on a laptop, at 100, 1,000 and 10,000 rows.

    python -m benchmarks.analysis [--rows 100,1000,10000] [--repeats 5]

Seconds of wall time, the smallest and the largest of the repeats. Rows are of a frame with 40 other
columns; their figures are of two or three columns, scattered around a front that a tenth of them is
on or near. Ten rows make a configuration.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

import analysis

CHOSEN: dict[int, dict[str, list[str]]] = {
    2: {"minimise": ["parameters"], "maximise": ["psnr_db"]},
    3: {"minimise": ["parameters", "test_time_ms"], "maximise": ["psnr_db"]},
}
REFERENCE = {"parameters": 4.0, "test_time_ms": 4.0, "psnr_db": -4.0}


def rows(count: int, generator: np.random.Generator) -> pd.DataFrame:
    """A frame whose figures lie on and behind a sphere."""
    direction = np.abs(generator.standard_normal((count, 3)))
    losses = 1 - direction / np.linalg.norm(direction, axis=1, keepdims=True)
    losses += np.where(generator.random(count) < 0.1, 0.0, generator.exponential(0.3, count))[:, None]
    frame = pd.DataFrame(generator.random((count, 40))).add_prefix("field_")
    figures = {"parameters": losses[:, 0], "test_time_ms": losses[:, 1], "psnr_db": -losses[:, 2]}
    return frame.assign(replicate_id=np.arange(count) // 10, seed=np.arange(count) % 10, **figures)


def questions(frame: pd.DataFrame, columns: int) -> dict[str, Callable[[], Any]]:
    """What is timed, by name."""
    chosen = CHOSEN[columns]
    stated = {name: REFERENCE[name] for names in chosen.values() for name in names}
    return {
        "front": lambda: analysis.pareto_front(frame, **chosen),
        "front and hypervolume": lambda: (
            analysis.pareto_front(frame, **chosen),
            analysis.hypervolume(frame, stated, **chosen),
        ),
        "ranks": lambda: analysis.pareto_ranks(frame, **chosen),
        "contributions": lambda: analysis.hypervolume_contributions(frame, stated, **chosen),
        "attainment": lambda: analysis.attainment(frame, **chosen),
        "interval, 200 draws": lambda: analysis.hypervolume_interval(
            frame, stated, np.random.default_rng(0), **chosen, draws=200
        ),
    }


def seconds(run: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """The smallest and the largest of the repeats."""
    found = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return min(found), max(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="100,1000,10000", help="row counts, with commas")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    cores = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    print(f"{cores}, load {os.getloadavg()[0]:.1f}; moocore {metadata.version('moocore')}")
    print("| question | columns | rows | s | to |\n| --- | --- | --- | --- | --- |")
    for count in map(int, options.rows.split(",")):
        frame = rows(count, np.random.default_rng(0))
        for columns in CHOSEN:
            for name, run in questions(frame, columns).items():
                low, high = seconds(run, options.repeats)
                print(f"| {name} | {columns} | {count} | {low:.4f} | {high:.4f} |", flush=True)


if __name__ == "__main__":
    main()

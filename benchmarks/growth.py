"""How the cost of a search iteration grows with the width of the pack, C, S, N_i, the patch and the batch.

    python -m benchmarks.growth [--repeats 5] [--out FILE]

One thread. Each row changes one thing of the first, the scale `small`: C = 8, S = 3, N_i = 4, 8
crops of 32×32, fp32, alone. Rows alternate within one run; figures are CPU seconds of an α step and
a weights step of one search, the ratio to the first row of the same repeat, and operations, as
`torch.utils.flop_counter` counts them.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from benchmarks.measuring import BASELINE, about, cpu_seconds, operations, ratios, summary, write
from benchmarks.search_step import Steps, configured, project

CASES: dict[str, dict[str, Any]] = {
    BASELINE: {},
    "K = 2": {"pack": 2}, "K = 4": {"pack": 4}, "K = 8": {"pack": 8}, "K = 16": {"pack": 16},
    "C = 4": {"channels": 4}, "C = 16": {"channels": 16}, "C = 32": {"channels": 32},
    "S = 1": {"cells": 1}, "S = 2": {"cells": 2}, "S = 4": {"cells": 4},
    "N_i = 2": {"columns": (2,)}, "N_i = 6": {"columns": (6,)}, "N_i = 8": {"columns": (8,)},
    "crops of 16×16": {"patch_size": 16}, "crops of 64×64": {"patch_size": 64},
    "4 crops": {"batch_size": 4}, "16 crops": {"batch_size": 16}, "32 crops": {"batch_size": 32},
}  # fmt: skip


def steps_of(case: dict[str, Any]) -> tuple[Steps, int]:
    """The steps of a case, and how many searches they are of."""
    fields = {name: value for name, value in case.items() if name != "pack"}
    width = case.get("pack", 1)
    return project(configured("small", "fp32").with_values(**fields), width), width


def measure(cases: dict[str, dict[str, Any]], repeats: int) -> list[dict[str, Any]]:
    """A row for each case: operations and CPU seconds of an iteration of one search, and their ratios to the first."""
    made = {name: steps_of(case) for name, case in cases.items()}
    flop = {}
    for name, case in cases.items():
        alone = steps_of({k: v for k, v in case.items() if k != "pack"})[0]
        flop[name] = operations(lambda alone=alone: _iterate(alone))  # type: ignore[misc]
        _iterate(made[name][0])
    seconds: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(repeats):
        for name, (steps, width) in made.items():
            seconds[name].append(cpu_seconds(lambda steps=steps: _iterate(steps)) / width)  # type: ignore[misc]
    rows = []
    for name, own in seconds.items():
        found = summary(own, seconds[BASELINE])  # how many times the first row's, not how many times as fast
        times = {key: found[key] for key in ("ratio", "ratio_min", "ratio_max")}
        rows.append({"case": name, "flop": flop[name], **summary(own, own), **times})
    return rows


def _iterate(steps: Steps) -> None:
    for step in steps.values():
        step()


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """The table, in Markdown."""
    found = ["| case | GFLOP | times | CPU ms | times | min … max |", "| --- " * 6 + "|"]
    for row in rows:
        counted = f"{row['flop'] / 1e9:.2f} | {row['flop'] / rows[0]['flop']:.2f}"
        found.append(f"| {row['case']} | {counted} | {1e3 * row['cpu_seconds']:.0f} | {ratios(row)} |")
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(CASES, options.repeats)
    print("\n".join(lines(rows)))
    print(f"the search of the scale small, an iteration of one search; {about(options.repeats)}")
    write(options.out, vars(options), rows)


if __name__ == "__main__":
    main()

"""Does a pack find what single searches find? As well as two single searches of different summation order do?

    python -m benchmarks.pack_agreement [--seeds 8] [--set field=value …] [--out FILE]

Searches are chaotic: any other order of sums parts two runs within some tens of iterations, so that
end points can only be compared as distributions. Each configuration (the quick preset's, one for
each seed) is searched three times: alone; alone with two threads, which sum in another order; and
in a pack with the others. Printed: on how many columns the architecture is that of the search
alone, with a Wilson 95 % interval, how far α^f is from it on average, and the same for searches of
different seeds, which agree by what their task has in common.
"""

import argparse
import itertools
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.measuring import hardware, write
from clearer.configuration import Configuration, parse_value
from clearer.presets import QUICK
from clearer.search import Search
from clearer.splits import learning_images

Alphas = list[list[float]]


def searched(configurations: Sequence[Configuration], threads: int = 1) -> Alphas:
    """α^f of every column at the end of a pack of searches, in order."""
    torch.set_num_threads(threads)
    c = configurations[0]
    run = Search(configurations, *(learning_images(c, split, None) for split in (c.weights_split, c.alpha_split)))
    for _ in run.advance():
        pass
    torch.set_num_threads(1)
    return [run.alpha(member)[:, 1].tolist() for member in run.members]


def agreement(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> dict[str, Any]:
    """Over all columns of all pairs: the share that decided alike, its Wilson interval, the mean distance of α^f."""
    both = [(a, b) for one, other in pairs for a, b in zip(one, other, strict=True)]
    count, alike = len(both), sum((a > 0.5) == (b > 0.5) for a, b in both)
    z, share = 1.96, alike / len(both)
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    distance = statistics.fmean(abs(a - b) for a, b in both)
    return {"columns": count, "alike": alike, "low": middle - half, "high": middle + half, "distance": distance}


def compared(configurations: Sequence[Configuration]) -> dict[str, dict[str, Any]]:
    """The agreement of each kind of pair, by name."""
    alone = [searched([c])[0] for c in configurations]
    threaded = [searched([c], threads=2)[0] for c in configurations]
    together = searched(configurations)
    return {
        "alone, and alone with 2 threads": agreement(list(zip(alone, threaded, strict=True))),
        "alone, and in a pack": agreement(list(zip(alone, together, strict=True))),
        "with 2 threads, and in a pack": agreement(list(zip(threaded, together, strict=True))),
        "different seeds, alone": agreement(list(itertools.combinations(alone, 2))),
    }


def lines(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The table, in Markdown."""
    rows = []
    for name, f in found.items():
        share = f"{f['alike'] / f['columns']:.0%} ({f['low']:.0%} … {f['high']:.0%})"
        rows.append(f"| {name} | {f['alike']} of {f['columns']} | {share} | {f['distance']:.3f} |")
    return ["| pairs | columns alike | share (95 %) | mean distance of α^f |", "| --- | --- | --- | --- |", *rows]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--set", metavar="field=value", nargs="+", default=[], dest="assignments")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    values = dict(text.split("=", 1) for text in options.assignments)
    c = Configuration(**{**QUICK, **{name: parse_value(name, text) for name, text in values.items()}})
    found = compared([c.with_values(seed=seed) for seed in range(options.seeds)])
    print("\n".join(lines(found)))
    print(f"{options.seeds} seeds; quick preset {' '.join(options.assignments)}; {hardware()['hardware']}")
    write(options.out, vars(options), [{"pairs": name, **figures} for name, figures in found.items()])


if __name__ == "__main__":
    main()

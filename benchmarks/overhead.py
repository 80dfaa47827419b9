"""What a study costs beside its trials' compute: the λ study's command on several nodes, with trials of a minute.

    python -m benchmarks.overhead [--trials 50] [--seconds 60] [--nodes 2] [--out FILE]

`cluster/local.py` brings up nodes of one CPU on this machine; `studies/lambda_pareto.py` runs on
them with five λ1, as many seeds as `--trials` ask for, and searches of the quick preset that are so
long that such a trial takes about `--seconds` by itself: four fifths for the search, one for the
training. With each seed the all-parallel and all-fusion networks are trained, too. Each trial is a job of its own
(`--pack 1`), with checkpoints, tests, testing times, references, MLflow and report as in any study.

The overhead is the wall time of the command, from its start to its end, over the compute of its
stages divided by the slots. Compute is what the stages' results say that they took where they ran;
two trials that found the same architecture with the same seed share its training.
"""

import argparse
import contextlib
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import analysis
from benchmarks.measuring import hardware, write
from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.presets import QUICK
from clearer.runs import Run
from clearer.search import Search
from clearer.splits import learning_images
from clearer.training import Training

ROOT = Path(__file__).resolve().parent.parent
LAMBDA1 = (0.0, 0.001, 0.01, 0.05, 0.1)
SEARCH_SHARE = 0.8


@contextlib.contextmanager
def nodes(count: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Nodes of one CPU each; their address, and the environment that a study on them needs."""
    command = [sys.executable, str(ROOT / "cluster/local.py"), "--nodes", str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = "".join(itertools.takewhile(lambda line: line != "Ctrl-C ends them.\n", process.stdout))
            address = re.search(r"--address (\S+)", told)
            assert address, told
            yield address[1], dict(re.findall(r"(RAY_\w+)=(\S+)", told))
        finally:
            process.terminate()


def seconds_of(run: Run, iterations: int = 6) -> float:
    """Wall seconds of an iteration, after one that is not counted."""
    at = [time.perf_counter() for _ in itertools.islice(run.advance(every=1), 1 + iterations)]
    return (at[-1] - at[0]) / iterations


def settings(seconds: float, trials: int) -> list[str]:
    """What makes the quick preset's trials so long and so many, by some iterations tried here."""
    c = Configuration(**{**QUICK, "warmup_iterations": 0})
    torch.set_num_threads(c.threads)
    sets = [learning_images(c, split, None) for split in (c.weights_split, c.alpha_split)]
    search = SEARCH_SHARE * seconds / seconds_of(Search([c], *sets))
    middle = Architecture.repeating("PF", c.columns_by_cell)
    training = (1 - SEARCH_SHARE) * seconds / seconds_of(Training([c], middle, *sets))
    seeds = ",".join(map(str, range(trials // len(LAMBDA1))))
    grid = [f"lambda1={','.join(map(str, LAMBDA1))}", "lambda2=0", f"seed={seeds}"]
    return [*grid, f"search_iterations={round(search)}", "warmup_iterations=0", f"train_iterations={round(training)}"]


def stage_seconds(storage: Path) -> Counter[str]:
    """The compute of all finished stages, by kind."""
    found: Counter[str] = Counter()
    for file in storage.glob("stages/*/*/result.json"):
        found[file.parts[-3]] += json.loads(file.read_text())["seconds"]
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50, help=f"a multiple of {len(LAMBDA1)} (default 50)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a trial (default 60)")
    parser.add_argument("--nodes", type=int, default=2, help="of one CPU each (default 2)")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    if options.trials < 1 or options.trials % len(LAMBDA1):
        parser.error(f"--trials {options.trials}: not a multiple of {len(LAMBDA1)}")
    values = settings(options.seconds, options.trials)
    with tempfile.TemporaryDirectory() as folder, nodes(options.nodes) as (address, environment):
        storage = Path(folder) / "runs"
        study = [sys.executable, ROOT / "studies/lambda_pareto.py", "--storage", storage, "--address", address]
        command, named = [*study, "--pack", "1", "--random", "0", "--set", *values], os.environ | environment
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=named)
        wall = time.monotonic() - began
        rows, compute = analysis.load(storage), stage_seconds(storage)
    share = compute.total() / options.nodes
    kinds = ", ".join(f"{count} {kind}" for kind, count in rows["kind"].value_counts().items())
    print(f"{kinds}, {rows['train_key'].nunique()} trainings: {' '.join(values)}")
    print("compute: " + ", ".join(f"{kind} {seconds:.0f} s" for kind, seconds in compute.most_common()))
    print(f"wall {wall:.0f} s; compute over {options.nodes} slots {share:.0f} s")
    print(f"overhead: {wall / share:.3f}")
    print(f"1 run; load {os.getloadavg()[1]:.1f}; {hardware()['hardware']}")
    found: dict[str, Any] = {"wall_seconds": wall, "compute_seconds": dict(compute), "overhead": wall / share}
    write(options.out, vars(options), [{"trials": len(rows), "settings": values, **found}])


if __name__ == "__main__":
    main()

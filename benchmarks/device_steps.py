"""How long whole iterations take on a GPU: graphs against eager steps, packs against one after another and streams.

    python -m benchmarks.device_steps [--device cuda] [--scale paper] [--precision fp32,bf16] [--pack 16]
        [--repeats 9] [--out FILE] [--check]

Wall time, synchronised, of blocks of iterations that alternate within one run, each with its own
batches; milliseconds an iteration: median, smallest, largest. An iteration of a search is an α step
and a weights step, one of a training is a step of the all-fusion network with every other column
parallel.

    search, training               this project's, eager, and as graphs where capturing works (else the
                                   reason is printed)
    K in a pack                    K searches at the scale `small` as one network, grouped convolutions
    K one after another, eager     the same K, each eager
    K streams                      the same K, each a graph of its own on a stream of its own

With `--check` nothing is timed: for K = 1 and 4 it says which steps were captured, whether iterations wait
for the GPU, and how much memory is reserved where a pack's activations were planned with so much.
"""

import argparse
import contextlib
import gc
import itertools
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.measuring import about, check_device, device_seconds, repeated, write
from benchmarks.search_step import SCALES, configured
from clearer import graphs
from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.probe import step_bytes
from clearer.runs import Run
from clearer.search import Search
from clearer.splits import learning_images
from clearer.training import Training

BLOCK = 10
Block = Callable[[], None]


def started(kind: str, members: Sequence[Configuration], device: str) -> Run:
    """A run of some configurations on the embedded images."""
    c = members[0]
    weights, alpha = (learning_images(c, split, None) for split in (c.weights_split, c.alpha_split))
    if kind == "search":
        return Search(members, weights, alpha, device)
    return Training(members, Architecture.repeating("PF", c.columns_by_cell), weights, alpha, device)


def iterate(run: Run) -> None:
    """One iteration, as `Run.advance` takes it, without the reports."""
    run._iterate()
    run.iteration += 1


def block(runs: Sequence[Run], streams: Sequence[Any] = ()) -> Block:
    """Some iterations of each run, in turn; on the streams where there are any."""

    def iterations() -> None:
        for _ in range(BLOCK):
            for place, run in enumerate(runs):
                with torch.cuda.stream(streams[place]) if streams else contextlib.nullcontext():
                    iterate(run)

    return iterations


def captured(run: Run) -> Run:
    """A run whose steps are graphs, where capturing works; else it says why not."""
    for _ in range(graphs.WARM_UP + 2):
        iterate(run)
    for name, reason in graphs.how(run.steps, run.device).get("not_captured", {}).items():
        print(f"{run.stage}, {name} step not captured: {reason}")
    return run


def eager(run: Run) -> Run:
    """A run whose steps are never captured."""
    iterate(run)
    for step in run.steps.values():
        step.problem = "not asked for"
    return run


def candidates(scale: str, precisions: Sequence[str], width: int, device: str) -> Iterator[tuple[str, int, Block]]:
    """What is measured: its name, how many runs its iterations are of, and a block of them."""
    for precision in precisions:
        c = configured(scale, precision).with_values(search_iterations=10**6, train_iterations=10**6)
        for kind in ("search", "training"):
            yield f"{kind}, {scale}, {precision}", 1, block([captured(started(kind, [c], device))])
            yield f"{kind}, {scale}, {precision}, eager", 1, block([eager(started(kind, [c], device))])
        small = configured("small", precision).with_values(search_iterations=10**6)
        members = [small.with_values(seed=seed) for seed in range(width)]
        about = f"search, small, {precision}, K = {width}"
        yield f"{about} in a pack", width, block([captured(started("search", members, device))])
        alone = [eager(started("search", [member], device)) for member in members]
        yield f"{about} one after another, eager", width, block(alone)
        runs = [captured(started("search", [member], device)) for member in members]
        yield f"{about} one after another", width, block(runs)
        if device == "cuda":
            yield f"{about} streams", width, block(runs, [torch.cuda.Stream() for _ in members])


def measure(blocks: Mapping[str, tuple[int, Block]], repeats: int, device: str) -> list[dict[str, Any]]:
    """Milliseconds an iteration of each candidate, all members together; a first round is not counted."""
    runs = {name: run for name, (_, run) in blocks.items()}
    seconds = repeated(runs, repeats, lambda run: device_seconds(run, device))
    found = {name: [1e3 * took / BLOCK for took in own] for name, own in seconds.items()}
    return [
        {
            "candidate": name,
            "members": blocks[name][0],
            "ms": statistics.median(ms),
            "ms_min": min(ms),
            "ms_max": max(ms),
        }
        for name, ms in found.items()
    ]


def checked(kind: str, members: Sequence[Configuration], device: str) -> str:
    """Whether the iterations of a run are graphs, wait for the GPU, and take the memory that was planned."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    run, waits = captured(started(kind, members, device)), "never waits"
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(BLOCK):
            iterate(run)
    except RuntimeError as error:
        waits = f"waits: {str(error).splitlines()[0]}"
    finally:
        torch.cuda.set_sync_debug_mode("default")
    reserved, planned = torch.cuda.max_memory_reserved(), run.width * step_bytes(run.stage, members[0])
    memory = f"{reserved / 1e9:.2f} GB reserved, {planned / 1e9:.2f} GB planned"
    told = graphs.how(run.steps, run.device)["captured"]
    return (
        f"{kind}, {members[0].precision}, K = {run.width}: captured {', '.join(told) or 'nothing'}; {waits}; {memory}"
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--scale", choices=SCALES, default="paper")
    parser.add_argument("--precision", default="fp32,bf16")
    parser.add_argument("--pack", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    parser.add_argument("--check", action="store_true", help="time nothing: graphs, waits and memory on a GPU")
    options = parser.parse_args()
    check_device(parser, options.device)
    torch.set_num_threads(1)
    if options.check:
        if options.device == "cpu":
            parser.error("--check: of a GPU alone")
        for kind, width in itertools.product(("search", "training"), (1, 4)):
            for precision in options.precision.split(","):
                c = configured(options.scale, precision).with_values(search_iterations=10**6, train_iterations=10**6)
                print(checked(kind, [c.with_values(seed=seed) for seed in range(width)], options.device), flush=True)
        return
    wanted = candidates(options.scale, options.precision.split(","), options.pack, options.device)
    rows = measure({name: (members, run) for name, members, run in wanted}, options.repeats, options.device)
    print("| candidate | ms an iteration | min … max | a member |\n| --- | --- | --- | --- |")
    for row in rows:
        spread = f"{row['ms_min']:.3g} … {row['ms_max']:.3g}"
        print(f"| {row['candidate']} | {row['ms']:.3g} | {spread} | {row['ms'] / row['members']:.3g} |")
    print(f"wall time; {about(options.repeats, options.device)}")
    write(options.out, vars(options), rows)


if __name__ == "__main__":
    main()

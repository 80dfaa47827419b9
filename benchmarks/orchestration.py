"""What share of the slots' time is not spent in steps, and on what: real searches on Ray by the study's machinery.

    python -m benchmarks.orchestration [--seconds 60] [--trials 8] [--pack 1] [--out FILE]

Searches at the scale `small` (C = 8, 8 crops of 32×32) whose number of iterations makes each
take about `--seconds`, on as many slots as the machine has cores, with checkpoints, curves, results
and MLflow as in any study. Nothing is extrapolated: with `--seconds 15` each takes that, and costs
weigh four times as much. Slot time is the number of slots times the wall time from the call that
starts the searches, on a Ray that runs, to its return:

    start          until a slot's first pack has begun: its process, its imports, Tune
    steps          α steps and weights steps, with their batches
    reports        a row of the curve: the error on watched crops, and what Tune is told
    data, network  images held against those planned, the network built
    checkpoints    looked for, and saved
    results        weights, curve and result written to the store
    between        from the end of a slot's pack to the beginning of its next
    rest           of a pack
    idle           after a slot's last pack

Beside it, the CPU time of the driver (Tune, progress, MLflow), which takes cores away from steps.
"""

import argparse
import io
import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.clocks import MeasuredPack
from benchmarks.measuring import hardware, write
from benchmarks.search_step import SMALL, project
from clearer.configuration import Configuration
from clearer.presets import Edition
from studies.driver import execution
from studies.driver.execution import Tasks
from studies.driver.options import Options
from studies.driver.progress import Progress
from studies.driver.session import Session
from studies.planning.plan import Plan
from studies.store.claims import Claims
from studies.store.study_file import write_study
from studies.tracking.content import UnderWay
from studies.work.jobs import Search

STUDY = "orchestration"
PARTS = ("start", "steps", "reports", "data, network", "checkpoints", "results", "between", "rest", "idle")


def configurations(seconds: float, trials: int, width: int) -> list[Configuration]:
    """Searches that take about so long each, by a few steps tried here."""
    c = Configuration(**{**SMALL, "dataset": "embedded", "warmup_iterations": 0})
    torch.set_num_threads(c.threads)
    steps = project(c, width)
    for step in steps.values():
        step()
    started = time.perf_counter()
    for _ in range(4):
        for step in steps.values():
            step()
    iterations = max(1, round(4 * seconds / (time.perf_counter() - started)))
    return [c.with_values(search_iterations=iterations, seed=seed) for seed in range(trials * width)]


def searched(planned: list[Configuration], width: int, storage: str) -> tuple[float, float, float, int]:
    """Runs the searches as a study does: when they began and ended, the driver's CPU seconds, the number of slots."""
    plain, quiet = execution.packs, Console(file=io.StringIO())
    execution.packs = lambda *work: [MeasuredPack(pack.jobs, pack.width) for pack in plain(*work)]
    with Session(Options(storage=storage, pack=width), quiet) as session, Progress(quiet) as progress:
        store, slots = session.store, session.slots(planned)
        write_study(store, STUDY, planned, preset=Edition("proxy", 2), command=STUDY)
        session.track(STUDY)
        plan, started = Plan(store, session.pixels.trials(planned)), datetime.now(UTC)
        jobs = {key: task for key, task in plan.tasks().items() if isinstance(task.job, Search)}
        began, cpu = time.time(), time.process_time()
        with Claims(store) as claims, session.cluster.workers(session.place) as exchange:
            tasks = Tasks(store, progress, claims, exchange)
            tasks.add("searches", jobs, plan.widths(session.packing))
            session.under_way = lambda: [
                UnderWay(task.job.configuration, started, list(task.records)) for task in jobs.values()
            ]
            problems = {task.failure.reason for task in tasks.ends() if task.failure}
        ended, cpu = time.time(), time.process_time() - cpu
        assert not problems, problems
        return began, ended, cpu, slots


def shares(storage: str, began: float, ended: float, slots: int) -> dict[str, float]:
    """Slot seconds by part."""
    found = dict.fromkeys(PARTS, 0.0)
    for file in Path(storage).glob("clock-*"):
        free = began
        for number, line in enumerate(map(json.loads, file.read_text().splitlines())):
            found["between" if number else "start"] += line["began"] - free
            free = line["ended"]
            for part, seconds in line["spent"].items():
                found[part] += seconds
            found["rest"] += free - line["began"] - sum(line["spent"].values())
        found["idle"] += ended - free
        slots -= 1
    found["idle"] += slots * (ended - began)
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of a search, or of a pack of them")
    parser.add_argument("--trials", type=int, default=8, help="how many, or packs of them")
    parser.add_argument("--pack", type=int, default=1, help="searches computed as one network")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    planned = configurations(options.seconds, options.trials, options.pack)
    with tempfile.TemporaryDirectory() as storage:
        began, ended, cpu, slots = searched(planned, options.pack, storage)
        found = shares(storage, began, ended, slots)
    whole = slots * (ended - began)
    print("| part | slot seconds | share |\n| --- | --- | --- |")
    for part, seconds in found.items():
        print(f"| {part} | {seconds:.2f} | {seconds / whole:.2%} |")
    outside = whole - found["steps"]
    later = outside - found["start"]
    after = f"{later / (whole - found['start']):.2%} after the start of workers"
    print(f"not in steps: {outside / whole:.2%} of the slots' time, {after}")
    driver = f"the driver's CPU time: {cpu / found['steps']:.2%}"
    print(f"reports: {found['reports'] / found['steps']:.2%} of the steps' time; {driver}")
    ran = f"{options.trials} searches of {planned[0].search_iterations} iterations on {slots} slots"
    print(f"{ran}; load {os.getloadavg()[1]:.1f}; {hardware()['hardware']}")
    write(options.out, vars(options), [{"slots": slots, "slot_seconds": whole, "driver_cpu_seconds": cpu, **found}])


if __name__ == "__main__":
    main()

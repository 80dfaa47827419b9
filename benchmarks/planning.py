"""How planning grows: the dry run, reading the rows, and a run with nothing to do, at 100, 1,000 and 10,000 trials.

    python -m benchmarks.planning [--trials 100,1000,10000] [--repeats 3] [--out planning.json]

A real study of seconds is run once. Its rows and stages are then multiplied: each copy is a real
row under the seed, λ and trial_id of a trial of a larger grid, and its stages are links to the real
ones. So a store holds as many rows as a study of that size leaves. Measured, the conditions of one
size alternating:

    dry run        a process of its own that plans as many trials as the store holds, half of them
                   there: wall time, peak memory
    nothing to do  that command over trials that are all there: it reads, draws the report, and writes
                   the compacted copy
    load           `analysis.load` with the compacted copy, and from the row files alone

Ratios are to the smallest size, and of each load to that with the copy.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import analysis
from clearer.configuration import Configuration
from clearer.machine import device_name

ROOT = Path(__file__).resolve().parent.parent
STUDY = "lambda_pareto"
SETTINGS = (
    "channels=2 cells=1 columns=2 batch_size=2 patch_size=16 search_iterations=4 warmup_iterations=2 "
    "train_iterations=4 report_iterations=2 reference_images=1 time_series=1 time_calls=1 test_limit=2"
).split()
LAMBDA1, LAMBDA2 = (0.0, 0.01, 0.02, 0.05, 0.1), (0.0, 0.01, 0.1)
TRIALS_A_SEED = 20
"""15 searches, 3 random architectures, and the all-parallel and all-fusion networks."""
KEYS = {"search_key": "search", "train_key": "train", "test_key": "test"}


def run_study(storage: Path, *arguments: str) -> tuple[float, float, str]:
    """Runs the study's command: wall seconds, peak resident MiB of its largest process, and what it printed."""
    study = str(ROOT / "studies" / f"{STUDY}.py")
    script = [sys.executable, study, "--storage", str(storage), "--tracking-uri", "none"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile("w+") as out:
        started = time.perf_counter()
        process = subprocess.Popen([*script, *arguments], stdout=out, stderr=subprocess.STDOUT, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read()
    if process.returncode:
        raise SystemExit(f"{' '.join([*script, *arguments])}: exit status {process.returncode}\n{text}")
    return seconds, usage.ru_maxrss / 1024, text


def multiply(source: Path, target: Path, seeds: int) -> int:
    """Writes a store of `seeds` × 20 trials made of the rows and stages of a small study; the number of rows."""
    studies = source / "studies" / STUDY
    about = json.loads((studies / "study.json").read_text())
    tables = [pq.read_table(path) for path in sorted((studies / "trials").iterdir())]
    searched = [table for table in tables if table["kind"][0].as_py() == "searched"]
    others = [table for table in tables if table["kind"][0].as_py() != "searched"]
    for folder in ("trials", "curves"):
        (target / "studies" / STUDY / folder).mkdir(parents=True)
    shutil.copytree(source / "stages" / "reference", target / "stages" / "reference")
    trials: dict[str, Any] = {}
    for seed in range(seeds):
        grid = [{"lambda1": a, "lambda2": b} for a in LAMBDA1 for b in LAMBDA2]
        copies = [(searched[number % len(searched)], values) for number, values in enumerate(grid)]
        for table, values in [*copies, *((table, {}) for table in others)]:
            row = table.to_pylist()[0]
            known = Configuration(**about["trials"][row["trial_id"]]).with_values(**values, seed=seed)
            _write(source, target, table.schema, row, values | {"seed": seed}, known)
            trials[known.trial_id] = known.values()
    (target / "studies" / STUDY / "study.json").write_text(json.dumps(about | {"trials": trials}))
    return len(trials)


def _write(
    source: Path, target: Path, schema: pa.Schema, row: dict[str, Any], values: dict[str, Any], c: Configuration
) -> None:
    copied = row | values | {"trial_id": c.trial_id, "replicate_id": c.replicate_id}
    for column, stage in KEYS.items():
        if row[column] is not None:
            copied[column] = hashlib.sha256(f"{stage} {c.trial_id}".encode()).hexdigest()
            folder = target / "stages" / stage / copied[column]
            folder.mkdir(parents=True)
            for file in (source / "stages" / stage / row[column]).iterdir():
                (folder / file.name).hardlink_to(file)
    below = Path("studies", STUDY)
    curve = source / below / "curves" / f"{row['trial_id']}.parquet"
    (target / below / "curves" / f"{c.trial_id}.parquet").hardlink_to(curve)
    pq.write_table(pa.Table.from_pylist([copied], schema), target / below / "trials" / f"{c.trial_id}.parquet")


def measure(source: Path, folder: Path, seeds: int, repeats: int) -> dict[str, Any]:
    """The figures of one size: medians over the repeats."""
    storage = folder / "runs"
    grid = ["--set", *SETTINGS, f"lambda1={_axis(LAMBDA1)}", f"lambda2={_axis(LAMBDA2)}"]
    rows = multiply(source, storage, seeds)
    whole, memory, _ = run_study(storage, *grid, "--seeds", str(seeds))
    copy = storage / "studies" / STUDY / "trials.parquet"
    found: dict[str, list[float]] = {"dry run": [], "dry run MiB": [], "load with the copy": [], "load without": []}
    for _ in range(repeats):
        seconds, mebibytes, text = run_study(storage, *grid, f"seed={seeds // 2}", "--seeds", str(seeds), "--dry-run")
        found["dry run"].append(seconds)
        found["dry run MiB"].append(mebibytes)
        found["load with the copy"].append(_load_seconds(storage, rows))
        aside = copy.rename(folder / "aside")
        found["load without"].append(_load_seconds(storage, rows))
        aside.rename(copy)
    medians = {name: statistics.median(values) for name, values in found.items()}
    return {"rows": rows, "nothing to do": whole, "nothing to do MiB": memory, **medians, "printed": text}


def _axis(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)


def _load_seconds(storage: Path, rows: int) -> float:
    started = time.perf_counter()
    frame = analysis.load(storage)
    seconds = time.perf_counter() - started
    assert len(frame) == frame["trial_id"].nunique() == rows
    return seconds


def lines(sizes: list[dict[str, Any]]) -> Iterator[str]:
    """The table, in Markdown."""
    runs = "dry run s | ratio | MiB | nothing to do s | ratio | MiB"
    yield f"| rows | {runs} | load with the copy s | ratio | load without s | ratio | without / with |"
    yield "| --- " * 12 + "|"
    first = sizes[0]
    for size in sizes:
        cells = [f"{size['rows']:,}"]
        for name in ("dry run", "nothing to do", "load with the copy", "load without"):
            cells += [f"{size[name]:.2f}", f"{size[name] / first[name]:.2f}"]
            cells += [f"{size[f'{name} MiB']:.0f}"] if f"{name} MiB" in size else []
        yield "| " + " | ".join([*cells, f"{size['load without'] / size['load with the copy']:.1f}"]) + " |"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", default="100,1000,10000", help="sizes, multiples of 20 (default 100,1000,10000)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        run_study(source, "--set", *SETTINGS, "lambda1=0,0.1", "lambda2=0", "seed=0")
        sizes = []
        for trials in map(int, options.trials.split(",")):
            below = Path(folder, str(trials))
            sizes.append(measure(source, below, trials // TRIALS_A_SEED, options.repeats))
    names = ("torch", "pyarrow", "pandas", "ray", "matplotlib")
    versions = {"python": platform.python_version()} | {name: metadata.version(name) for name in names}
    hardware = f"{device_name('cpu', 1).rsplit(',', 1)[0]}, {os.cpu_count()} cores"
    print(sizes[-1]["printed"])
    print("\n".join(lines(sizes)))
    print(f"ratios to {sizes[0]['rows']} rows; medians of {options.repeats} (nothing to do: one run)")
    print(f"{hardware}; {', '.join(f'{name} {version}' for name, version in versions.items())}")
    if options.out is not None:
        about = {"hardware": hardware, "versions": versions, "repeats": options.repeats, "sizes": sizes}
        options.out.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()

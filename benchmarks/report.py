"""How long a report of 500 trials takes, and its page's size; reading, front and hypervolume of 10,000 rows.

    python -m benchmarks.report STORAGE [STUDY] [--trials 500] [--rows 10000]

STORAGE holds a finished study (lambda_pareto by default). Its rows and curves are multiplied: each
copy is a real row under another λ1, λ2 and seed, or another architecture of the space with its
exact counts, its PSNR moved by a normal draw of 0.1 dB. What is timed runs on the copy, in a
process of its own where it is a command.
"""

import argparse
import itertools
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import analysis
from analysis.predictions.space import space

LAMBDA1 = (0.0, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
LAMBDA2 = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3)
SEEDS_A_SEARCH, SEARCHES = 5, len(LAMBDA1) * len(LAMBDA2)


def multiplied(source: Path, study: str, target: Path, trials: int) -> None:
    """Writes a study of `trials` rows: searches over a grid of λ, then random architectures, five seeds each."""
    generator = np.random.default_rng(0)
    folder = target / "studies" / study
    for kind in ("trials", "curves"):
        (folder / kind).mkdir(parents=True)
    (folder / "study.json").write_bytes((source / "studies" / study / "study.json").read_bytes())
    files = sorted((source / "studies" / study / "trials").glob("*.parquet"))
    tables = [pq.read_table(file) for file in files]
    rows = [table.to_pylist()[0] for table in tables]
    searched = [row for row in rows if row["kind"] == "searched"]
    random = [row for row in rows if row["kind"] == "random"]
    first = searched[0]
    whole = space(first["columns"], first["channels"], first["image_channels"]).sample(frac=1, random_state=0)
    grid = list(itertools.product(LAMBDA1, LAMBDA2))
    for number in range(trials):
        configuration, seed = divmod(number, SEEDS_A_SEARCH)
        own = whole.iloc[configuration % len(whole)]
        is_search = configuration < max(SEARCHES, trials // SEEDS_A_SEARCH - 50)
        row = dict((searched if is_search else random)[number % len(searched if is_search else random)])
        luck = generator.normal(0, 0.1)
        row |= {"trial_id": f"{number:012x}", "replicate_id": f"{configuration:012x}", "seed": seed}
        row |= {"parameters": int(own["parameters"]), "flops": float(own["flops"])}
        row |= {"psnr_db": row["psnr_db"] + luck, "psnr_by_image": [one + luck for one in row["psnr_by_image"]]}
        row |= {"architecture": own["architecture"], "test_time_ms": 50 + 2e-4 * own["parameters"] + luck}
        if is_search:
            lambda1, lambda2 = grid[configuration % len(grid)]
            row |= {"lambda1": lambda1 + configuration // len(grid), "lambda2": lambda2}
            curve = source / "studies" / study / "curves" / f"{searched[number % len(searched)]['trial_id']}.parquet"
            table = pq.read_table(curve)
            place = table.column_names.index("trial_id")
            table = table.set_column(place, "trial_id", pa.array([row["trial_id"]] * len(table)))
            pq.write_table(table, folder / "curves" / f"{row['trial_id']}.parquet")
        pq.write_table(
            pa.Table.from_pylist([row], schema=tables[0].schema), folder / "trials" / f"{row['trial_id']}.parquet"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("storage", type=Path)
    parser.add_argument("study", nargs="?", default="lambda_pareto")
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--rows", type=int, default=10_000)
    options = parser.parse_args()
    cores = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    print(f"{cores}, load {os.getloadavg()[0]:.1f}; rows multiplied from {options.storage}")
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "report"
        multiplied(options.storage, options.study, store, options.trials)
        started, used = time.perf_counter(), os.times()
        subprocess.run([sys.executable, "-m", "analysis.report", store, options.study], check=True)
        ended = os.times()
        size = (store / "studies" / options.study / "report" / "index.html").stat().st_size
        processor = ended.children_user + ended.children_system - used.children_user - used.children_system
        took = f"{time.perf_counter() - started:.1f} s wall, {processor:.1f} s of processor"
        print(f"report of {options.trials} trials: {took}, page {size / 1e6:.1f} MB")
        _rows(options.storage, options.study, Path(folder) / "rows", options.rows)


def _rows(source: Path, study: str, store: Path, count: int) -> None:
    multiplied(source, study, store, count)
    started = time.perf_counter()
    frame = analysis.load(store, study)
    files = time.perf_counter() - started
    compacted(store / "studies" / study)
    started = time.perf_counter()
    frame = analysis.load(store, study)
    copy = time.perf_counter() - started
    chosen: dict[str, list[str]] = {"minimise": ["parameters", "test_time_ms"], "maximise": ["psnr_db"]}
    reference = {"parameters": 1e9, "test_time_ms": 1e6, "psnr_db": 0.0}
    started = time.perf_counter()
    front = analysis.pareto_front(frame, **chosen)
    analysis.hypervolume(frame, reference, **chosen)
    took = f"front ({len(front)} rows) and hypervolume {time.perf_counter() - started:.3f} s"
    loaded = f"loaded in {copy:.2f} s with the compacted copy, {files:.2f} s from their files"
    print(f"{len(frame)} rows: {loaded}; {took}")


def compacted(study: Path) -> None:
    """Writes the compacted copy as the end of a study does."""
    from studies.store.store import Store

    Store(str(study.parent.parent)).compact(study.name)


if __name__ == "__main__":
    main()

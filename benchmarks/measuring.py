"""What the benchmarks of speed share: candidates take turns within one run, ratios are within one repeat."""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from clearer.machine import device_name

BASELINE = "baseline"


def cpu_seconds(run: Callable[[], Any]) -> float:
    """CPU seconds of a call, which a busy neighbour disturbs less than wall time."""
    started = time.process_time()
    run()
    return time.process_time() - started


def operations(run: Callable[[], Any]) -> int:
    """The floating-point operations of a call's convolutions; a multiplication and an addition each count."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def summary(base: Sequence[float], own: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest of the seconds of repeats, and of how many times as fast as the baseline."""
    ratios = [b / o for b, o in zip(base, own, strict=True)]
    return {
        "cpu_seconds": statistics.median(own),
        "cpu_seconds_min": min(own),
        "cpu_seconds_max": max(own),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


def device_seconds(run: Callable[[], Any], device: str) -> float:
    """Wall seconds of a call, until the device has done what it was told."""
    _synchronise(device)
    started = time.perf_counter()
    run()
    _synchronise(device)
    return time.perf_counter() - started


def _synchronise(device: str) -> None:
    if device != "cpu":
        torch.accelerator.synchronize()


def check_device(parser: argparse.ArgumentParser, device: str) -> None:
    """Ends the command where `device` is not there."""
    if device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch sees no GPU here; --device cpu measures the same steps on this processor")


def repeated(
    candidates: Mapping[str, Callable[[], Any]], repeats: int, seconds: Callable[[Callable[[], Any]], float]
) -> dict[str, list[float]]:
    """The `seconds` of each candidate in every repeat; all take turns, and a first round is not counted."""
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for repeat in range(repeats + 1):
        for name, run in candidates.items():
            took = seconds(run)
            if repeat:
                found[name].append(took)
    return found


def alternated(candidates: Mapping[str, Callable[[], Any]], repeats: int) -> list[dict[str, Any]]:
    """A row for each candidate, one of which is the `BASELINE`."""
    seconds = repeated(candidates, repeats, cpu_seconds)
    return [{"candidate": name, **summary(seconds[BASELINE], own)} for name, own in seconds.items()]


def figures(row: Mapping[str, Any]) -> str:
    """The figures of a row, as the cells of a Markdown table: CPU ms, min … max, times as fast, min … max."""
    low, middle, high = (1e3 * row[name] for name in ("cpu_seconds_min", "cpu_seconds", "cpu_seconds_max"))
    return f"{middle:.3g} | {low:.3g} … {high:.3g} | {ratios(row)} |"


def ratios(row: Mapping[str, Any]) -> str:
    """Two cells: the ratio to the baseline, and its smallest and largest."""
    return f"{row['ratio']:.2f} | {row['ratio_min']:.2f} … {row['ratio_max']:.2f}"


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rows in Markdown."""
    yield "| candidate | CPU ms | min … max | times as fast | min … max |"
    yield "| --- " * 5 + "|"
    for row in rows:
        yield f"| {row['candidate']} | {figures(row)}"


def hardware(device: str = "cpu") -> dict[str, Any]:
    """What the figures were measured on, and with."""
    return {
        "hardware": f"{device_name(device)}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}",
        "load": round(os.getloadavg()[1], 1),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def about(repeats: int, device: str = "cpu") -> str:
    """What the figures were measured on in one line, for people."""
    found = hardware(device)
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    how = f"medians of {repeats} repeats, candidates alternating"
    return f"{how}; load {found['load']}; {found['hardware']}; {versions}"


def write(path: Path | None, options: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the figures and what they are of as JSON, where a file is named."""
    if path is not None:
        asked = {name: value for name, value in options.items() if not isinstance(value, Path)}
        path.write_text(
            json.dumps({"options": asked, **hardware(asked.get("device", "cpu")), "rows": rows}, indent=1) + "\n"
        )

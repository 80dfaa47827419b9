"""What would go wrong on the nodes of a cluster, found before the first trial: every node is asked, at once, within seconds.

    python -m studies.nodes.preflight --address auto --storage DIR|URI --data DIR|URI

does it alone; every study on a cluster does it first. What stops a study: another Python, Ray, torch or code than the
driver's, a storage or data that is not the same everywhere, too little space, a GPU that torch can't use, a node that
does not answer. What is said and recorded only: whatever may move the last digits (other builds and processors), a clock, a busy GPU,
tracking. It does not see quotas, nor what happens to a node later.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analysis.storage.places import redacted
from clearer.images.datasets import dataset_folder
from studies.nodes.capacity import Request, this_machine
from studies.nodes.connection import ClusterError, connect
from studies.nodes.problems import Problem, compared, gb, lines, of_caches, of_clocks, tracking_problems
from studies.nodes.report import Question, Report, examine, free_bytes, installed
from studies.nodes.scheduling import Cluster
from studies.planning.costs import bytes_at_most, needed_bytes
from studies.store.store import Store
from studies.work.remote_images import is_remote, sizes
from studies.work.stages import Place
from studies.work.trials import Trial

ANSWER_SECONDS = 120


def check_here(place: Place, trials: Sequence[Trial], threads: int, tracking: str | None, console: Console) -> None:
    """Asks this machine, before Ray is started, for space and tracking: the driver has read the rest.

    Raises:
        ClusterError: too little space.
    """
    slots = Request(threads, place.gpus).slots(this_machine())
    _conclude(tracking_problems(tracking) + _of_space(place, trials, slots), console)


def check_nodes(
    place: Place, trials: Sequence[Trial], threads: int, tracking: str | None, console: Console
) -> dict[str, Any]:
    """Asks every node of the joined cluster that could hold a trial, and shows what they say; what to record of it.

    Raises:
        ClusterError: a study would fail; a line for each reason.
    """
    held = {node["NodeID"]: Request(threads, place.gpus).slots([node["Resources"]]) for node in _alive()}
    nodes = {node["NodeID"]: node for node in _alive() if held.get(node["NodeID"])}
    files = {root: sizes(root) for root in _roots(place, trials)}
    reports, clocks, found = _asked(place, files, nodes)
    console.print(_table(reports, clocks, nodes))
    found += compared(*installed(), list(reports.values()), place.gpus > 0)
    found += [*of_clocks(reports, clocks), *of_caches(reports, files), *_of_space(place, trials, sum(held.values()))]
    warnings = _conclude(found + tracking_problems(tracking), console)
    return {"nodes": [dataclasses.asdict(report) for report in reports.values()], "warnings": warnings}


def _conclude(found: Sequence[Problem], console: Console) -> list[str]:
    errors, warnings = (lines([problem for problem in found if problem.is_error is kind]) for kind in (True, False))
    for line in warnings:
        console.print(f"[yellow]{escape(line)}[/]", soft_wrap=True)
    if errors:
        raise ClusterError("\n".join(errors))
    return warnings


def _of_space(place: Place, trials: Sequence[Trial], slots: int) -> list[Problem]:
    """Whether the storage lacks space for what is missing of the trials."""
    free = free_bytes(place.storage)
    if not trials or free is None or bytes_at_most(trials, slots) <= free:
        return []
    needed = needed_bytes(trials, place, slots)
    if needed <= free:
        return []
    text = f"--storage {place.storage}: {gb(free)} GB free, and the study needs about {gb(needed)} GB; make room, or give another storage"
    return [Problem(True, "", text)]


def _alive() -> list[dict[str, Any]]:
    import ray

    return sorted((node for node in ray.nodes() if node["Alive"]), key=_host)


def _roots(place: Place, trials: Sequence[Trial]) -> list[str]:
    """The places that hold the images: of the trials' datasets, or where there is no trial all of the data folder."""
    names = {name for t in trials for name in (t.configuration.dataset, t.configuration.test_set)} - {"embedded", ""}
    absolute = {name for name in names if Path(name).expanduser().is_absolute()}
    data = place.data
    if data is not None and (is_remote(data) or not trials):
        return [data, *sorted(str(Path(name).expanduser()) for name in absolute)]
    folder = None if data is None else Path(data)
    return sorted(str(dataset_folder(name, folder)) for name in names)


def _asked(
    place: Place, files: Mapping[str, Mapping[str, int]], nodes: Mapping[str, dict[str, Any]]
) -> tuple[dict[str, Report], dict[str, float], list[Problem]]:
    """The report of each node that answered, how far its clock is ahead in seconds, and what is wrong with asking."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    reports: dict[str, Report] = {}
    clocks: dict[str, float] = {}
    found = []
    with _marker(Store(place.storage)) as (store, marker):
        pending = {}
        for node, about in nodes.items():
            gpus = place.gpus > 0 and about["Resources"].get("GPU", 0) > 0
            where = NodeAffinitySchedulingStrategy(node, soft=False)
            # With max_calls a process that has taken up CUDA ends at once, and gives the memory back.
            task = ray.remote(num_cpus=0, max_calls=int(gpus), scheduling_strategy=where)(examine)  # type: ignore[call-overload]
            pending[task.remote(Question(place.storage, marker, files, gpus), node)] = node
        end = time.monotonic() + ANSWER_SECONDS
        while pending:
            ready, _ = ray.wait(list(pending), timeout=max(0.0, end - time.monotonic()))
            if not ready:
                break
            now, node = time.time(), pending.pop(ready[0])
            try:
                reports[node] = ray.get(ready[0])
                reports[node].host = _host(nodes[node])
                clocks[node] = reports[node].finished_at - now
            except ray.exceptions.RayError as error:
                found.append(Problem(True, _host(nodes[node]), f"can't run a task ({_cause(error)}); see its Ray logs"))
        for reference, node in pending.items():
            ray.cancel(reference, force=True)
            text = f"has not answered within {ANSWER_SECONDS} s; take it out of the cluster, or start it again"
            found.append(Problem(True, _host(nodes[node]), text))
        seen = set(store.names(marker))
    for node, report in reports.items():
        if node not in seen and not report.errors:
            text = f"what it writes into the storage {redacted(place.storage)} does not arrive here; mount the same folder there"
            found.append(Problem(True, report.host, text))
    return reports, clocks, found


@contextlib.contextmanager
def _marker(store: Store) -> Iterator[tuple[Store, str]]:
    """A folder in the store with a file of the driver in it; removed after, and so is a new store."""
    root = Path(store.root)
    is_new = store.is_local and not root.exists()
    marker = f"preflight-{uuid.uuid4().hex}"
    store.write(f"{marker}/driver", b"driver")
    try:
        yield store, marker
    finally:
        store.filesystem.delete_dir(store.path(marker))
        if is_new:
            with contextlib.suppress(OSError):  # where another study has begun to write there
                root.rmdir()


def _table(reports: Mapping[str, Report], clocks: Mapping[str, float], nodes: Mapping[str, dict[str, Any]]) -> Table:
    table = Table("node", "CPU", "GPU", "Python", "torch", "processor", "storage free", "cache free", "clock", box=None)
    for node, report in reports.items():
        resources = nodes[node]["Resources"]
        models = ", ".join(f"{gpu['name']} {gb(gpu['total'])} GB" for gpu in report.gpus)
        table.add_row(
            report.host, f"{resources.get('CPU', 0):g}", models or f"{resources.get('GPU', 0):g}", report.versions["python"], report.versions["torch"],
            report.processor, *("" if free is None else f"{gb(free)} GB" for free in (report.storage_free, report.cache_free)), f"{clocks[node]:+.1f} s",
        )  # fmt: skip
    for node in nodes.keys() - reports.keys():
        table.add_row(_host(nodes[node]), "no answer")
    return table


def _host(node: Mapping[str, Any]) -> str:
    """The name that `ray start --node-name` gave, else the machine's."""
    named = node["NodeName"]
    return named if named not in ("", node["NodeManagerAddress"]) else node["NodeManagerHostname"]


def _cause(error: Exception) -> str:
    """The last line of a traceback says what happened; that of a node that went away, its first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return redacted(lines[-1 if "Traceback" in str(error) else 0] if lines else type(error).__name__)


def preflight(place: Place, address: str, tracking: str | None, console: Console) -> None:
    """Asks the nodes of the cluster at an address, without a study.

    Raises:
        ClusterError, StorageError: a study could not run there; a line for each reason.
    """
    Store(place.storage).check_writable()
    with connect(address):
        Cluster(place.gpus).check_request(1)
        check_nodes(place, (), 1, tracking, console)
    console.print("no node has a problem that would stop a study")

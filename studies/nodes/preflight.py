"""What would go wrong on the nodes of a cluster: every node is asked, at once, before the first trial.

* What stops a study: another Python, Ray, torch or code than the driver's, a storage or data that is not the same
  everywhere, too little space, a GPU that torch can't use, a node that does not answer.
* What is said and recorded only: other builds and processors, which may move the last digits, a clock, a busy GPU,
  tracking.
* What it does not see: quotas, and what happens to a node later.
"""

import contextlib
import dataclasses
import os
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from analysis.storage.places import redacted
from clearer.images.datasets import dataset_folder
from studies.nodes.capacity import Request, this_machine
from studies.nodes.connection import ClusterError, connect
from studies.nodes.report import Problem, Question, Report, examine, free_bytes, gb, installed, release
from studies.nodes.scheduling import Cluster, alive, cause
from studies.planning.costs import bytes_at_most, needed_bytes
from studies.store.store import Store
from studies.work.place import Place
from studies.work.remote_images import is_remote, sizes
from studies.work.trials import Trial

ANSWER_SECONDS = 120
_CLOCK_SECONDS = 5
_COLUMNS = [*"node CPU GPU Python torch processor".split(), "storage free", "cache free", "clock"]
Nodes = Mapping[str, dict[str, Any]]
"""What Ray says of nodes, by their ids."""
Answers = dict[str, tuple[Report, float]]
"""The report of each node that answered, and how far its clock is ahead in seconds, by its id."""


def preflight(place: Place, address: str, tracking: str | None, console: Console) -> None:
    """Asks the nodes of a cluster, without a study. Raises ClusterError, StorageError: a line for each problem."""
    Store(place.storage).check_writable()
    with connect(address):
        Cluster(place.gpus).check_request(1)
        check_nodes(place, (), 1, tracking, console)
    console.print("no node has a problem that would stop a study")


def check_here(place: Place, trials: Sequence[Trial], threads: int, tracking: str | None, console: Console) -> None:
    """Asks this machine for space and tracking; the driver has read the rest. Raises ClusterError: too little space."""
    slots = Request(threads, place.gpus).slots(this_machine(place.gpus > 0))
    _conclude(tracking_problems(tracking) + _of_space(place, trials, slots), console)


def check_nodes(
    place: Place, trials: Sequence[Trial], threads: int, tracking: str | None, console: Console
) -> dict[str, Any]:
    """Asks every node that could hold a trial, and shows what they say; what to record. Raises as `preflight`."""
    held = {node["NodeID"]: Request(threads, place.gpus).slots([node["Resources"]]) for node in alive()}
    nodes = {node["NodeID"]: node for node in sorted(alive(), key=_host) if held.get(node["NodeID"])}
    answers, found = _asked(place, {root: sizes(root) for root in _roots(place, trials)}, nodes)
    console.print(_table(answers, nodes), soft_wrap=False)
    reports = [report for report, _ in answers.values()]
    found += [problem for report in reports for problem in report.problems] + mixed(reports, place.gpus > 0)
    found += [_of_clock(*answer) for answer in answers.values() if abs(answer[1]) > _CLOCK_SECONDS]
    found += _of_space(place, trials, sum(held.values()))
    warnings = _conclude(found + tracking_problems(tracking), console)
    return {"nodes": [dataclasses.asdict(report) for report in reports], "warnings": warnings}


def _conclude(found: Sequence[Problem], console: Console) -> list[str]:
    errors, warnings = (lines([problem for problem in found if problem.is_error is kind]) for kind in (True, False))
    for line in warnings:
        console.print(line, style="yellow")
    if errors:
        raise ClusterError("\n".join(errors))
    return warnings


def lines(found: Sequence[Problem]) -> list[str]:
    """A line for each text, with the nodes that it is said of."""
    nodes: dict[str, list[str]] = {}
    for problem in found:
        nodes.setdefault(problem.text, []).append(problem.node)
    return [f"{', '.join(sorted(set(names)))}: {text}" if names[0] else text for text, names in nodes.items()]


def mixed(reports: Sequence[Report], gpus: bool) -> list[Problem]:
    """What nodes do not have in common, though each could run a trial."""
    builds = {report.versions["torch"] for report in reports}
    kinds = {"builds of torch": builds if len({release("torch", build) for build in builds}) == 1 else set()}
    if gpus:
        kinds["GPUs"] = {gpu for report in reports for gpu in report.gpus}
    else:
        kinds["processors"] = {report.processor for report in reports}
    why = "the last digits of a trial depend on the node that computes it; nodes of one kind avoid that"
    several = {what: ", ".join(sorted(names)) for what, names in kinds.items() if len(names) > 1}
    return [Problem(False, "", f"several {what} ({names}): {why}") for what, names in several.items()]


def tracking_problems(uri: str | None) -> list[Problem]:
    """Whether a tracking server does not accept a connection from the driver, which alone talks to it."""
    parts = urlsplit(uri or "")
    if parts.scheme in ("http", "https") and parts.hostname:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname, port), timeout=3).close()
        except OSError as error:
            text = f"--tracking-uri {redacted(uri or '')}: does not answer ({error})"
            return [Problem(False, "", f"{text}; the study runs, and `python -m studies sync` sends later")]
    return []


def _of_space(place: Place, trials: Sequence[Trial], slots: int) -> list[Problem]:
    """Whether the storage lacks space for what is missing of the trials."""
    free = free_bytes(place.storage)
    if not trials or free is None or bytes_at_most(trials, slots) <= free:
        return []
    needed = needed_bytes(trials, place, slots)
    text = f"--storage {place.storage}: {gb(free)} GB free, and the study needs about {gb(needed)} GB"
    return [Problem(True, "", f"{text}; make room, or give another storage")] if needed > free else []


def _of_clock(report: Report, ahead: float) -> Problem:
    text = f"its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the driver's"
    return Problem(False, report.host, f"{text}; switch time synchronisation on")


def _roots(place: Place, trials: Sequence[Trial]) -> list[str]:
    """The places that hold the images: of the trials' datasets, or where there is no trial all of the data folder."""
    names = {name for t in trials for name in (t.configuration.dataset, t.configuration.test_set)} - {"embedded", ""}
    absolute = {name for name in map(os.path.expanduser, names) if Path(name).is_absolute()}
    data = place.data
    if data is not None and (is_remote(data) or not trials):
        return [data, *sorted(absolute)]
    folder = None if data is None else Path(data)
    return sorted(str(dataset_folder(name, folder)) for name in names)


def _asked(place: Place, files: Mapping[str, Mapping[str, int]], nodes: Nodes) -> tuple[Answers, list[Problem]]:
    """The answers of the nodes, and what is wrong with asking."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    reports: Answers = {}
    found, here = [], installed()
    with _marker(Store(place.storage)) as (store, marker):
        pending = {}
        for node, about in nodes.items():
            gpus = place.gpus > 0 and about["Resources"].get("GPU", 0) > 0
            where = NodeAffinitySchedulingStrategy(node, soft=False)
            # With max_calls a process that has taken up CUDA ends at once, and gives the memory back.
            options: dict[str, Any] = {"num_cpus": 0, "max_calls": int(gpus), "scheduling_strategy": where}
            task: Any = ray.remote(**options)(examine)
            question = Question(place.storage, marker, files, gpus, *here)
            pending[task.remote(question, node, _host(about))] = node
        end = time.monotonic() + ANSWER_SECONDS
        while pending:
            ready, _ = ray.wait(list(pending), timeout=max(0.0, end - time.monotonic()))
            if not ready:
                break
            now, node = time.time(), pending.pop(ready[0])
            try:
                report = ray.get(ready[0])
                reports[node] = report, report.finished_at - now
            except ray.exceptions.RayError as error:
                found.append(Problem(True, _host(nodes[node]), f"can't run a task ({cause(error)}); see its Ray logs"))
        for reference, node in pending.items():
            ray.cancel(reference, force=True)
            text = f"has not answered within {ANSWER_SECONDS} s; take it out of the cluster, or start it again"
            found.append(Problem(True, _host(nodes[node]), text))
        seen = set(store.names(marker))
    for node, (report, _) in reports.items():
        if node not in seen and not any(problem.is_error for problem in report.problems):
            text = f"what it writes into the storage {redacted(place.storage)} does not arrive here"
            found.append(Problem(True, report.host, f"{text}; mount the same folder there"))
    return reports, found


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


def _table(answers: Answers, nodes: Nodes) -> Table:
    table = Table(*_COLUMNS, box=None)
    for node, (report, ahead) in answers.items():
        resources = nodes[node]["Resources"]
        free = ("" if size is None else f"{gb(size)} GB" for size in (report.storage_free, report.cache_free))
        gpus = ", ".join(report.gpus) or f"{resources.get('GPU', 0):g}"
        found = gpus, report.versions["python"], report.versions["torch"], report.processor, *free
        table.add_row(report.host, f"{resources.get('CPU', 0):g}", *found, f"{ahead:+.1f} s")
    for node in nodes.keys() - answers.keys():
        table.add_row(_host(nodes[node]), "no answer")
    return table


def _host(node: Mapping[str, Any]) -> str:
    """The name that `ray start --node-name` gave, else the machine's."""
    named = node["NodeName"]
    return named if named not in ("", node["NodeManagerAddress"]) else node["NodeManagerHostname"]

"""What would go wrong on the nodes of a cluster: every node is asked, at once, before the first trial.

* What stops a study: another Python, Ray, torch or code than the driver's, a storage or data that is not the same
  everywhere, too little space, a GPU that can't compute a convolution, a node that does not answer.
* What is said and recorded only: other builds and processors, which may move the last digits, a clock, a busy GPU,
  tracking.
* What it does not see: quotas, what happens to a node later, and GPUs that others use all the time.
"""

import contextlib
import dataclasses
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from analysis.storage.places import cause, redacted
from clearer.images.datasets import dataset_folder
from studies.nodes.capacity import Request, this_machine
from studies.nodes.connection import ClusterError, connect
from studies.nodes.report import Problem, Question, Report, examine, examine_gpus, free_bytes, gb, installed, release
from studies.nodes.scheduling import Cluster, alive, node_name, on_node
from studies.store.store import Store
from studies.work.keys import Trial
from studies.work.place import Place
from studies.work.remote_images import is_remote, sizes

ANSWER_SECONDS, GPU_SECONDS = 120, 60
_CLOCK_SECONDS = 5
_COLUMNS = [*"node CPU GPU Python torch processor".split(), "storage free", "cache free", "clock"]
Nodes = Mapping[str, dict[str, Any]]
"""What Ray says of nodes, by their ids."""
Answers = dict[str, tuple[Report, float]]
"""The report of each node that answered, and how far its clock is ahead in seconds, by its id."""
Needed = Callable[[int], float]
"""What a study needs of the storage, by the number of stages under way at once."""


def preflight(place: Place, address: str, tracking: str | None, console: Console) -> None:
    """Asks the nodes of a cluster, without a study. Raises ClusterError, StorageError: a line for each problem."""
    Store(place.storage).check_writable()
    with connect(address):
        Cluster(place.gpus).check_request(1)
        check_nodes(place, 1, lambda slots: 0.0, tracking, console)
    console.print("no node has a problem that would stop a study")


def check_here(place: Place, threads: int, needed: Needed, tracking: str | None, console: Console) -> None:
    """Asks this machine for space and tracking; the driver has read the rest. Raises ClusterError: too little space."""
    slots = Request(threads, place.gpus).slots(this_machine(place.gpus > 0))
    _conclude(tracking_problems(tracking) + _of_space(place, needed(slots)), console)


def check_nodes(
    place: Place, threads: int, needed: Needed, tracking: str | None, console: Console, trials: Sequence[Trial] = ()
) -> dict[str, Any]:
    """Asks every node that could hold a trial, and shows what they say; what to record. Raises as `preflight`."""
    request = Request(threads, place.gpus)
    nodes = {node["NodeID"]: node for node in sorted(alive(), key=node_name) if request.slots([node["Resources"]])}
    if not nodes:
        console.print("no node can hold a trial yet: the autoscaler has to start some, which are not asked then")
    answers, found = _asked(place, {root: sizes(root) for root in _roots(place, trials)}, nodes)
    gpus, about_gpus = _asked_gpus(nodes) if place.gpus else ({}, [])
    for node, (report, _) in answers.items():
        own = gpus.get(node, [])
        report.gpus, report.gpu_bytes = [f"{name} {gb(size)} GB" for name, size in own], [size for _, size in own]
        report.device = own[0][0] if own else "" if place.gpus else report.processor
    console.print(_table(answers, nodes), soft_wrap=False)
    reports = [report for report, _ in answers.values()]
    found += about_gpus + [problem for report in reports for problem in report.problems]
    found += mixed(reports, place.gpus > 0)
    for report, ahead in answers.values():
        if abs(ahead) > _CLOCK_SECONDS:
            text = f"its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the driver's"
            found.append(Problem(False, report.host, f"{text}; switch time synchronisation on"))
    found += _of_space(place, needed(request.slots([node["Resources"] for node in nodes.values()])))
    warnings = _conclude(found + tracking_problems(tracking), console)
    return {"nodes": [dataclasses.asdict(report) for report in reports], "warnings": warnings}


def check_gpus(console: Console) -> list[int]:
    """Has every GPU of the cluster compute; their bytes. Raises ClusterError: one can't."""
    gpus, problems = _asked_gpus({node["NodeID"]: node for node in alive()})
    _conclude(problems, console)
    return [size for own in gpus.values() for _, size in own]


def _asked_gpus(nodes: Nodes) -> tuple[dict[str, list[tuple[str, int]]], list[Problem]]:
    """The names and the bytes of the GPUs of nodes, by their ids, and what is wrong with them.

    A task that takes all GPUs of a node sees those that Ray has there, and no others.
    """
    tasks = {}
    for node, about in nodes.items():
        if count := int(about["Resources"].get("GPU", 0)):
            task = on_node(node, examine_gpus, num_cpus=0, num_gpus=count, max_calls=1)  # it ends with what CUDA took
            tasks[task.remote(node_name(about))] = node
    late = Problem(False, "", f"its GPUs were not free within {GPU_SECONDS} s: they were not tried")
    answers, found = _answers(tasks, nodes, GPU_SECONDS, late, "can't run a task on its GPUs ({})")
    found += [problem for (_, about_them), _ in answers.values() for problem in about_them]
    return {node: gpus for node, ((gpus, _), _) in answers.items()}, found


def _answers(
    tasks: dict[Any, str], nodes: Nodes, seconds: float, late: Problem, failed: str
) -> tuple[dict[str, tuple[Any, float]], list[Problem]]:
    """What tasks on nodes answer within some seconds, and when, by node; what is said of those that do not."""
    import ray

    answers, found = {}, []
    end = time.monotonic() + seconds
    while tasks and (ready := ray.wait(list(tasks), timeout=max(0.0, end - time.monotonic()))[0]):
        now, node = time.time(), tasks.pop(ready[0])
        try:
            answers[node] = ray.get(ready[0]), now
        except ray.exceptions.RayError as error:
            found.append(Problem(True, node_name(nodes[node]), failed.format(cause(error))))
    for reference, node in tasks.items():
        ray.cancel(reference, force=True)
        found.append(late._replace(node=node_name(nodes[node])))
    return answers, found


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


def _of_space(place: Place, needed: float) -> list[Problem]:
    """Whether the storage lacks space for so many bytes."""
    free = free_bytes(place.storage)
    if free is None or needed <= free:
        return []
    text = f"--storage {place.storage}: {gb(free)} GB free, and the study needs about {gb(needed)} GB"
    return [Problem(True, "", f"{text}; make room, or give another storage")]


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
    here = installed()
    late = f"has not answered within {ANSWER_SECONDS} s; take it out of the cluster, or start it again"
    with _marker(Store(place.storage)) as (store, marker):
        question = Question(place.storage, marker, files, *here)
        asks = {node: on_node(node, examine, num_cpus=0) for node in nodes}
        tasks = {ask.remote(question, node, node_name(nodes[node])): node for node, ask in asks.items()}
        failed = "can't run a task ({}); see its Ray logs"
        answers, found = _answers(tasks, nodes, ANSWER_SECONDS, Problem(True, "", late), failed)
        seen = set(store.names(marker))
    reports = {node: (report, report.finished_at - now) for node, (report, now) in answers.items()}
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
        table.add_row(node_name(nodes[node]), "no answer")
    return table

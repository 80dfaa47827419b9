"""What is wrong with the nodes of a cluster, from what they say of themselves (`studies.nodes.report`)."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from analysis.storage.places import redacted
from studies.nodes.report import Report
from studies.work.remote_images import is_remote

_CLOCK_SECONDS = 5
_CACHE_BYTES = 10**9
_FREE_SHARE = 0.5
_SAME = ("torch", "ray")
"""Libraries of which every node must have the driver's release."""


class Problem(NamedTuple):
    """What is wrong on a node ("" for the driver), in a line with its mend; an error stops a study."""

    is_error: bool
    node: str
    text: str


def compared(versions: Mapping[str, str], code: str, reports: Sequence[Report], gpus: bool) -> list[Problem]:
    """What the nodes have of their own: against the driver's `versions` and `code`, and among each other."""
    found = []
    for report in reports:
        found += [Problem(True, report.host, text) for text in report.errors]
        if report.code != code:
            text = f"runs other code of this project ({report.code}) than the driver ({code}); is a checkout on its PYTHONPATH? unset that for `ray start`"
            found.append(Problem(True, report.host, text))
        for name, here in versions.items():
            there = report.versions[name]
            is_same = _release(name, there) == _release(name, here)
            if there != here and not (name == "torch" and is_same):
                is_error = (not is_same and name in (*_SAME, "python")) or there == "missing"
                more = "" if is_error else "last digits may differ; "
                mend = f"install {name}{' ' if name == 'python' else '=='}{_release(name, here)} there"
                found.append(Problem(is_error, report.host, f"{name} {there}, the driver has {here}; {more}{mend}"))
    builds = {report.versions["torch"] for report in reports}
    if len({_release("torch", build) for build in builds}) == 1:
        found += _mixed("builds of torch", builds)
    if gpus:
        found += _mixed("GPUs", {gpu["name"] for report in reports for gpu in report.gpus})
        for report in reports:
            for number, gpu in enumerate(report.gpus):
                if gpu["free"] < _FREE_SHARE * gpu["total"]:
                    text = f"GPU {number} ({gpu['name']}) has {gb(gpu['free'])} of {gb(gpu['total'])} GB free; end what else uses it"
                    found.append(Problem(False, report.host, text))
    else:
        found += _mixed("processors", {report.processor for report in reports})
    return found


def tracking_problems(uri: str | None) -> list[Problem]:
    """Whether a tracking server does not accept a connection from the driver, which alone talks to it."""
    parts = urlsplit(uri or "")
    if parts.scheme in ("http", "https") and parts.hostname:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname, port), timeout=3).close()
        except OSError as error:
            text = f"--tracking-uri {redacted(uri or '')}: does not answer ({error}); the study runs, and `python -m studies.tracking.sync` sends later"
            return [Problem(False, "", text)]
    return []


def _release(name: str, version: str) -> str:
    """The part of a version that must be equal: 3.11 of Python 3.11.7, 2.13.0 of torch 2.13.0+cpu."""
    return ".".join(version.split(".")[:2]) if name == "python" else version.partition("+")[0]


def _mixed(what: str, names: set[str]) -> list[Problem]:
    if len(names) < 2:
        return []
    text = f"several {what} ({', '.join(sorted(names))}): the last digits of a trial depend on the node that computes it; nodes of one kind avoid that"
    return [Problem(False, "", text)]


def of_clocks(reports: Mapping[str, Report], clocks: Mapping[str, float]) -> list[Problem]:
    """Of the nodes whose clocks are ahead of the driver's by so many seconds, those that are far off."""
    return [
        Problem(False, reports[node].host, f"its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the driver's; switch time synchronisation on")
        for node, ahead in clocks.items() if abs(ahead) > _CLOCK_SECONDS
    ]  # fmt: skip


def of_caches(reports: Mapping[str, Report], files: Mapping[str, Mapping[str, int]]) -> list[Problem]:
    """Of the nodes, those without room for their copies of images; `files` are sizes by place and name."""
    copied = sum(sum(sized.values()) for place, sized in files.items() if is_remote(place))
    found = []
    for report in reports.values():
        free = report.cache_free
        if free is not None and free < max(copied, _CACHE_BYTES):
            text = f"{report.cache} has {gb(free)} GB free, for {gb(copied)} GB of images and what is decoded of them; name another folder in CLEARER_CACHE"
            found.append(Problem(free < copied, report.host, text))
    return found


def lines(found: Sequence[Problem]) -> list[str]:
    """A line for each text, with the nodes that it is said of."""
    nodes: dict[str, list[str]] = {}
    for problem in found:
        nodes.setdefault(problem.text, []).append(problem.node)
    return [f"{', '.join(sorted(set(names)))}: {text}" if names[0] else text for text, names in nodes.items()]


def gb(size: float) -> str:
    """Bytes in units of 10⁹."""
    return f"{size / 1e9:,.0f}" if size >= 10e9 else f"{size / 1e9:.1f}"

"""A worker that has to leave saves what it was computing; another goes on from there."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from studies.driver.study import configuration
from studies.nodes import worker
from studies.store.store import Store
from studies.work import stages
from studies.work.jobs import Job, Pack
from studies.work.learning import run_pack
from studies.work.stages import Place

C = configuration(
    "quick",
    {
        "channels": 2, "cells": 1, "columns": 2, "batch_size": 2, "patch_size": 16, "search_iterations": 9, "warmup_iterations": 2,
        "report_iterations": 3, "lambda1": 0.0, "lambda2": 0.0,
    },
)  # fmt: skip


class PlacedWorker(worker.PackWorker):
    """A worker that has its place from where a test can put it."""

    def setup(self, config: dict[str, Any], place: Place | None = None) -> None:
        super().setup(config, config["place"])


@pytest.fixture(scope="module")
def job() -> Job:
    data = stages.fingerprints(C, None)
    return Job("search", stages.search_key(C, data), C, data)


def begun(job: Job, storage: Path) -> worker.PackWorker:
    """A worker without Ray, one event on its way."""
    place = Place(str(storage), None, checkpoint_seconds=600)
    made = PlacedWorker({"pack": Pack((job,)), "place": place})
    assert made.step()["iteration"] == 3
    return made


def whole(job: Job, storage: Path) -> object:
    """What a search finds, gone on with where it was left."""
    list(run_pack(Pack((job,)), Place(str(storage), None)))
    store = Store(str(storage))
    assert not store.checkpoints("search", job.key)
    found = store.result("search", job.key)
    assert found is not None
    return found["architecture"], found["alpha"], store.read(f"stages/search/{job.key}/supernet.pt")


def test_a_worker_that_is_stopped_saves(job: Job, tmp_path: Path) -> None:
    begun(job, tmp_path / "left").stop()
    assert Store(str(tmp_path / "left")).saved_iteration("search", job.key) == 3
    assert whole(job, tmp_path / "left") == whole(job, tmp_path / "whole")


def test_a_worker_that_is_sent_sigterm_saves_within_an_iteration(job: Job, tmp_path: Path) -> None:
    made = begun(job, tmp_path / "left")
    ask = made._has_to_leave

    def preempted() -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return ask()

    made._events.close()
    made._events = run_pack(made.config["pack"], made._place, preempted)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        made.step()
    assert signal.getsignal(signal.SIGTERM) == before
    assert Store(str(tmp_path / "left")).saved_iteration("search", job.key) == 4
    assert whole(job, tmp_path / "left") == whole(job, tmp_path / "whole")


def test_a_drained_node_is_left(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = begun(job, tmp_path)
    monkeypatch.setattr(worker, "_DRAINING_SECONDS", 0.0)
    monkeypatch.setattr(worker, "_node_is_drained", lambda: True)
    with pytest.raises(SystemExit):
        made.step()
    assert Store(str(tmp_path)).saved_iteration("search", job.key) == 3


def test_an_isolated_worker_that_runs_on_beside_its_replacement_changes_no_bit(job: Job, tmp_path: Path) -> None:
    """Both write checkpoints and the result under the same names, in turns, the replacement three iterations behind."""
    place = Place(str(tmp_path / "both"), None, checkpoint_seconds=0)
    isolated = run_pack(Pack((job,)), place)
    told = [next(isolated)]
    Store(place.storage).forget_checkpoints("search", job.key, after=0)
    replacement = run_pack(Pack((job,)), place)
    for one, other in itertools.zip_longest(isolated, replacement, fillvalue={}):
        told += [one, other]
    assert [event["ended"] for event in told if "ended" in event] == [{job.key: None}] * 2
    assert Store(place.storage).names(f"stages/search/{job.key}") == ["curve.parquet", "result.json", "supernet.pt"]
    assert whole(job, tmp_path / "both") == whole(job, tmp_path / "whole")

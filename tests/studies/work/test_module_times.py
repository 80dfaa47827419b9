"""Measured module times: taken once, then part of what a trial is."""

from pathlib import Path

import pytest
from in_process import session_of
from small import put_row

from clearer.configuration import Configuration
from clearer.machine import device_name
from clearer.presets import Edition, preset_values
from studies.store.store import Store
from studies.work import module_times as measured_times
from studies.work.module_times import module_times

SMALL = Configuration(**{**preset_values(Edition("quick", 1)), "channels": 2, "cells": 2, "patch_size": 16})


def test_times_are_measured_once_and_kept(tmp_path: Path) -> None:
    asked = [SMALL.with_values(complexity="time", lambda2=value) for value in (0.1, 0.2)]
    first = session_of(tmp_path).measured(asked)
    assert len(first[0].module_times_ms) == 4
    assert first[0].module_times_ms == first[1].module_times_ms
    assert session_of(tmp_path).measured(asked) == first


def test_nothing_is_written_when_nothing_is_kept(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "runs"))
    assert len(module_times(SMALL.with_values(complexity="time"), store.storage, "cpu", keep=False)) == 4
    assert not (tmp_path / "runs").exists()


def test_who_does_not_ask_and_who_gives_times_is_left_alone(tmp_path: Path) -> None:
    given = SMALL.with_values(complexity="time", module_times_ms=(1.0, 2.0, 3.0, 4.0))
    random = SMALL.with_values(kind="random", architecture="PFPF-FFFF", complexity="time")
    asked = [SMALL, given, random]
    assert session_of(tmp_path).measured(asked) == asked


def test_times_for_gpus_are_taken_on_one_of_the_cluster(tmp_path: Path) -> None:
    """The driver's machine may have none, or trials may run there."""
    asked = []

    class Cluster:
        def check_request(self, threads: int) -> None:
            asked.append(("request", threads))

        def module_times(self, c: Configuration, store: str, keep: bool, *how: object) -> tuple[float, ...]:
            asked.append((c, store, keep))
            return 1.0, 2.0, 3.0, 4.0

    session = session_of(tmp_path, Cluster(), gpus_per_trial=0.5)  # type: ignore[arg-type]
    c = SMALL.with_values(complexity="time")
    assert session.measured([c]) == [c.with_values(module_times_ms=(1.0, 2.0, 3.0, 4.0))]
    assert asked == [("request", 1), (c, str(tmp_path), True)]


def test_a_study_that_was_timed_on_a_gpu_finds_its_module_times_without_one(tmp_path: Path) -> None:
    c = SMALL.with_values(complexity="time")
    session = session_of(tmp_path, gpus_per_trial=1.0)
    put_row(session.store, "s", c, device=device_name("cpu", 1).removesuffix(", 1 thread"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measured_times, "device_name", lambda device, threads: session.timed_on("s"))
        times = module_times(c, session.store.storage, "cpu", keep=True)
    del session.cluster
    assert session.measured([c], "s") == [c.with_values(module_times_ms=times)], "no cluster is asked"

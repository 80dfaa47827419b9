"""Measured module times: taken once, then part of what a trial is."""

from pathlib import Path

from clearer.configuration import Configuration
from clearer.presets import FirstEdition, preset_values
from studies.store.store import Store
from studies.work.module_times import with_module_times

SMALL = Configuration(**{**preset_values(FirstEdition("quick")), "channels": 2, "cells": 2, "patch_size": 16})


def test_times_are_measured_once_and_kept(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    asked = [SMALL.with_values(complexity="time", lambda2=value) for value in (0.1, 0.2)]
    first = with_module_times(asked, store, gpus=0, keep=True)
    assert len(first[0].module_times_ms) == 4
    assert first[0].module_times_ms == first[1].module_times_ms
    assert with_module_times(asked, store, gpus=0, keep=True) == first


def test_nothing_is_written_when_nothing_is_kept(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "runs"))
    assert with_module_times([SMALL.with_values(complexity="time")], store, gpus=0, keep=False)[0].module_times_ms
    assert not (tmp_path / "runs").exists()


def test_who_does_not_ask_and_who_gives_times_is_left_alone(tmp_path: Path) -> None:
    given = SMALL.with_values(complexity="time", module_times_ms=(1.0, 2.0, 3.0, 4.0))
    random = SMALL.with_values(kind="random", architecture="PFPF-FFFF", complexity="time")
    asked = [SMALL, given, random]
    assert with_module_times(asked, Store(str(tmp_path)), gpus=0, keep=True) == asked

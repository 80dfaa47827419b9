"""A run of a study's command: alone on its name, and honest about what it could not do."""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from rich.console import Console
from running import command

from clearer.configuration import Configuration
from clearer.presets import QUICK
from studies import supernet_fidelity
from studies.driver.rounds import Rounds
from studies.driver.summary import conclude
from studies.store.claims import Claims
from studies.store.store import Store
from studies.work import oneshot, stages
from studies.work.jobs import Job
from studies.work.stages import Place


def test_a_second_run_of_a_study_waits_for_the_first(study_storage: Path, tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    shutil.copytree(study_storage, storage)
    asked: list[str] = []
    with Claims(Store(str(storage))) as first, first.alone("studies/lambda_pareto", asked.append):
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        second = subprocess.Popen(command(storage), stdout=subprocess.PIPE, text=True, env=environment)
        assert second.stdout is not None
        for line in second.stdout:
            if line.endswith(": waiting\n"):
                break
        else:
            pytest.fail("it did not wait")
    rest, _ = second.communicate()
    assert second.returncode == 0
    assert asked == []
    assert line.startswith(f"lambda_pareto is being run by process {os.getpid()} on ")
    assert "λ1" in rest


def test_a_job_that_did_not_end_is_a_failure_of_the_study(tmp_path: Path) -> None:
    options = argparse.Namespace(
        preset="quick", storage=str(tmp_path), tracking_uri="none", budget=None, address=None, gpus_per_trial=0, concurrent=None
    )  # fmt: skip
    store = Store(str(tmp_path))
    rounds = Rounds(
        supernet_fidelity.STUDY, options, {}, store, Place(str(tmp_path), None), Console(file=io.StringIO(), width=200)
    )
    c = Configuration(**QUICK)
    data = stages.fingerprints(c, None)
    job = Job(oneshot.STAGE, "0" * 64, c, data, architectures=("FPFP-FPFF-PFFP",))
    store.write("studies/supernet_fidelity/study.json", b"{}")
    rounds.lost = [job]
    assert conclude(rounds) == 1
    assert "1 jobs failed (oneshot), see above; the same command tries again." in rounds.console.file.getvalue()  # type: ignore[attr-defined]

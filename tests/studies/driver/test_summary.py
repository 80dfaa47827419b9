"""What a study says at its end, and its exit status, from rows that are there."""

from __future__ import annotations

import argparse
import dataclasses
import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from clearer.architecture import Architecture
from studies import seeds, settings
from studies.driver.rounds import Findings, Rounds
from studies.driver.summary import conclude
from studies.store.rows import architecture_columns, configuration_columns, curve_table, row_table
from studies.store.store import Store
from studies.store.study_file import write_study
from studies.work.stages import Place


def ended(folder: Path, error: str | None = None, budget: float | None = None) -> Rounds:
    """The study of seeds with nothing but a failed first trial, or with no row at all; its time is spent where it has a `budget`."""
    store = Store(str(folder))
    options = argparse.Namespace(preset="quick", storage=str(folder), tracking_uri="none", budget=budget)
    rounds = Rounds(seeds.STUDY, options, {}, store, Place(str(folder), None), Console(file=io.StringIO(), width=200))
    rounds.planned = seeds.STUDY.trials("quick", {}, seeds=1, random=0)
    rounds.is_out_of_time = budget is not None
    store.write("studies/seeds/study.json", b"{}")
    if error is not None:
        c = rounds.planned[0]
        row = configuration_columns(c) | {"study": "seeds", "trial_id": c.trial_id, "status": "failed", "error": error}
        store.end_trial("seeds", c.trial_id, row_table(row), curve_table([]))
    return rounds


def said(rounds: Rounds) -> str:
    """What was printed."""
    return rounds.console.file.getvalue()  # type: ignore[attr-defined]


def test_an_answer_that_raises_does_not_change_the_exit_status(tmp_path: Path) -> None:
    def answer(rows: pd.DataFrame, findings: Findings) -> list[str]:
        return [rows["psnr_db"].iloc[0]]

    rounds = ended(tmp_path)
    rounds.study = dataclasses.replace(rounds.study, answer=answer)
    assert conclude(rounds) == 0
    assert "what the rows answer could not be worked out: KeyError: 'psnr_db'" in said(rounds)


@pytest.mark.parametrize("error", ["/data/[/b]/1.png: not an image", "[Errno 28] no space", "no memory"])
def test_a_reason_is_printed_as_it_is(tmp_path: Path, error: str) -> None:
    rounds = ended(tmp_path, error)
    assert conclude(rounds) == 1
    assert f": {error}\n" in said(rounds)


def test_what_was_left_for_want_of_time_is_said_beside_what_failed(tmp_path: Path) -> None:
    rounds = ended(tmp_path, "no memory", budget=60)
    assert conclude(rounds) == 1
    assert "2 trials have not started" in said(rounds)
    assert conclude(ended(tmp_path / "other", budget=60)) == 3


def test_a_setting_that_was_swept_tells_rows_apart(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    rounds = ended(tmp_path)
    rounds.study, rounds.planned = settings.STUDY, settings.STUDY.trials("quick", {}, seeds=1)
    for number, c in enumerate(rounds.planned):
        row = configuration_columns(c) | {
            "study": "settings",
            "trial_id": c.trial_id,
            "status": "finished",
            "psnr_db": 25.0 + number,
        }
        row |= architecture_columns(c, Architecture.parse("FPFP-FPFF-PFFP"))
        store.end_trial("settings", c.trial_id, row_table(row), curve_table([]))
    write_study(store, "settings", "quick", rounds.planned, "command")
    assert rounds.results.swept == ["alpha_statistics", "mixing"]
    assert conclude(rounds) == 0
    for c, line in zip(
        reversed(rounds.planned), [line for line in said(rounds).splitlines() if "FPFP" in line], strict=True
    ):
        assert [c.alpha_statistics, c.mixing] == line.removeprefix("●").split()[1:3]


def test_the_next_command_has_more_seeds_than_this_one(tmp_path: Path) -> None:
    rounds = ended(tmp_path)
    conclude(rounds)
    assert "python studies/seeds.py --seeds 4 " in said(rounds)

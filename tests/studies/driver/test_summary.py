"""What a study says at its end, and its exit status, from rows that are there."""

import argparse
import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from in_process import said, session_of
from small import NO_DATA, SMALL, put_row

from clearer.configuration import Configuration
from studies import lambda_pareto, seeds, settings
from studies.driver.options import Multiple, add_flags, options_of
from studies.driver.rounds import Outcome
from studies.driver.session import Session
from studies.driver.study import Findings, Study
from studies.driver.summary import conclude
from studies.planning.plan import Task
from studies.store.store import Store
from studies.store.study_file import write_study
from studies.work.jobs import Failure, OneShot

PLANNED = seeds.STUDY.trials("quick", {}, random=0)


def ended(folder: Path, error: str | None = None, budget: float | None = None) -> tuple[Outcome, Session]:
    """The study of seeds with no row but that of a failed first trial; its time is spent where it has a `budget`."""
    session = session_of(folder, budget=budget)
    outcome = Outcome(seeds.STUDY, list(PLANNED), is_out_of_time=budget is not None)
    session.store.write("studies/seeds/study.json", b"{}")
    if error is not None:
        put_row(session.store, "seeds", PLANNED[0], status="failed", error=error)
    return outcome, session


def test_an_answer_that_raises_does_not_change_the_exit_status(tmp_path: Path) -> None:
    def answer(found: Findings) -> list[str]:
        return [found.rows["psnr_db"].iloc[0]]

    outcome, session = ended(tmp_path)
    outcome.study = dataclasses.replace(outcome.study, answer=answer)
    assert conclude(outcome, session) == 0
    assert "what the rows answer could not be worked out: KeyError: 'psnr_db'" in said(session)


def test_what_the_rows_answer_is_said_as_it_is(tmp_path: Path) -> None:
    outcome, session = ended(tmp_path)
    outcome.study = dataclasses.replace(outcome.study, answer=lambda found: [f"[bold] {found.study}: yes"])
    assert conclude(outcome, session) == 0
    assert "[bold] seeds: yes\n" in said(session)


@pytest.mark.parametrize("error", ["/data/[/b]/1.png: not an image", "[Errno 28] no space", "no memory"])
def test_a_reason_is_printed_as_it_is(tmp_path: Path, error: str) -> None:
    outcome, session = ended(tmp_path, error)
    assert conclude(outcome, session) == 1
    assert f": {error}\n" in said(session)
    assert f"1 of {len(PLANNED)} trials failed; add --retry-failed to try again" in said(session)


def test_what_another_run_may_mend_is_said_to_be_tried_again(tmp_path: Path) -> None:
    outcome, session = ended(tmp_path)
    outcome.unfinished = [(PLANNED[0], Failure("its worker was lost", permanent=False))]
    assert conclude(outcome, session) == 1
    assert ": its worker was lost\n" in said(session)
    assert "trials failed; the same command tries again what has failed" in said(session)


def test_a_job_that_did_not_end_is_a_failure_of_the_study(tmp_path: Path) -> None:
    outcome, session = ended(tmp_path)
    job = OneShot("0" * 64, SMALL, NO_DATA, ("FPFP-FPFF-PFFP",))
    outcome.lost = [Task(job, failure=Failure("ValueError: no shape"))]
    assert conclude(outcome, session) == 1
    assert "failed  oneshot: ValueError: no shape\n" in said(session)
    assert "1 jobs failed (oneshot), see above; the same command tries again." in said(session)


def test_what_was_left_for_want_of_time_is_said_beside_what_failed(tmp_path: Path) -> None:
    outcome, session = ended(tmp_path, "no memory", budget=60)
    assert conclude(outcome, session) == 1
    assert "2 trials have not started" in said(session)
    assert conclude(*ended(tmp_path / "other", budget=60)) == 3


def of_settings(folder: Path, found: str, study: Study = settings.STUDY, **values: Any) -> tuple[Outcome, Session]:
    """A study whose trials have all found one architecture, each a little better than the one before."""
    session = session_of(folder)
    planned: list[Configuration] = study.trials("quick", {}, random=0)
    planned = [c for c in planned if c.kind == "searched"]
    for number, c in enumerate(planned):
        put_row(session.store, study.name, c, found=found, psnr_db=25.0 + number, **values)
    write_study(session.store, study.name, planned, preset="quick", command="command")
    return Outcome(study, planned), session


def test_a_setting_that_was_swept_tells_rows_apart(tmp_path: Path) -> None:
    outcome, session = of_settings(tmp_path, "FPFP-FPFF-PFFP")
    assert conclude(outcome, session) == 0
    lines = [line for line in said(session).splitlines() if "FPFP" in line]
    for c, line in zip(reversed(outcome.planned), lines, strict=True):
        assert [c.alpha_statistics, c.mixing] == line.removeprefix("●").split()[1:3]


def test_what_early_stopping_saved_is_said_where_it_was_asked_for(tmp_path: Path) -> None:
    outcome, session = of_settings(tmp_path / "off", "FPFP-FPFF-PFFP")
    conclude(outcome, session)
    assert "stopped early" not in said(session)
    store = Store(str(tmp_path / "on"))
    asked = [SMALL.with_values(search_patience=2, lambda1=n / 10) for n in range(3)]
    for number, c in enumerate(asked):
        stopped = None if number == 2 else 6
        put_row(store, "settings", c, found="PF", search_key=str(number), search_stopped_at=stopped, psnr_db=25.0)
    put_row(store, "settings", SMALL.with_values(lambda1=0.5), found="PF", search_key="unasked", psnr_db=25.0)
    write_study(store, "settings", asked, preset="quick", command="command")
    session = session_of(tmp_path / "on")
    assert conclude(Outcome(settings.STUDY, [*asked, SMALL.with_values(lambda1=0.5)]), session) == 0
    assert "2 of 3 searches stopped early: 4 of 24 iterations saved" in said(session)


def test_each_finding_of_health_is_said_with_its_mend(tmp_path: Path) -> None:
    outcome, session = of_settings(tmp_path, "FPFP-FPFF-PFFP", degraded_psnr_db=40.0)
    conclude(outcome, session)
    found, text = outcome.results(session).health, " ".join(said(session).split())
    assert {"below input", "few seeds"} <= {one.fault for one in found}
    assert text.count("health ") == len(found)
    assert all(f"health {one.text} Mend: {one.mend}." in text for one in found)


def test_trials_of_an_earlier_run_are_not_among_the_results(tmp_path: Path) -> None:
    outcome, session = of_settings(tmp_path, "FPFP-FPFF-PFFP")
    outcome.planned = outcome.planned[:1]
    conclude(outcome, session)
    assert said(session).count("FPFP-FPFF-PFFP") == 1


def test_the_end_says_where_everything_is(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "a [b]'s"):
        outcome, session = ended(folder)
        conclude(outcome, session)
        assert f"{folder}/studies/seeds/report/" in said(session)


def the_next(session: Session) -> list[str]:
    """The words of the command that is said to be next."""
    (line,) = (line for line in said(session).splitlines() if line.startswith("next"))
    return shlex.split(line.removeprefix("next").partition("   (")[0])


def test_the_next_command_is_this_one_with_one_more_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.orig_argv", ["/opt/a b/python", "studies/seeds.py", "--seeds", "3"])
    outcome, session = ended(tmp_path / "it's here")
    session.options = dataclasses.replace(
        session.options, assigned={"columns": [(2,), (2, 4)], "lambda1": [Multiple(2.0)]}, budget=5400.0, seeds=3
    )
    conclude(outcome, session)
    words = the_next(session)
    assert words[:4] == ["/opt/a b/python", "studies/seeds.py", "--seeds", "4"]
    parser = argparse.ArgumentParser()
    add_flags(parser)
    asked = options_of(parser.parse_args(words[2:]))
    assert asked == dataclasses.replace(session.options, seeds=4)


def test_where_seeds_were_given_by_value_the_next_is_one_more_value(tmp_path: Path) -> None:
    outcome, session = ended(tmp_path)
    session.options = dataclasses.replace(session.options, assigned={"seed": [0, 1, 2]}, more={"trials": 9})
    conclude(outcome, session)
    assert "seed=0,1,2,3" in the_next(session)
    assert the_next(session)[2:4] == ["--trials", "9"]
    assert "--seeds" not in the_next(session)


def test_a_long_table_shows_the_front_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    planned = [SMALL.with_values(lambda1=n / 100) for n in range(50)]
    for number, c in enumerate(planned):
        put_row(session.store, "lambda_pareto", c, found="PF", psnr_db=20.0 + number / 10)
    write_study(session.store, "lambda_pareto", planned, preset="quick", command="command")
    assert conclude(Outcome(lambda_pareto.STUDY, planned), session) == 0
    assert "49 more rows are in the results table of the report; shown are the first of the front" in said(session)


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_a_narrow_terminal_leaves_out_what_matters_least(tmp_path: Path, width: int) -> None:
    outcome, session = of_settings(
        tmp_path, "FPFP-FPFF-PFFP", lambda_pareto.STUDY, parameters=1_103_945, ssim=0.71239, test_time_ms=12.34
    )
    session.console.width = width
    conclude(outcome, session)
    table = said(session).partition("Pareto front of PSNR and parameters\n")[2].partition("\nfigures and tables")[0]
    assert max(len(line) for line in table.splitlines() if "not shown" not in line) <= width
    assert "…" not in table
    for c, number in zip(outcome.planned, range(100), strict=False):
        assert {f"{c.lambda1:g}", f"{c.lambda2:g}", f"{25 + number}.00"} <= set(table.split())
    assert table.split().count("12.3") == len(outcome.planned)
    assert table.split().count("0.7124") == (0 if width == 60 else len(outcome.planned))
    assert table.count("●") == 2, "every seed of the configuration on the front"
    left_out = [line for line in table.splitlines() if line.startswith("not shown")]
    assert len(left_out) == (width == 60)
    assert all("SSIM, spread" in line and "results.csv" in line for line in left_out)
    assert ("architecture FPFP" in " ".join(table.split())) == (width == 40), "a table where it fits"


def test_how_a_testing_time_is_had_later_is_said(tmp_path: Path) -> None:
    outcome, session = of_settings(tmp_path / "a b", "FPFP-FPFF-PFFP", test_time_error="killed")
    conclude(outcome, session)
    (line,) = (line for line in said(session).splitlines() if "no testing time" in line)
    assert shlex.split(line.partition(": ")[2]) == [
        sys.orig_argv[0],
        "-m",
        "studies",
        "retime",
        str(tmp_path / "a b"),
        "settings",
    ]

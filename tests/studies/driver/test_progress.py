"""The display: what a person reads while a study runs."""

import io

import pytest
from rich.console import Console

from studies.driver.progress import Progress
from studies.work.jobs import Progressed


def shown(terminal: bool) -> str:
    """What is written while two jobs run and one fails."""
    out, now = io.StringIO(), iter(range(0, 10_000, 20))
    console = Console(file=out, force_terminal=terminal, width=120, highlight=False)
    with Progress(console, clock=lambda: next(now)) as progress:
        progress.phase("searches", 2)
        for key in ("a", "b"):
            progress.started(key, f"λ1={key}", "search")
        progress.progressed("a", Progressed("a", {"iteration": 25, "psnr_db": 21.456}, 100, 10.0))
        if terminal:
            console.print(progress._bars.get_renderable())
        progress.ended("a", "FP-PF  40 s")
        progress.ended("b", "diverged", failed=True)
    return out.getvalue()


def test_a_file_gets_plain_lines() -> None:
    text = shown(terminal=False)
    assert "λ1=a  search  25/100  21.46 dB  30 s left" in text
    assert "done 1/2  λ1=a  FP-PF  40 s" in text
    assert "failed 2/2  λ1=b  diverged" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("name", ["[/x]", "[x]", "[red]", "["])
def test_a_label_is_printed_as_it_is(name: str) -> None:
    out, now = io.StringIO(), iter(range(0, 10_000, 20))
    progress = Progress(Console(file=out, width=120, highlight=False), clock=lambda: next(now))
    progress.started("a", f"test_set={name}", "search")
    progress.progressed("a", Progressed("a", {"iteration": 25, "psnr_db": None}, 100, 10.0))
    progress.ended("a", "found")
    lines = out.getvalue().splitlines()
    assert [f"test_set={name}" in line for line in lines] == [True, True]


def test_a_terminal_gets_bars() -> None:
    text = shown(terminal=True)
    for word in ("λ1=a  search", "━", "25/100", "21.46 dB", "30 s left", "λ1=b  search", "starting", "0 of 2 ended"):
        assert word in text


def test_more_jobs_add_to_those_that_there_are() -> None:
    out = io.StringIO()
    progress = Progress(Console(file=out, width=120, highlight=False))
    progress.more("searches", 2)
    progress.ended("a", "found [PF]")
    progress.more("trainings", 3)
    progress.ended("b", "found")
    progress.say("a line of its own")
    assert out.getvalue().splitlines() == [
        "searches: 2 to do",
        "  done 1/2  found [PF]",
        "trainings: 3 more to do",
        "  done 2/5  found",
        "  a line of its own",
    ]

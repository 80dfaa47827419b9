"""The display: what a person reads while a study runs."""

import io

import pytest
from rich.console import Console

from studies.driver.progress import Progress
from studies.planning.costs import Expected
from studies.work.jobs import Progressed


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def told(key: str, iteration: int, seconds: float, psnr: float | None = 21.456) -> Progressed:
    return Progressed(key, {"iteration": iteration, "psnr_db": psnr}, 100, seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def progress_in(out: io.StringIO, clock: Clock, terminal: bool = False, slots: int = 2) -> Progress:
    console = Console(file=out, force_terminal=terminal, width=120, highlight=False)
    return Progress(console, slots, clock)


def test_the_time_left_is_there_from_the_first_second_and_runs_down(out: io.StringIO, clock: Clock) -> None:
    progress = progress_in(out, clock)
    progress.expect({"search": Expected(4, 60.0), "train": Expected(2, 30.0), "time": Expected(3, 10.0)})
    assert str(progress) == "about 3.0 min left"  # (240 + 60) / 2 + 30: times are taken one at a time
    clock.seconds = 60.0
    assert str(progress) == "about 2.0 min left"
    clock.seconds = 1000.0
    assert str(progress) == "ends soon"


def test_the_time_left_follows_what_was_measured(out: io.StringIO, clock: Clock) -> None:
    progress = progress_in(out, clock, slots=1)
    progress.expect({"search": Expected(2, 100.0), "train": Expected(1, 100.0)})
    progress.more("searches", {"search": 2})
    progress.started({"a": "λ1=0"}, "search")
    progress.progressed("a", told("a", 50, 100.0))  # twice as slow as expected
    assert str(progress) == "0/2 done  about 8.3 min left"  # 1.5 searches and a training, 200 s each
    progress.ended("a", "FP", stages=[("search", "a")])
    progress.more("trainings", {"train": 0}, follow=False)
    assert str(progress) == "1/2 done  about 3.3 min left"


def test_the_tests_of_a_training_are_done_with_it(out: io.StringIO, clock: Clock) -> None:
    progress = progress_in(out, clock, slots=1)
    progress.expect({"train": Expected(2, 60.0), "test": Expected(3, 60.0)})
    progress.more("trainings", {"train": 2}, follow=False)
    assert str(progress) == "0/2 done  about 5.0 min left"
    progress.ended("a", "PF", stages=[("train", "a"), ("test", "x"), ("test", "y")])
    assert str(progress) == "1/2 done  about 2.0 min left"


def test_a_pack_is_one_line_that_says_what_varies(out: io.StringIO, clock: Clock) -> None:
    progress = progress_in(out, clock, terminal=True)
    with progress:
        progress.expect({"search": Expected(2, 60.0)})
        progress.more("searches", {"search": 2})
        progress.started({"a": "λ1=0 seed 0", "b": "λ1=0.1 seed 0"}, "search")
        progress.progressed("a", told("a", 25, 10.0, 20.0))
        progress.progressed("b", told("b", 25, 10.0, 30.0))
        progress.console.print(progress._bars.get_renderable())
        progress.ended("a", "FP", stages=[("search", "a")])
        assert len(progress._bars.tasks) == 2
        progress.ended("b", "PP", stages=[("search", "b")])
        assert len(progress._bars.tasks) == 1
    text = out.getvalue()
    for word in ("2 × search  λ1=0,0.1 seed 0", "━", "25/100  25.00 dB", "study", "0/2 done  about"):
        assert word in text


def test_a_file_gets_a_line_a_job_and_at_most_one_a_minute(out: io.StringIO, clock: Clock) -> None:
    progress = progress_in(out, clock)
    with progress:
        progress.expect({"search": Expected(2, 60.0)})
        progress.more("searches", {"search": 2}, follow=False)
        for key in ("a", "b"):
            progress.started({key: f"λ1={key}"}, "search")
        for second in range(0, 130, 10):
            clock.seconds = float(second)
            progress.progressed("a", told("a", second // 2, float(second)))
        progress.ended("a", "FP-PF  40 s", stages=[("search", "a")])
        progress.ended("b", "diverged", failed=True, stages=[("search", "b")])
    lines = out.getvalue().splitlines()
    assert lines[0] == "searches: 2 to do"
    assert [line.partition("left")[2] for line in lines[1:3]] == [
        f"; λ1=a  search  {done}/100  21.46 dB; λ1=b  search  starting" for done in (30, 60)
    ]
    assert lines[3:] == ["  done 1/2  λ1=a  FP-PF  40 s", "  failed 2/2  λ1=b  diverged"]
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize("name", ["[/x]", "[x]", "[red]", "["])
def test_a_label_is_printed_as_it_is(name: str, out: io.StringIO, clock: Clock) -> None:
    progress = progress_in(out, clock)
    progress.started({"a": f"test_set={name}"}, "search")
    clock.seconds = 100.0
    progress.progressed("a", told("a", 25, 10.0, None))
    progress.ended("a", "found", stages=[("search", "a")])
    assert [f"test_set={name}" in line for line in out.getvalue().splitlines()] == [True, True]


def test_more_jobs_add_to_those_that_there_are(out: io.StringIO, clock: Clock) -> None:
    progress = progress_in(out, clock)
    progress.more("searches", {"search": 2})
    progress.ended("a", "found [PF]", stages=[("search", "a")])
    progress.more("trainings", {"train": 3})
    progress.ended("b", "found", stages=[("search", "b")])
    progress.say("a line of its own")
    assert out.getvalue().splitlines() == [
        "searches: 2 to do",
        "  done 1/2  found [PF]",
        "trainings: 3 more to do",
        "  done 2/5  found",
        "  a line of its own",
    ]

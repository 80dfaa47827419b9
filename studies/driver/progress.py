"""What a person sees while a study runs: bars on a terminal, plain lines in a file."""

import time
from collections.abc import Callable
from typing import Self

from rich import progress
from rich.console import Console
from rich.text import Text

from analysis.rows.units import duration
from studies.work.jobs import Progressed

_LINE_SECONDS = 15.0


class Progress:
    """The jobs under way: trial, stage, iteration, PSNR so far, time left; and how many have ended."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic):
        self.console, self._clock, self._printed = console, clock, clock()
        self._ended, self._wanted, self._failed = 0, 0, 0
        names, told = "{task.description}", "{task.fields[told]}"
        bar = progress.BarColumn(max(4, min(24, console.width - 64)))
        columns = progress.TextColumn(names, markup=False), bar, progress.TextColumn(told)
        self._bars = progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._all = self._bars.add_task("", told="")
        self._jobs: dict[str, progress.TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def phase(self, name: str, wanted: int) -> None:
        """A new phase of `wanted` jobs begins."""
        self._wanted, self._ended, self._failed = 0, 0, 0
        self.more(name, wanted)

    def more(self, name: str, count: int) -> None:
        """There are `count` more jobs."""
        self.console.print(f"{name}: {count} {'more ' if self._wanted else ''}to do")
        self._wanted += count
        self._count(name)

    def say(self, line: str | Text) -> None:
        """One line above the jobs."""
        self.console.print(Text("  ").append(line))

    def started(self, key: str, label: str, stage: str) -> None:
        """A job has started, or starts again."""
        if key not in self._jobs:
            self._jobs[key] = self._bars.add_task(f"{label}  {stage}", total=None, told="starting")

    def progressed(self, key: str, told: Progressed) -> None:
        """A job has told a row of its curve."""
        left = told.seconds / max(1, told.iteration) * (told.iterations - told.iteration)
        psnr = told.record["psnr_db"]
        parts = [f"{told.iteration}/{told.iterations}", "" if psnr is None else f"{psnr:.2f} dB"]
        text = "  ".join(filter(None, [*parts, f"{duration(left)} left"]))
        self._bars.update(self._jobs[key], completed=told.iteration, total=told.iterations, told=text)
        if self._bars.disable and self._clock() - self._printed >= _LINE_SECONDS:
            self._printed = self._clock()
            for task in self._bars.tasks[1:]:
                self.say(f"{task.description}  {task.fields['told']}")

    def ended(self, key: str, outcome: str, failed: bool = False) -> None:
        """A job has ended (one that never started has no label of its own); `outcome` says how in a few words."""
        self._ended, self._failed = self._ended + 1, self._failed + failed
        label = ""
        if key in self._jobs:
            bar = self._jobs.pop(key)
            label = self._bars.tasks[self._bars.task_ids.index(bar)].description.rpartition("  ")[0]
            self._bars.remove_task(bar)
        mark = ("failed", "red") if failed else ("done", "green")
        self.say(Text.assemble(mark, "  ".join(filter(None, [f" {self._ended}/{self._wanted}", label, outcome]))))
        self._count()

    def _count(self, name: str | None = None) -> None:
        text = f"{self._ended} of {self._wanted} ended{f', {self._failed} failed' if self._failed else ''}"
        self._bars.update(self._all, completed=self._ended, total=self._wanted, description=name, told=text)

"""What a person sees while a study runs: a live table on a terminal, plain lines in a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from studies.work.jobs import Progressed

_LINE_SECONDS = 15.0


@dataclass
class _Line:
    """One job under way."""

    label: str
    stage: str
    iteration: int = 0
    iterations: int = 0
    psnr_db: float | None = None
    seconds: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        """From the pace so far."""
        return None if not self.iteration else self.seconds / self.iteration * (self.iterations - self.iteration)


class Progress:
    """The jobs under way: trial, stage, iteration, PSNR so far, time left; and how many have ended."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic):
        self.console, self._clock = console, clock
        self._lines: dict[str, _Line] = {}
        self._phase, self._ended, self._wanted, self._failed = "", 0, 0, 0
        live = Live(console=console, get_renderable=self._render, refresh_per_second=4, transient=True)
        self._live = live if console.is_terminal else None
        self._printed = clock()

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def phase(self, name: str, wanted: int) -> None:
        """A new phase of `wanted` jobs begins."""
        self._wanted, self._ended, self._failed, self._lines = 0, 0, 0, {}
        self.more(name, wanted)

    def more(self, name: str, count: int) -> None:
        """There are `count` more jobs."""
        self.console.print(f"{name}: {count} {'more ' if self._wanted else ''}to do")
        self._phase, self._wanted = name, self._wanted + count

    def say(self, line: str) -> None:
        """One line above the jobs."""
        self.console.print(f"  {line}", highlight=False, soft_wrap=True)

    def started(self, key: str, label: str, stage: str) -> None:
        """A job has started, or starts again."""
        self._lines.setdefault(key, _Line(label, stage))

    def progressed(self, key: str, told: Progressed) -> None:
        """A job has told a row of its curve."""
        line = self._lines[key]
        line.iteration, line.iterations, line.seconds = told.iteration, told.iterations, told.seconds
        line.psnr_db = told.record["psnr_db"]
        if self._live is None and self._clock() - self._printed >= _LINE_SECONDS:
            self._printed = self._clock()
            for shown in self._lines.values():
                self.console.print("  " + "  ".join(cell for cell in self._cells(shown) if cell), highlight=False)

    def ended(self, key: str, outcome: str, failed: bool = False) -> None:
        """A job has ended (one that never started has no label of its own); `outcome` says how in a few words."""
        line = self._lines.pop(key, None)
        self._ended, self._failed = self._ended + 1, self._failed + failed
        mark = "[red]failed[/]" if failed else "[green]done[/]"
        cells = [f"  {mark} {self._ended}/{self._wanted}", line.label if line else "", escape(outcome)]
        self.console.print("  ".join(filter(None, cells)), highlight=False, soft_wrap=True)

    def _cells(self, line: _Line) -> list[str]:
        left = line.seconds_left
        return [
            line.label,
            line.stage,
            f"{line.iteration}/{line.iterations}" if line.iterations else "starting",
            f"{line.psnr_db:.2f} dB" if line.psnr_db is not None else "",
            f"{duration(left)} left" if left is not None else "",
        ]

    def _render(self) -> Group:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("trial", "stage", "", "iteration", "PSNR so far", "time left"):
            table.add_column(heading)
        for line in list(self._lines.values()):
            label, stage, count, psnr, left = self._cells(line)
            bar = ProgressBar(max(line.iterations, 1), line.iteration, width=24)
            table.add_row(label, stage, bar, count, psnr, left)
        failed = f", {self._failed} failed" if self._failed else ""
        return Group(table, Text(f"{self._phase}: {self._ended} of {self._wanted} ended{failed}", style="dim"))


def duration(seconds: float) -> str:
    """Seconds in the units that a person would use."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"

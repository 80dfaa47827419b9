"""What a person sees while a study runs: bars on a terminal, plain lines in a file, a line that moves in a notebook.

The bar on top is of the whole study. Its time left begins with what the stages are expected to cost, and follows what
those that have run really took.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from rich import progress
from rich.console import Console
from rich.text import Text

from analysis.rows.units import duration
from clearer.command import print_prose
from studies.planning.costs import Expected
from studies.planning.plan import ALONE
from studies.work.jobs import Progressed

_LINE_SECONDS, _CELL_SECONDS = 60.0, 1.0
_ENOUGH = 0.1
"""From so many jobs' worth of work on, what a stage took counts for what is left of it."""


@dataclass
class _Stage:
    """The jobs of one kind: how many are expected, how much is done in jobs, and what that took in slot-seconds."""

    expected: float = 0.0
    seconds: float = 0.0
    known: int = 0
    shares: dict[str, float] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)

    @property
    def done(self) -> float:
        return sum(self.shares.values())

    def end(self, key: str) -> None:
        """A job has ended, at the pace that it last had."""
        if key in self.took:
            self.took[key] /= self.shares[key]
        self.shares[key] = 1.0

    @property
    def pace(self) -> float | None:
        """How much longer than expected its jobs take; None where that is not known yet."""
        measured = sum(self.shares[key] for key in self.took)
        return sum(self.took.values()) / measured / self.seconds if measured >= _ENOUGH and self.seconds else None


class Progress:
    """The jobs under way, a pack in one line: trials, stage, iteration, PSNR so far; and how far the whole study is."""

    def __init__(self, console: Console, slots: int = 1, clock: Callable[[], float] = time.monotonic):
        self.console, self._slots, self._clock = console, slots, clock
        self._printed, self._ended, self._wanted, self._failed = clock(), 0, 0, 0
        self._stages: dict[str, _Stage] = {}
        self._left, self._since = 0.0, clock()
        bar = progress.BarColumn(max(4, min(24, console.width - 64)))
        texts = [progress.TextColumn(f"{{task.{name}}}", markup=False) for name in ("description", "fields[told]")]
        columns, is_hidden = (texts[0], bar, texts[1]), not console.is_terminal
        self._bars = progress.Progress(*columns, console=console, transient=True, disable=is_hidden)
        self._all = self._bars.add_task("study", total=1.0, told=self)
        self._packs: dict[str, tuple[progress.TaskID, tuple[str, ...], str]] = {}
        self._labels: dict[str, str] = {}
        self._psnr: dict[str, float] = {}
        self._cell: Any = None
        """The output of a notebook's cell that says how far it is."""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def expect(self, expected: Mapping[str, Expected]) -> None:
        """What a round of trials is expected to take, stage by stage."""
        for name, one in expected.items():
            stage = self._stages.setdefault(name, _Stage())
            stage.expected, stage.seconds = stage.done + one.jobs, one.seconds
        self._reckon()

    def __str__(self) -> str:
        """How far the study is, in words."""
        left = max(0.0, self._left - (self._clock() - self._since))
        ended = f"{self._ended}/{self._wanted} done  " if self._wanted else ""
        failed = f"{self._failed} failed  " if self._failed else ""
        if not self._stages:
            return "reckoning how long it takes"
        late = "longer than expected" if self._ended < self._wanted else "ends soon"
        return f"{ended}{failed}{f'about {duration(left)} left' if left >= 1 else late}"

    def more(self, name: str, stages: Mapping[str, int], follow: bool = True) -> None:
        """There are so many jobs more, by stage; unless others `follow`, there will be no more of these stages."""
        count = sum(stages.values())
        self.console.print(f"{name}: {count} {'more ' if self._wanted else ''}to do")
        self._wanted += count
        for stage, one in stages.items():
            found = self._stages.setdefault(stage, _Stage())
            found.known += one
            found.expected = max(found.expected, found.known) if follow else found.known
        self._reckon()

    def say(self, line: str | Text) -> None:
        """One line above the jobs."""
        print_prose(self.console, Text("  ").append(line))

    def started(self, labels: Mapping[str, str], stage: str) -> None:
        """The jobs of a pack, by their keys, have started, or start again."""
        self._labels |= labels
        keys = tuple(labels)
        if keys and keys[0] not in self._packs:
            some = keys[0] if len(keys) == 1 else ""
            text = f"{labels[some]}  {stage}" if some else f"{len(keys)} × {stage}  {_together(list(labels.values()))}"
            text = text if len(text) <= (most := max(24, self.console.width - 50)) else f"{text[: most - 1]}…"
            bar = self._bars.add_task(text, total=None, told="starting")
            self._packs |= dict.fromkeys(keys, (bar, keys, stage))

    def progressed(self, key: str, told: Progressed) -> None:
        """A job has told a row of its curve."""
        bar, keys, name = self._packs[key]
        stage = self._stages.setdefault(name, _Stage())
        stage.shares[key], stage.took[key] = told.iteration / told.iterations, told.seconds / len(keys)
        if told.record["psnr_db"] is not None:
            self._psnr[key] = told.record["psnr_db"]
        scores = [self._psnr[one] for one in keys if one in self._psnr]
        psnr = f"{sum(scores) / len(scores):.2f} dB" if scores else ""
        parts = filter(None, [f"{told.iteration}/{told.iterations}", psnr])
        self._bars.update(bar, completed=told.iteration, total=told.iterations, told="  ".join(parts))
        self._reckon()
        every = _CELL_SECONDS if self.console.is_jupyter else _LINE_SECONDS
        if self._bars.disable and self._clock() - self._printed >= every:
            self._printed = self._clock()
            running = [f"{task.description}  {task.fields['told']}" for task in self._bars.tasks[1:]]
            if self.console.is_jupyter:
                self._show("\n".join([str(self), *running]))
            else:
                self.say("; ".join([str(self), *running]))

    def _show(self, text: str) -> None:
        """Says in a notebook's cell how far it is, in the place of what stood there."""
        from IPython.display import display

        if self._cell is None:
            self._cell = display({"text/plain": text}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._cell.update({"text/plain": text}, raw=True)

    def ended(self, key: str, outcome: str, failed: bool = False, stages: Iterable[tuple[str, str]] = ()) -> None:
        """A job has ended (one that never started has no label of its own); `outcome` says how in a few words.

        `stages` are what it computed, as (stage, key): a training and its tests, say; nothing: a testing time.
        """
        self._ended, self._failed = self._ended + 1, self._failed + failed
        for stage, one in stages or [(ALONE, key)]:
            self._stages.setdefault(stage, _Stage()).end(one)
        if key in self._packs:
            bar, keys, _ = self._packs.pop(key)
            if not any(one in self._packs for one in keys):
                self._bars.remove_task(bar)
        mark = ("failed", "red") if failed else ("done", "green")
        parts = [f" {self._ended}/{self._wanted}", self._labels.pop(key, ""), outcome]
        self.say(Text.assemble(mark, "  ".join(filter(None, parts))))
        self._reckon()

    def _reckon(self) -> None:
        """The time left, and how much of all time that is, from what is expected and what was measured."""
        paces = [stage.pace for stage in self._stages.values() if stage.pace]
        usual = sum(paces) / len(paces) if paces else 1.0
        left = done = 0.0
        for name, stage in self._stages.items():
            slots = 1 if name == ALONE else self._slots
            each = stage.seconds * (stage.pace or usual) / slots
            left += each * max(0.0, stage.expected - stage.done)
            done += each * stage.done
        self._left, self._since = left, self._clock()
        self._bars.update(self._all, completed=done, total=(left + done) or 1.0)


def _together(labels: list[str]) -> str:
    """What labels have in common, word by word, with all values of what they differ in."""
    words = [label.split() for label in labels]
    if len({len(one) for one in words}) > 1:
        return f"{labels[0]} …"
    columns = (list(dict.fromkeys(column)) for column in zip(*words, strict=True))
    return " ".join(_values(column) for column in columns)


def _values(words: list[str]) -> str:
    names = {word.partition("=")[0] for word in words if "=" in word}
    if len(words) > 1 and len(names) == 1:
        return f"{names.pop()}={','.join(word.partition('=')[2] for word in words)}"
    return ",".join(words)

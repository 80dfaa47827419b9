"""Does a task want its own architecture?

Grid      A search for each task: noise of σ = 30, 50, 70, and rain (Rain800, colour). Then every
          architecture that a task found is trained on every other task, with the same seed. Beside
          them random architectures, all parallel and all fusion, trained on every task.
          With T tasks, R random architectures and n seeds: n·T searches, n·T·(R + 2) trainings without
          one, at most n·T·(T − 1) retrained.
          quick: 3 searches on the embedded photographs, 4 where `--data` has Rain800
          proxy, paper: 4 searches
Cost      `--dry-run` says what it takes on your machine.
Shows     PSNR of every architecture on every task: the diagonal (its own task) against the column's mean.
Command   python studies/tasks.py
          python studies/tasks.py --preset proxy --data DIR --seeds 3 --set allow_overlap=true
Usually   --set task=jpeg,deblur,super_resolve   --set task=jpeg quality=10,40
Note      Rain800's training split shares one scene with its test split; `allow_overlap=true` runs
          nevertheless, and the rows record it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.statistics.answers import transfer_lines
from clearer.configuration import Configuration
from clearer.tasks.known import OF_TASKS, task_of
from studies.driver.command_line import main
from studies.driver.study import Findings, Study

_OF_A_TASK = {"task", "grayscale"} | OF_TASKS
"""The fields in which tasks differ, or which one of them does not read."""


def tasks(preset: str, folder: Path | None) -> Sequence[Mapping[str, Any]]:
    """A point a task; rain is left out of the quick preset where there is no Rain800."""
    points: list[dict[str, Any]] = [{"task": "denoise", "sigma": sigma} for sigma in (30.0, 50.0, 70.0)]
    if preset == "quick" and not (folder is not None and (folder / "rain800").is_dir()):
        return points
    return [*points, {"task": "derain"}]


def retrained(findings: Findings) -> list[Configuration]:
    """Every architecture that a task found, on every other task of the same seed and the same values of `--set`."""
    searched = [c for c in findings.trials if c.kind == "searched"]
    found = findings.found
    shared = {"seed", *findings.options.assigned} - _OF_A_TASK
    return [
        target.with_values(kind="given", architecture=found[source.trial_id])
        for source in searched
        for target in searched
        if source.trial_id in found
        and _task(source) != _task(target)
        and all(getattr(source, name) == getattr(target, name) for name in shared)
    ]


def _task(c: Configuration) -> tuple[Any, ...]:
    return c.task, *task_of(c).values(c).values()


def answer(findings: Findings) -> list[str]:
    """Own architecture against the others', task by task."""
    is_whole = "task" in findings.options.assigned or any(task_of(c).is_paired for c in findings.trials)
    left_out = "rain was left out: it needs --data DIR with rain800/"
    return [*transfer_lines(findings.rows), *(() if is_whole else (left_out,))]


STUDY = Study(
    name="tasks",
    random={"quick": 1, "proxy": 3, "paper": 3},
    points=tasks,
    follow=retrained,
    answer=answer,
)

if __name__ == "__main__":
    raise SystemExit(main(STUDY, __doc__))

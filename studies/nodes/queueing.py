"""What Tune asks a study's driver, a queue of packs, and what it tells it, for a watcher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from studies.work.jobs import Failure, Job, Pack

MAX_FAILURES = 3
"""How often in a row a pack is started again whose worker or node was lost, without getting further."""
_NO_MEMORY = "running low on memory"
"""What Ray says of a worker that it killed before the node's memory was gone."""


@dataclass
class Watcher:
    """What the driver does while a phase runs; every argument is plain data."""

    started: Callable[[Job], None] = lambda job: None
    progressed: Callable[[Job, dict[str, Any]], None] = lambda job, progress: None
    ended: Callable[[Job, Failure | None], None] = lambda job, failure: None
    stopped: Callable[[Job, dict[str, Any]], None] = lambda job, spent: None


def queue_of(
    packs: Sequence[Pack],
    then: Callable[[], Sequence[Pack]] | None,
    ended: set[str],
    slots: int,
    idle: Callable[[], None],
) -> Any:
    """What Tune takes packs from: `packs` in order, then those of `then`, which is asked once all searches have `ended`.

    `idle` is called once, when for the first of the `slots` there is nothing left to do.
    """
    from ray.tune.search import Searcher

    class Queue(Searcher):
        """`given` are the keys of the jobs that Tune has."""

        def __init__(self) -> None:
            super().__init__()
            self._waiting, self._then = list(packs), then
            self.given: set[str] = set()
            self._under_way, self._said = 0, False
            self._searches = {job.key for pack in packs for job in pack.jobs if job.stage == "search"}

        @property
        def is_left(self) -> bool:
            """Whether there is more to hand out."""
            return bool(self._waiting) or self._then is not None

        def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
            if self._then is not None and self._searches <= ended:
                further, self._then = self._then, None
                self._waiting += further()
            if self._waiting:
                pack = self._waiting.pop(0)
                self._under_way += 1
                self.given |= {job.key for job in pack.jobs}
                return {"pack": pack}
            return None if self.is_left else self.FINISHED

        def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
            self._under_way -= 1
            if not self.is_left and self._under_way < slots and not self._said:
                self._said = True
                idle()

        def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
            pass  # Tune's own files are disposable

        def __reduce__(self) -> Any:
            return object, ()  # Tune pickles its options for a restore that is never made

    return Queue()


def callback(watcher: Watcher, ended: set[str]) -> Any:
    """What Tune tells: passed on to the watcher, job by job. Adds to `ended` the keys of jobs that ended."""
    from ray import tune

    furthest: dict[str, int] = {}

    class Report(tune.Callback):
        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            for job in trial.config["pack"].jobs:
                if job.key not in ended:
                    watcher.started(job)

        def on_trial_result(
            self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
        ) -> None:
            if result.get("iteration", 0) > furthest.get(trial.trial_id, 0):
                furthest[trial.trial_id] = result["iteration"]
                trial.run_metadata.num_failures = 0  # nodes may be taken back any number of times
            for job in trial.config["pack"].jobs:
                if job.key in result.get("records", ()):
                    about = {name: result[name] for name in ("iteration", "iterations", "seconds")}
                    watcher.progressed(job, {**about, "record": result["records"][job.key]})
                    if result.get("done") and job.key not in ended:  # so says the scheduler, never the job
                        ended.add(job.key)
                        watcher.stopped(job, result["spent"][job.key])
                elif job.key in result.get("ended", ()):
                    self._end(job, result["ended"][job.key])

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            if _NO_MEMORY in (trial.get_error() or ""):
                lost = Failure("its worker was killed: the node's memory was full")
            else:
                lost = Failure("its worker was lost again and again without getting further", permanent=False)
            for job in trial.config["pack"].jobs:
                self._end(job, lost)

        def __reduce__(self) -> Any:
            return object, ()  # Tune pickles its options for a restore that is never made

        def _end(self, job: Job, failure: Failure | None) -> None:
            if job.key not in ended:
                ended.add(job.key)
                watcher.ended(job, failure)

    return Report()

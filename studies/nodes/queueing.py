"""What Ray Tune asks and tells, passed on to the driver through an exchange: packs one way, events the other."""

from typing import Any

from ray import tune
from ray.tune.search import Searcher

from studies.nodes.exchange import Exchange
from studies.work.jobs import Ended, Event, Failure, Progressed, Started

MAX_FAILURES = 3
"""How often in a row a pack is started again whose worker or node was lost, without getting further."""
_NO_MEMORY = "running low on memory"
"""What Ray says of a worker that it killed before the node's memory was gone."""


class _End:
    """An end of the exchange that Tune holds. Tune pickles it for a restore that is never made."""

    def __init__(self, exchange: Exchange):
        super().__init__()
        self._exchange = exchange

    def __reduce__(self) -> Any:
        return object, ()


class Queue(_End, Searcher):
    """What Tune takes packs from."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        pack = self._exchange.next_pack()
        if pack is not None:
            return {"pack": pack}
        return self.FINISHED if self._exchange.is_closed else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pass

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        pass  # Tune's own files are disposable


class Stop(_End, tune.Stopper):
    """Ends Tune's run where the driver has closed the exchange."""

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._exchange.is_closed


class Report(_End, tune.Callback):
    """What Tune tells of its trials, passed on as events of jobs, each end once."""

    def __init__(self, exchange: Exchange):
        super().__init__(exchange)
        self._ended: set[tuple[str, str]] = set()
        self._furthest: dict[str, int] = {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._exchange.tell(Started(trial.config["pack"]))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        for event in result.get("events", ()):
            if isinstance(event, Progressed) and event.iteration > self._furthest.get(trial.trial_id, 0):
                self._furthest[trial.trial_id] = event.iteration
                trial.run_metadata.num_failures = 0  # nodes may be taken back any number of times
            self._tell(trial, event)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        if _NO_MEMORY in (trial.get_error() or ""):
            lost = Failure("its worker was killed: the node's memory was full")
        else:
            lost = Failure("its worker was lost again and again without getting further", permanent=False)
        for job in trial.config["pack"].jobs:
            self._tell(trial, Ended(job.key, lost))

    def _tell(self, trial: Any, event: Event) -> None:
        if isinstance(event, Ended):
            end = trial.trial_id, event.key
            if end in self._ended:
                return
            self._ended.add(end)
        self._exchange.tell(event)

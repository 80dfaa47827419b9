"""What Ray Tune is given: where packs come from, who is told of them, and the worker process that computes them.

Packs and events go through an exchange. A worker tells some events a step, and saves a last checkpoint where it has to
leave: its process is sent SIGTERM, the driver stops it, or its node is drained. A spot machine that is taken back and a
pod that is deleted are drained: `ray start` does so on SIGTERM where RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S is set.
"""

import itertools
import signal
import sys
import time
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher

from clearer.machine import keep_freed_memory
from studies.nodes.capacity import Request
from studies.nodes.exchange import Exchange
from studies.work.gpu import take_memory
from studies.work.jobs import Ended, Event, Failure, Progressed, Started
from studies.work.learning import compute_pack
from studies.work.place import Place

MAX_FAILURES = 3
"""How often in a row a pack is started again whose worker or node was lost, without getting further."""
_NO_MEMORY = "running low on memory"
"""What Ray says of a worker that it killed before the node's memory was gone."""
_DRAINING_SECONDS = 5.0
"""The time between two questions whether the node is drained."""


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

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._exchange.tell(Started(trial.config["pack"]))

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any) -> None:
        for event in result.get("events", ()):
            if isinstance(event, Progressed) and event.iteration > self._furthest.get(trial.trial_id, 0):
                self._furthest[trial.trial_id] = event.iteration
                trial.run_metadata.num_failures = 0  # nodes may be taken back any number of times
            self._tell(trial, event)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
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


class PackWorker(tune.Trainable):
    """A Tune trial: a job's own failure is an event, a lost worker is Tune's to start again."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        request = Request(config["pack"].jobs[0].configuration.threads, _gpus(config))
        return tune.PlacementGroupFactory([request.resources])

    def setup(self, config: dict[str, Any], place: Place | None = None) -> None:
        """Begins with a pack at `place`, which may hold secrets: Tune writes `config` to files."""
        assert place is not None
        keep_freed_memory()  # a testing time is measured in another process, as a user's own would be
        self._place = place
        self._told_to_leave = False
        self._asked = time.monotonic()
        if gpus := _gpus(config):
            take_memory(gpus)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begins with another pack in the same process."""
        self._events = compute_pack(new_config["pack"], self._place, self._has_to_leave)
        self._under_way = {job.key for job in new_config["pack"].jobs}
        return True

    def step(self) -> dict[str, Any]:
        """What the pack tells next, as `events`, the end of its last job as `done`.

        Both at once: else Tune would ask for room for the pack that follows, find this process free in the next moment,
        and give back room that Ray is about to make. Of that Ray 2.60 loses count, and the room is never free again.
        """
        # Ray's own handler would end the process within an iteration. Between steps it has to: so idle workers end.
        rays = signal.signal(signal.SIGTERM, self._on_sigterm)
        try:
            events = next(self._events)
            self._under_way -= {event.key for event in events if isinstance(event, Ended)}
            if not self._under_way:
                events = [*events, *itertools.chain.from_iterable(self._events)]
        except StopIteration:  # it had to leave
            events, self._under_way = [], set()
        finally:
            signal.signal(signal.SIGTERM, rays)
        if self._told_to_leave:
            try:
                self.cleanup()
            finally:
                sys.exit(1)
        return {"events": events, "done": not self._under_way}

    def cleanup(self) -> None:
        """Saves what is under way."""
        self._events.close()

    def _on_sigterm(self, *_: object) -> None:
        self._told_to_leave = True

    def _has_to_leave(self) -> bool:
        if not self._told_to_leave and time.monotonic() - self._asked >= _DRAINING_SECONDS:
            self._asked = time.monotonic()
            if _node_is_drained():  # SIGTERM may come meanwhile, so False is not assigned
                self._told_to_leave = True
        return self._told_to_leave


def _gpus(config: dict[str, Any]) -> float:
    """The share of a GPU that a pack takes."""
    return config.get("gpus", 0.0) if config["pack"].jobs[0].on_gpu else 0.0


def _node_is_drained() -> bool:
    try:
        client = ray._private.worker.global_worker.gcs_client  # type: ignore[attr-defined]
        return ray.get_runtime_context().get_node_id() in client.get_draining_nodes(timeout=1)
    except Exception:  # a question that nothing depends on
        return False

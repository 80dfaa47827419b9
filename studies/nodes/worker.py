"""What Ray Tune runs in a worker process: a pack of jobs, some events a step, a last checkpoint where it has to leave.

A worker leaves when its process is sent SIGTERM, when the driver stops it, and when its node is drained: a
spot machine that is taken back, a pod that is deleted (`ray start` drains its node on SIGTERM where
RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S is set).
"""

import signal
import sys
import time
from typing import Any

import ray
from ray import tune

from studies.work.gpu import take_memory
from studies.work.learning import compute_pack
from studies.work.place import Place

_DRAINING_SECONDS = 5.0
"""The time between two questions whether the node is drained."""


class PackWorker(tune.Trainable):
    """A Tune trial: a job's own failure is an event, a lost worker is Tune's to start again."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        gpus = _gpus(config)
        return tune.PlacementGroupFactory(
            [{"CPU": config["pack"].configuration.threads, **({"GPU": gpus} if gpus else {})}]
        )

    def setup(self, config: dict[str, Any], place: Place | None = None) -> None:
        """Begins with a pack at `place`, which may hold secrets: Tune writes `config` to files."""
        assert place is not None
        self._place = place
        self._told_to_leave = False
        self._asked = time.monotonic()
        if gpus := _gpus(config):
            take_memory(gpus)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begins with another pack in the same process."""
        self._events = compute_pack(new_config["pack"], self._place, self._has_to_leave)
        return True

    def step(self) -> dict[str, Any]:
        """What the pack tells next, as `events`; `done` where it has told all."""
        # Ray's own handler would end the process within an iteration. Between steps it has to: so idle workers end.
        rays = signal.signal(signal.SIGTERM, self._on_sigterm)
        try:
            events = next(self._events, None)
        finally:
            signal.signal(signal.SIGTERM, rays)
        if self._told_to_leave:
            try:
                self.cleanup()
            finally:
                sys.exit(1)
        return {"done": True} if events is None else {"events": events}

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

"""Where and when packs and testing times run. `studies.nodes.connection` joins or starts the cluster.

Packs are Ray Tune's trials: it places them, limits how many run at once, and starts one again when its worker or node
is lost. What a job computed is in the store, so Tune's own files are disposable. Testing times are taken by one task at
a time after the trials, on one node of which nothing else of the study has a share.
"""

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.storage.places import redacted
from studies.nodes.capacity import Request
from studies.nodes.connection import ClusterError
from studies.nodes.exchange import Exchange
from studies.work.jobs import failure_of
from studies.work.place import Place
from studies.work.trials import Trial

MAX_FAILURES = 3
"""How often a task that takes times is started again whose node was lost."""
_LOST_IN_A_ROW = 2
Timed = tuple[Trial, str]
"""A trial with its architecture, whose network has been trained."""
Time = tuple[str | None, str | None]
"""The key of a testing time, or why there is none."""


@dataclass(frozen=True)
class Cluster:
    """The Ray that this process is connected to, and how much of it a trial takes."""

    gpus_per_trial: float = 0.0
    concurrent: int | None = None

    def check_request(self, threads: int) -> None:
        """Raises ClusterError, a line for each resource that is missing, where no node can ever hold a trial."""
        problems = Request(threads, self.gpus_per_trial).problems(self.nodes())
        if problems:
            raise ClusterError("\n".join(problems))

    def nodes(self) -> list[dict[str, float]]:
        """The resources of every node that is alive."""
        return [node["Resources"] for node in alive()]

    def slots(self, threads: int) -> int:
        """How many trials, or packs of them, run at once."""
        held = Request(threads, self.gpus_per_trial).slots(self.nodes())
        return min(held, self.concurrent or held)

    @contextlib.contextmanager
    def workers(self, place: Place) -> Iterator[Exchange]:
        """Processes that compute what an exchange gives them, until it is left. It raises OSError on a full disk."""
        exchange, scratch = Exchange(), _scratch(place)
        thread = threading.Thread(target=self._run_tune, args=(exchange, place, scratch), name="tune", daemon=True)
        thread.start()
        try:
            yield exchange
        finally:
            exchange.close()
            thread.join()
            shutil.rmtree(scratch, ignore_errors=True)

    def _run_tune(self, exchange: Exchange, place: Place, scratch: Path) -> None:
        from ray import tune

        try:
            self._tuner(exchange, place, scratch).fit()
            exchange.tell(RuntimeError("Ray Tune has ended by itself"))
        except Exception as error:
            cause = error.__cause__ if isinstance(error, tune.TuneError) else error
            if isinstance(cause, OSError | EOFError):  # of Tune's own files, where the disk is full
                cause = OSError(f"Ray Tune can't use {scratch} ({str(cause) or 'a file is cut off'})")
            exchange.tell(cause or error)

    def _tuner(self, exchange: Exchange, place: Place, scratch: Path) -> Any:
        from ray import tune
        from ray.tune.execution import class_cache

        from studies.nodes import queueing
        from studies.nodes.worker import PackWorker

        # Tune would give trials a runtime environment, for which processes that have started already do not
        # serve, and put AWS's keys in it, which Ray then logs. A node's processes have that node's own.
        class_cache.ENV_VARS_TO_PROPAGATE.clear()
        class_cache.DEFAULT_ENV_VARS.clear()
        trainable = tune.with_parameters(PackWorker, place=place)
        trainable.__qualname__ = PackWorker.__qualname__  # what `ps` and Ray's dashboard show
        asks = tune.TuneConfig(search_alg=queueing.Queue(exchange), num_samples=-1)
        asks.max_concurrent_trials, asks.reuse_actors = self.concurrent, self.gpus_per_trial == 0
        runs = tune.RunConfig(name="packs", storage_path=str(scratch), stop=queueing.Stop(exchange), verbose=0)
        runs.callbacks = [queueing.Report(exchange)]
        runs.failure_config = tune.FailureConfig(max_failures=queueing.MAX_FAILURES)
        runs.checkpoint_config = tune.CheckpointConfig(checkpoint_at_end=False)  # one that fails costs the process
        return tune.Tuner(trainable, param_space={"gpus": self.gpus_per_trial}, tune_config=asks, run_config=runs)

    def time_networks(self, timed: Sequence[Timed], place: Place) -> Iterator[Time]:
        """The keys of testing times, in order, each measured alone on one node; or why one could not be had.

        A network whose process is lost again and again has no time; after two such in a row, no other has one.
        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        left, lost, why = list(timed), 0, ""
        while left and lost < _LOST_IN_A_ROW:
            node = self._timing_node(timed)
            where = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            whole = {"num_gpus": 1} if self.gpus_per_trial > 0 else {"num_cpus": node["Resources"].get("CPU", 1)}
            options = {"scheduling_strategy": where, "num_returns": "streaming", "max_retries": MAX_FAILURES, **whole}
            task = ray.remote(_time_networks).options(**options)
            try:
                for reference in task.remote(left, place):  # type: ignore[attr-defined]
                    found = ray.get(reference)
                    left, lost = left[1:], 0
                    yield found
            except ray.exceptions.RayError as error:
                left, lost = left[1:], lost + 1
                why = f"the process that takes testing times was lost again and again ({cause(error)})"
                yield None, why
        yield from [(None, why)] * len(left)

    def timing_host(self, timed: Sequence[Timed]) -> str:
        """The name of the machine on which `time_networks` measures."""
        return self._timing_node(timed)["NodeManagerHostname"]

    def _timing_node(self, timed: Sequence[Timed]) -> dict[str, Any]:
        """The driver's own node where it can hold what is timed, else the first by its id of those that can."""
        import ray

        request = Request(max(trial.configuration.threads for trial, _ in timed), min(self.gpus_per_trial, 1.0))
        here = ray.get_runtime_context().get_node_id()
        return min(alive(), key=lambda n: (not request.slots([n["Resources"]]), n["NodeID"] != here, n["NodeID"]))


def cause(error: Exception) -> str:
    """What an error of Ray says: the last line of a traceback; of a node or a process that went away, the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return redacted(lines[-1 if "Traceback" in str(error) else 0] if lines else type(error).__name__)


def alive() -> list[dict[str, Any]]:
    """What Ray says of every node that is alive."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _scratch(place: Place) -> Path:
    """A new folder for Tune's own files: in a store that is a folder, so that every node of a cluster sees it."""
    below = None if "://" in place.storage else Path(place.storage, "ray")
    if below is not None:
        below.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="tune-", dir=below))


def _time_networks(timed: list[Timed], place: Place) -> Iterator[Time]:
    from studies.work import stages

    for trial, architecture in timed:
        c, train = trial.configuration, trial.train_key(architecture)
        try:
            yield stages.compute_time(c, architecture, trial.data, train, place), None
        except Exception as error:
            yield None, failure_of(error).reason

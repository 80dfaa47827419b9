"""Where and when packs and testing times run. `studies.nodes.connection` joins or starts the cluster.

Packs are Ray Tune's trials: it places them, limits how many run at once, and starts one again when its worker or node
is lost. What a job computed is in the store, so Tune's own files are disposable. Testing times, and the module times
of `complexity=time` on a GPU, are taken by one task at a time, on one node of which nothing else of the study has a
share. Its process ends with it, and gives its GPU's memory back.
"""

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.storage.places import cause
from clearer.configuration import Configuration
from clearer.fields import nearest
from clearer.machine import without_threads
from studies.nodes.capacity import Request
from studies.nodes.connection import ClusterError
from studies.nodes.exchange import Exchange
from studies.work.jobs import failure_of
from studies.work.keys import Trial
from studies.work.module_times import module_times
from studies.work.place import Place

MAX_FAILURES = 3
"""How often a task that takes times is started again whose node was lost."""
_LOST_IN_A_ROW = 2
_WAIT_SECONDS = 30.0
"""After so long without a device to take times on, that is said."""
Say = Callable[[str], None]
Timed = tuple[Trial, str]
"""A trial with its architecture, whose network has been trained."""
Time = tuple[str | None, str | None]
"""The key of a testing time, or why there is none."""


@dataclass(frozen=True)
class Cluster:
    """The Ray that this process is connected to, and how much of it a trial takes."""

    gpus_per_trial: float = 0.0
    concurrent: int | None = None
    will_hold: int | None = None
    """How many trials the nodes will hold that an autoscaler starts."""
    time_on: str | None = None
    """The node that takes testing times."""
    devices: dict[str, str] = field(default_factory=dict)
    """What computes on each node, by its name, as preflight has found it."""

    def check_request(self, threads: int) -> None:
        """Raises ClusterError, a line for each resource that is missing, where no node can ever hold a trial."""
        problems = [] if self.will_hold else Request(threads, self.gpus_per_trial).problems(self.nodes())
        names = sorted({node_name(node) for node in alive()})
        if self.time_on not in (None, *names):
            problems.append(f"--time-on {self.time_on}: no such node{nearest(str(self.time_on), names)}")
        if problems:
            raise ClusterError("\n".join(problems))

    def nodes(self) -> list[dict[str, float]]:
        """The resources of every node that is alive."""
        return [node["Resources"] for node in alive()]

    def slots(self, threads: int) -> int:
        """How many trials, or packs of them, run at once."""
        held = max(Request(threads, self.gpus_per_trial).slots(self.nodes()), self.will_hold or 0)
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
        try:
            from ray import tune
        except Exception as error:  # or the driver would wait for ever
            mend = "`pip install -c constraints.txt -e .` installs all that it needs"
            exchange.tell(ClusterError(f"Ray Tune can't be loaded ({type(error).__name__}: {error}); {mend}"))
            return
        try:
            self._tuner(exchange, place, scratch).fit()
            exchange.tell(RuntimeError("Ray Tune has ended by itself"))
        except Exception as error:
            problem = error.__cause__ if isinstance(error, tune.TuneError) else error
            if isinstance(problem, OSError | EOFError):  # of Tune's own files, where the disk is full
                problem = OSError(f"Ray Tune can't use {scratch} ({str(problem) or 'a file is cut off'})")
            exchange.tell(problem or error)

    def _tuner(self, exchange: Exchange, place: Place, scratch: Path) -> Any:
        from ray import tune
        from ray.tune.execution import class_cache

        from studies.nodes import tuning

        # Tune would give trials a runtime environment, for which processes that have started already do not
        # serve, and put AWS's keys in it, which Ray then logs. A node's processes have that node's own.
        class_cache.ENV_VARS_TO_PROPAGATE.clear()
        class_cache.DEFAULT_ENV_VARS.clear()
        trainable = tune.with_parameters(tuning.PackWorker, place=place)
        trainable.__qualname__ = tuning.PackWorker.__qualname__  # what `ps` and Ray's dashboard show
        asks = tune.TuneConfig(search_alg=tuning.Queue(exchange), num_samples=-1)
        asks.max_concurrent_trials, asks.reuse_actors = self.concurrent, self.gpus_per_trial == 0
        runs = tune.RunConfig(name="packs", storage_path=str(scratch), stop=tuning.Stop(exchange), verbose=0)
        runs.callbacks = [tuning.Report(exchange)]
        runs.failure_config = tune.FailureConfig(max_failures=tuning.MAX_FAILURES)
        runs.checkpoint_config = tune.CheckpointConfig(checkpoint_at_end=False)  # one that fails costs the process
        return tune.Tuner(trainable, param_space={"gpus": self.gpus_per_trial}, tune_config=asks, run_config=runs)

    def time_networks(self, timed: Sequence[Timed], place: Place, device: str = "", say: Say = print) -> Iterator[Time]:
        """The keys of testing times, in order, each measured alone on one node; or why one could not be had.

        A network whose process is lost again and again has no time; after two such in a row, no other has one. `device`
        is as in `timing_node`.
        """
        import ray

        threads = max(trial.configuration.threads for trial, _ in timed)
        left, lost, why = list(timed), 0, ""
        while left and lost < _LOST_IN_A_ROW:
            try:
                for found in self._alone(_time_networks, threads, device, say, left, place):
                    left, lost = left[1:], 0
                    yield found
            except ray.exceptions.RayError as error:
                left, lost = left[1:], lost + 1
                why = f"the process that takes testing times was lost again and again ({cause(error)})"
                yield None, why
        yield from [(None, why)] * len(left)

    def module_times(self, c: Configuration, store: str, keep: bool, device: str, say: Say) -> tuple[float, ...]:
        """As `studies.work.module_times`, on a GPU of the cluster."""
        return tuple(self._alone(module_times, c.threads, device, say, c, store, "cuda", keep))

    def _alone(self, body: Any, threads: int, device: str, say: Say, *arguments: Any) -> Iterator[Any]:
        """What a function gives, one by one, from a process of its own that has the whole device of the timing node."""
        import ray

        node = self.timing_node(threads, device)
        cpus = node["Resources"].get("CPU", 1) if node else threads
        takes = {"num_gpus": 1} if self.gpus_per_trial else {"num_cpus": cpus}
        # `options` alone does not make a process that has taken up CUDA end: it would keep its memory.
        options = {"num_returns": "streaming", "max_retries": MAX_FAILURES, "max_calls": 1, **takes}
        task = on_node(node["NodeID"] if node else None, _begun, **options)
        results = task.options(name=body.__name__).remote(body, *arguments)
        if not ray.wait([results], timeout=_WAIT_SECONDS)[0]:
            what = "a GPU" if self.gpus_per_trial else "all cores"
            say(f"waiting for {what} of {node_name(node) if node else 'a node that is started'}, to take times alone")
        ray.get(next(results))
        for reference in results:
            yield ray.get(reference)

    def timing_node(self, threads: int, device: str = "") -> dict[str, Any] | None:
        """The node on which times are taken; None where one has to be started.

        It is that of `time_on`, else of those that can hold what is timed one with the `device` that other times of the
        study were taken on; of these the driver's own, else the first by name. Raises ClusterError: the device is gone.
        """
        import ray

        request = Request(threads, 1.0 if self.gpus_per_trial else 0.0)
        nodes = [node for node in alive() if request.slots([node["Resources"]])]
        if self.time_on is not None:
            nodes = [node for node in nodes if node_name(node) == self.time_on]
            if not nodes:
                raise ClusterError(f"--time-on {self.time_on}: the node is gone, or can't hold what is timed")
        wanted = without_threads(device)
        alike = [node for node in nodes if not device or self.devices.get(node_name(node), wanted) == wanted]
        if nodes and not alike and self.time_on is None:
            mend = "start such a node, or name another by --time-on NODE"
            raise ClusterError(f"the study's times are of {device}, which no node has now; {mend}")
        here = ray.get_runtime_context().get_node_id()
        return min(alike or nodes, key=lambda n: (n["NodeID"] != here, node_name(n), n["NodeID"]), default=None)


def node_name(node: Mapping[str, Any]) -> str:
    """The name that `ray start --node-name` gave, else the machine's."""
    named = node["NodeName"]
    return named if named not in ("", node["NodeManagerAddress"]) else node["NodeManagerHostname"]


def on_node(node: str | None, body: Any, **options: Any) -> Any:
    """A function as a task of Ray that runs on the node with an id, or on any."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    if node is not None:
        options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(**options)(body)


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


def _begun(body: Any, *arguments: Any) -> Iterator[Any]:
    """Says first that it has begun."""
    yield None
    yield from (found for found in body(*arguments))  # Ray sends to it, which an iterator of a tuple does not take


def _time_networks(timed: list[Timed], place: Place) -> Iterator[Time]:
    from studies.work import stages

    for trial, architecture in timed:
        try:
            yield stages.compute_time(trial, architecture, trial.train_key(architecture), place), None
        except Exception as error:
            yield None, failure_of(error).reason

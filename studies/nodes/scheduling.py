"""Where and when stages run. With `studies.nodes.queueing` and `studies.planning.halving` what knows Ray Tune; `studies.nodes.connection` joins or starts the cluster.

A phase (searches that are missing, and trainings with their tests) is one Tune run over a queue of packs of jobs; Tune places them, limits how many run at once, and starts a pack again when its worker or
node is lost. What a job computed is in the store, so Tune's own files are disposable: no Tune checkpoint
is written and nothing is restored from them. Testing time is measured by one task at a time after the
trials, on one node of which nothing else of the study has a share.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearer.architecture import Architecture
from clearer.configuration import Configuration
from studies.nodes.capacity import Request
from studies.nodes.connection import ClusterError
from studies.nodes.queueing import MAX_FAILURES, Watcher, callback, queue_of
from studies.planning import halving
from studies.work import stages
from studies.work.jobs import Pack, failure_of
from studies.work.stages import Fingerprints, Place


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
        import ray

        return [node["Resources"] for node in ray.nodes() if node["Alive"]]

    def slots(self, threads: int) -> int:
        """How many trials, or packs of them, run at once."""
        held = Request(threads, self.gpus_per_trial).slots(self.nodes())
        return min(held, self.concurrent or held)

    def run_phase(
        self, packs: Sequence[Pack], place: Place, watcher: Watcher, then: Callable[[], Sequence[Pack]] | None = None
    ) -> None:
        """Runs the jobs of the packs to their ends: one that fails does not touch the others.

        As soon as all searches of `packs` have ended, `then` gives further packs, which the same workers go on with.
        Once for every job `watcher.ended` is called, or `watcher.stopped` where halving has stopped it.

        Raises:
            KeyboardInterrupt: the phase was stopped before all jobs had ended.
            OSError: so was it because the disk is full.
        """
        from ray import tune
        from ray.tune.execution import class_cache

        from studies.nodes.worker import PackWorker

        # Tune would give trials a runtime environment, for which processes that have started already do not serve, and put
        # AWS's keys in it, which Ray then logs. A node's processes have that node's own, and what `connection` ships.
        class_cache.ENV_VARS_TO_PROPAGATE.clear()
        class_cache.DEFAULT_ENV_VARS.clear()
        ended: set[str] = set()
        queue = queue_of(packs, then, ended, self.slots(packs[0].configuration.threads), self._warm)
        trainable = tune.with_parameters(PackWorker, place=place)
        trainable.__qualname__ = PackWorker.__qualname__  # what `ps` and Ray's dashboard show
        scratch = _scratch(place)
        tuner = tune.Tuner(
            trainable,
            param_space={"gpus": self.gpus_per_trial},
            tune_config=tune.TuneConfig(
                search_alg=queue,
                num_samples=-1,
                max_concurrent_trials=self.concurrent,
                reuse_actors=self.gpus_per_trial == 0,
                scheduler=halving.scheduler(),
            ),
            run_config=tune.RunConfig(
                name=packs[0].jobs[0].stage,
                storage_path=str(scratch),
                failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # one that fails costs the process
                verbose=0,
                callbacks=[callback(watcher, ended)],
            ),
        )
        on_interrupt = signal.getsignal(signal.SIGINT)
        try:
            tuner.fit()
        except (OSError, EOFError, tune.TuneError) as error:  # of Tune's own files, where the disk is full
            cause = error.__cause__ if isinstance(error, tune.TuneError) else error
            if not isinstance(cause, OSError | EOFError):
                raise
            if not queue.given <= ended or queue.is_left:
                raise OSError(f"Ray Tune can't use {scratch} ({str(cause) or 'a file is cut off'})") from None
        finally:
            signal.signal(signal.SIGINT, on_interrupt)  # Tune leaves its own, which swallows the next Ctrl-C
            shutil.rmtree(scratch, ignore_errors=True)
        if not queue.given <= ended or queue.is_left:
            raise KeyboardInterrupt

    def time_networks(
        self, requests: Sequence[tuple[Configuration, Architecture, Fingerprints, str]], place: Place
    ) -> Iterator[str]:
        """The keys of the testing times of `requests`, in order; each measured alone on one node.

        A text that begins with "error: " stands for a time that could not be had.
        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        node = self._timing_node()
        strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        cpus = node["Resources"].get("CPU", 1)
        whole = {"num_gpus": 1} if self.gpus_per_trial > 0 else {"num_cpus": cpus}
        task = ray.remote(_time_networks).options(
            scheduling_strategy=strategy, num_returns="streaming", max_retries=MAX_FAILURES, **whole
        )
        for reference in task.remote(list(requests), place):  # type: ignore[attr-defined]
            yield ray.get(reference)

    def timing_host(self) -> str:
        """The name of the machine on which `time_networks` measures."""
        return self._timing_node()["NodeManagerHostname"]

    def _warm(self) -> None:
        """Starts the process that will take times while a slot is idle: it need not be waited for then."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if not self.gpus_per_trial:
            strategy = NodeAffinitySchedulingStrategy(self._timing_node()["NodeID"], soft=False)
            ray.remote(_nothing).options(scheduling_strategy=strategy).remote()

    def _timing_node(self) -> dict[str, Any]:
        import ray

        alive = [node for node in ray.nodes() if node["Alive"]]
        if self.gpus_per_trial > 0:
            return sorted(
                (node for node in alive if node["Resources"].get("GPU", 0) >= 1), key=lambda node: node["NodeID"]
            )[0]
        here = ray.get_runtime_context().get_node_id()
        return next(node for node in alive if node["NodeID"] == here)


def _scratch(place: Place) -> Path:
    """A new folder for Tune's own files: in a store that is a folder, so that every node of a cluster sees it."""
    below = None if "://" in place.storage else Path(place.storage, "ray")
    if below is not None:
        below.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="tune-", dir=below))


def _nothing() -> None:
    """What a process runs that is to have imported this module; Ray keeps it for the next task."""


def _time_networks(
    requests: list[tuple[Configuration, Architecture, Fingerprints, str]], place: Place
) -> Iterator[str]:
    for configuration, architecture, data, train in requests:
        try:
            yield stages.run_timing(configuration, architecture, data, train, place)
        except Exception as error:
            yield f"error: {failure_of(error).reason}"

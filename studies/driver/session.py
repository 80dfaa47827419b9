"""What one run of a study has at hand: place, store, cluster and tracking, each opened when first needed."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from rich.console import Console

from clearer.configuration import Configuration
from clearer.machine import memory_bytes, without_threads
from studies.driver.options import Options
from studies.nodes.capacity import Request, shares, this_machine
from studies.nodes.connection import connect
from studies.nodes.preflight import check_gpus, check_here, check_nodes
from studies.nodes.scheduling import Cluster
from studies.planning.costs import Costs
from studies.planning.packs import GPU_BYTES, Packing
from studies.planning.plan import Device, Plan
from studies.store.claims import Claims
from studies.store.store import Store, storage_of
from studies.store.study_file import runs_of
from studies.tracking.client import default_uri
from studies.tracking.content import UnderWay
from studies.tracking.live import Tracking
from studies.work.keys import Trial
from studies.work.module_times import kept_times, module_times
from studies.work.place import Place
from studies.work.remote_images import data_place
from studies.work.trials import Pixels

_TRIAL_BYTES = 1 << 30
"""What the process of a trial takes at least: PyTorch, images, a small network."""


class Session(contextlib.ExitStack):
    """What was opened in this context is closed with it. Raises StorageError, ImageError: no such storage or data."""

    def __init__(self, options: Options, console: Console):
        super().__init__()
        self.options, self.console = options, console
        self.is_local = options.address in (None, "local")
        """Whether Ray is started here."""
        place = storage_of(options.storage), data_place(options.data)
        self.place = Place(*place, options.gpus_per_trial, options.checkpoint_seconds)
        self.store = Store(self.place.storage)
        self.pixels = Pixels(self.place.folder, may_lack=options.dry_run)
        self.packing = Packing(options.pack, options.gpus_per_trial, options.slots)
        if 0 < (g := options.gpus_per_trial) < 1 and (left := 1 - shares(g) * g) > 0.01:
            held = f"a GPU holds {shares(g)} such trials, and {left:.2g} of it stays idle"
            console.print(f"--gpus-per-trial {g:g}: {held}; 1/{shares(g)} and 1/{shares(g) + 1} use all of it")
        self._gpu_bytes: list[int] = []
        self._tracking: Tracking | None = None
        self.under_way: Callable[[], Sequence[UnderWay]] = lambda: ()
        """The trials that have begun, for tracking."""

    @property
    def tracking_uri(self) -> str | None:
        """Where the study is tracked, None for nowhere."""
        uri = self.options.tracking_uri or default_uri(self.store)
        return None if uri == "none" else uri

    @property
    def concurrent(self) -> int | None:
        """How many trials run at once at most; here no more than the memory holds that this process may use."""
        asked = self.options.concurrent
        held = max(1, memory_bytes() // _TRIAL_BYTES)
        return min(asked or held, held) if self.is_local else asked

    @cached_property
    def cluster(self) -> Cluster:
        self.enter_context(connect(self.options.address))
        o = self.options
        return Cluster(o.gpus_per_trial, self.concurrent, o.slots, o.time_on)

    def slots(self, configurations: Sequence[Configuration]) -> int:
        """How many trials the cluster holds at once."""
        return max(1, self.cluster.slots(max((c.threads for c in configurations), default=1)))

    def costs(self, missing: Sequence[Trial], planned: Sequence[Configuration], device: Device | None = None) -> Costs:
        """What missing trials need, of all that a study has planned, and what that costs."""
        plan = Plan(self.store, missing, self.pixels.trials(planned))
        return Costs(plan, self.place, not self.is_local, device)

    def slots_here(self, configurations: Sequence[Configuration]) -> int:
        """How many trials run at once on this machine, before Ray is started; of a cluster, how many were asked for."""
        if not self.is_local:
            return self.concurrent or 1
        threads = max((c.threads for c in configurations), default=1)
        held = Request(threads, self.place.gpus).slots(this_machine(self.place.gpus > 0))
        return max(1, min(held, self.concurrent or held))

    def settle_packs(self, study: str, configurations: Sequence[Configuration]) -> None:
        """Settles for how many slots and what memory of GPUs packs are made: as asked, as before, or as there is."""
        if not self.place.gpus:
            return
        before = [run["packing"] for run in runs_of(self.store, study) if run.get("packing")]
        kept: dict[str, Any] = next((own for own in reversed(before) if own["gpus"] == self.place.gpus), {})
        now = self.slots_here if self.is_local else self.slots
        slots = self.packing.slots or kept.get("slots") or now(configurations)
        size = kept.get("gpu_bytes") or min(self._gpu_bytes, default=GPU_BYTES)
        self.packing = replace(self.packing, slots=slots, gpu_bytes=size)

    def timed_on(self, study: str) -> str:
        """The kind of device, GPU or CPU as the trials', that most times of a study were taken on; none yet: empty."""
        rows = self.store.rows(study, self.store.trial_ids(study), ("device",))
        names = [row["device"] for row in rows if row.get("device")]
        found = Counter(name for name in names if (without_threads(name) == name) is (self.place.gpus > 0))
        return found.most_common(1)[0][0] if found else ""

    def preflight(self, costs: Costs) -> dict[str, Any]:
        """Asks here, or every node, what would stop a study; what to record. Raises ClusterError: a line for each."""
        threads = max(trial.configuration.threads for trial in costs.plan.trials)
        about = self.place, threads, costs.needed_bytes, self.tracking_uri, self.console
        if self.is_local:
            check_here(*about)
        self.cluster.check_request(threads)
        if self.is_local:
            self._gpu_bytes = check_gpus(self.console) if self.place.gpus else []
            return {}
        found = check_nodes(*about, costs.plan.trials)
        self._gpu_bytes = [size for node in found["nodes"] for size in node["gpu_bytes"]]
        self.cluster.devices.update({node["host"]: node["device"] for node in found["nodes"]})
        return found

    @contextlib.contextmanager
    def alone(self, study: str) -> Iterator[bool]:
        """Two runs of one study would write one study.json: the second waits. Whether this one has waited."""
        owners = []

        def waiting(owner: str) -> None:
            owners.append(owner)
            self.console.print(f"{study} is being run by {owner} already: waiting")

        with Claims(self.store) as claims, claims.alone(f"studies/{study}", waiting):
            yield bool(owners)

    def measured(self, configurations: Sequence[Configuration], study: str = "") -> list[Configuration]:
        """The configurations, with `module_times_ms` where they ask for times."""
        asked = [c.kind == "searched" and c.complexity == "time" and not c.module_times_ms for c in configurations]
        return [
            c.with_values(module_times_ms=self.module_times(c, study)) if asks else c
            for c, asks in zip(configurations, asked, strict=True)
        ]

    def module_times(self, c: Configuration, study: str = "") -> tuple[float, ...]:
        """The module times of a configuration on what a study's trials run on: kept in the store, but by a dry run."""
        keep = not self.options.dry_run
        if not self.place.gpus:
            return module_times(c, self.place.storage, "cpu", keep)
        device = self.timed_on(study)
        if there := kept_times(c, self.store, device):
            return there
        self.cluster.check_request(c.threads)
        return self.cluster.module_times(c, self.place.storage, keep, device, self.console.print)

    def missing(self, study: str, configurations: Sequence[Configuration]) -> list[Trial]:
        """The trials that have no whole row; with `retry_failed`, those with the row of a failure too."""
        asked = self.store.trial_ids(study) & {c.trial_id for c in configurations}
        rows = self.store.rows(study, asked, ("trial_id", "status"))
        again = ("failed",) if self.options.retry_failed else ()
        there = {row["trial_id"] for row in rows if row["status"] not in again}
        return self.pixels.trials([c for c in configurations if c.trial_id not in there])

    def track(self, study: str) -> None:
        """Begins to track a study, if it is tracked and study.json has been written."""
        if self._tracking is None and self.tracking_uri is not None:
            self._tracking = Tracking(self.tracking_uri, study, self.store, lambda: self.under_way())
            self.callback(self._end_tracking, self._tracking)

    def _end_tracking(self, tracking: Tracking) -> None:
        problem = tracking.close()
        for line in tracking.said:
            self.console.print(line, soft_wrap=True)
        if problem:
            self.console.print(problem, style="yellow")

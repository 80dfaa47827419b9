"""What one run of a study has at hand: place, store, cluster and tracking, each opened when first needed."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from rich.console import Console

from clearer.configuration import Configuration
from clearer.machine import memory_bytes
from studies.driver.options import Options
from studies.nodes.capacity import Request, this_machine
from studies.nodes.connection import connect
from studies.nodes.preflight import check_here, check_nodes
from studies.nodes.scheduling import Cluster
from studies.planning.packs import Packing
from studies.store.claims import Claims
from studies.store.store import Store, storage_of
from studies.tracking.content import UnderWay
from studies.tracking.live import Tracking
from studies.tracking.server import default_uri
from studies.work.module_times import with_module_times
from studies.work.place import Place
from studies.work.remote_images import data_place
from studies.work.trials import Pixels, Trial

_TRIAL_BYTES = 1 << 30
"""What the process of a trial takes at least: PyTorch, images, a small network."""


class Session(contextlib.ExitStack):
    """A context: what was opened in it is closed at its end.

    Raises:
        StorageError, ImageError: the storage or the data of the options can't be used.
    """

    def __init__(self, options: Options, console: Console):
        super().__init__()
        self.options, self.console = options, console
        place = storage_of(options.storage), data_place(options.data)
        self.place = Place(*place, options.gpus_per_trial, options.checkpoint_seconds)
        self.store = Store(self.place.storage)
        self.pixels = Pixels(self.place.folder, may_lack=options.dry_run)
        self.packing = Packing(options.pack, options.gpus_per_trial)
        self._tracking: Tracking | None = None
        self.under_way: Callable[[], Sequence[UnderWay]] = lambda: ()
        """The trials that have begun, for tracking."""

    @property
    def is_local(self) -> bool:
        """Whether Ray is started here."""
        return self.options.address in (None, "local")

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
        return Cluster(self.options.gpus_per_trial, self.concurrent)

    def slots(self, configurations: Sequence[Configuration]) -> int:
        """How many trials the cluster holds at once."""
        return max(1, self.cluster.slots(max((c.threads for c in configurations), default=1)))

    def slots_here(self, configurations: Sequence[Configuration]) -> int:
        """How many trials run at once on this machine, before Ray is started; of a cluster, how many were asked for."""
        if not self.is_local:
            return self.concurrent or 1
        threads = max((c.threads for c in configurations), default=1)
        held = Request(threads, self.place.gpus).slots(this_machine(self.place.gpus > 0))
        return max(1, min(held, self.concurrent or held))

    def preflight(self, missing: Sequence[Trial]) -> dict[str, Any]:
        """Asks what would stop the trials, here or on every node; what to record of the nodes.

        Raises:
            ClusterError: a study would fail; a line for each reason.
        """
        threads = max(trial.configuration.threads for trial in missing)
        about = self.place, missing, threads, self.tracking_uri, self.console
        if self.is_local:
            check_here(*about)
        self.cluster.check_request(threads)
        return {} if self.is_local else check_nodes(*about)

    @contextlib.contextmanager
    def alone(self, study: str) -> Iterator[bool]:
        """Two runs of one study would write one study.json: the second waits. Whether this one has waited."""
        owners = []

        def waiting(owner: str) -> None:
            owners.append(owner)
            self.console.print(f"{study} is being run by {owner} already: waiting")

        with Claims(self.store) as claims, claims.alone(f"studies/{study}", waiting):
            yield bool(owners)

    def measured(self, configurations: Sequence[Configuration]) -> list[Configuration]:
        """The configurations with module times where they need some."""
        o = self.options
        return with_module_times(configurations, self.store, o.gpus_per_trial, keep=not o.dry_run)

    def missing(self, study: str, configurations: Sequence[Configuration]) -> list[Trial]:
        """The trials that have no whole row; with `retry_failed`, those with the row of a failure too."""
        asked = self.store.trial_ids(study) & {c.trial_id for c in configurations}
        rows = self.store.rows(study, asked, ("trial_id", "status")) if asked else []
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

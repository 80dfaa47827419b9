"""Thirty kills at random times during a study; then nothing differs from an undisturbed one.

    CHAOS_SEED=7 CHAOS_KILLS=30 python -m pytest -m drill -s tests/drills/test_chaos.py

The kinds and the times of the kills are drawn from the seed, which is printed. A study that ends before
the last kill is followed by the same study on another store; all are compared with the undisturbed one.
"""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tracking_servers
from disturbing import RayNodes, kill_session, numbers, ray_nodes, send
from mlflow import MlflowClient
from mlflow.entities import ViewType
from running import command, wait_for
from tracking_servers import free_port

from studies.__main__ import main
from studies.store.store import Store
from studies.store.study_file import read_study
from studies.tracking.content import STUDY_TAG, TRIAL_TAG
from studies.tracking.live import sync_study

pytestmark = pytest.mark.drill(minutes=8)

_SHAPE = "channels=4 cells=1 columns=2 batch_size=4 patch_size=32".split()
_LENGTHS = "search_iterations=200 warmup_iterations=20 train_iterations=80 report_iterations=10".split()
_FEW = "time_series=1 time_calls=1 test_limit=1 reference_images=1 lambda1=0,0.1 lambda2=0".split()
SETTINGS = (*_SHAPE, *_LENGTHS, *_FEW)
FLAGS = ("--random", "0", "--checkpoint-seconds", "1")
KINDS = {"worker": 12, "node": 6, "head": 2, "driver": 6, "tracking server": 4}
"""A node is any but the head; what is left of a cluster that lost its head is killed, too, and brought up again."""
HARD, SOFT = signal.SIGKILL, signal.SIGTERM
PAUSE = 0.5, 6.0
PATIENCE = 1200.0
"""Seconds to wait for a worker to kill, and for the tracking server."""


@dataclass
class Kill:
    """One kill: of what, by which signal, how long after the one before; how old the newest checkpoint was then."""

    kind: str
    signal: signal.Signals
    pause: float
    unsaved: float | None = None


def drawn(seed: int, count: int) -> list[Kill]:
    """The kills of a seed: of the kinds in their proportions, in a random order."""
    generator = random.Random(seed)
    kinds = [kind for kind, share in KINDS.items() for _ in range(share)]
    chosen = (
        [kinds[number % len(kinds)] for number in range(count)]
        if count >= len(kinds)
        else generator.sample(kinds, count)
    )
    generator.shuffle(chosen)
    return [
        Kill(
            kind,
            HARD if kind in ("tracking server", "head") else generator.choice((HARD, SOFT)),
            generator.uniform(*PAUSE),
        )
        for kind in chosen
    ]


@dataclass
class Storm:
    """A study that is disturbed: started again by the same command until it ends."""

    folder: Path
    cluster: RayNodes
    port: int
    stores: list[Path] = field(default_factory=list)
    starts: int = 0
    ended: bool = True
    driver: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.server = tracking_servers.start(self.folder, self.port)
        tracking_servers.wait_until_up(self.port, PATIENCE)
        self.uri = f"http://127.0.0.1:{self.port}"

    def keep_running(self, more: bool) -> bool:
        """Starts what is not running; whether there is a study to disturb or to wait for."""
        if self.driver is not None and self.driver.poll() is None:
            return True
        if self.driver is not None:
            self.ended = self.driver.returncode == 0
        if self.ended and not more:
            return False
        if self.ended:
            self.stores.append(self.folder / f"runs{len(self.stores)}")
        arguments = command(
            self.stores[-1], "--address", self.cluster.address, "--tracking-uri", self.uri, *FLAGS, settings=SETTINGS
        )
        with (self.folder / "output").open("a") as log:
            self.driver = subprocess.Popen(
                arguments,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
                cwd=self.folder,
                env=os.environ | self.cluster.environment,
            )
        self.starts, self.ended = self.starts + 1, False
        assert self.starts < 100, (self.folder / "output").read_text()[-3000:]
        return True

    def do(self, kill: Kill, generator: random.Random) -> None:
        """Does one kill, and starts again what does not do so by itself."""
        assert self.driver is not None
        if kill.kind == "worker":
            end = time.monotonic() + PATIENCE
            while not (there := self.cluster.workers()):
                assert time.monotonic() < end, "no worker to kill\n" + (self.folder / "output").read_text()[-3000:]
                self.keep_running(more=True)
                time.sleep(0.2)
            kill.unsaved = self.newest_checkpoint()
            send(generator.choice(there), kill.signal)
            return
        kill.unsaved = self.newest_checkpoint()
        if kill.kind == "node":
            place = generator.randrange(len(self.cluster.nodes))
            node = self.cluster.nodes[place]
            if kill.signal == SOFT:
                node.send_signal(SOFT)
                wait_for(lambda: node.poll() is not None, 60)
            kill_session(node.pid)
            node.wait()
            self.cluster.nodes[place] = self.cluster.start_node()
        elif kill.kind == "head":
            kill_session(self.cluster.head.pid)
            self.driver.wait(300)
            self.cluster.start_again()
        elif kill.kind == "driver":
            self.driver.send_signal(kill.signal)
            self.driver.wait(120)
        else:
            kill_session(self.server.pid)
            self.server.wait()
            self.server = tracking_servers.start(self.folder, self.port)

    def newest_checkpoint(self) -> float | None:
        """Its age in seconds, of the stages under way."""
        times = [_modified(path) for path in self.stores[-1].glob("stages/*/*/checkpoint-*")]
        return time.time() - max(times) if any(times) else None


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


@pytest.fixture
def storm(tmp_path: Path) -> Iterator[Storm]:
    with ray_nodes(2) as cluster:
        storm = Storm(tmp_path, cluster, free_port())
        yield storm
        if storm.driver is not None:
            kill_session(storm.driver.pid)
            storm.driver.wait()
        kill_session(storm.server.pid)
        storm.server.wait()


def temporary(storage: Path) -> list[Path]:
    """What a finished study should not leave."""
    found = [path for name in ("*.partial", "checkpoint-*", "probe-*") for path in storage.rglob(name)]
    return found + [path for name in ("drivers", "ray") for path in storage.glob(f"{name}/*")]


def table(kills: list[Kill]) -> Iterator[str]:
    """What was done, how often, and how old the newest checkpoint was then."""
    yield f"{'killed':<18}{'by':<10}{'times':>6}{'newest checkpoint, s: median':>32}{'oldest':>9}"
    for kind, sent in sorted({(kill.kind, kill.signal) for kill in kills}):
        group = [kill for kill in kills if (kill.kind, kill.signal) == (kind, sent)]
        ages = sorted(kill.unsaved for kill in group if kill.unsaved is not None)
        shown = f"{ages[len(ages) // 2]:>32.1f}{ages[-1]:>9.1f}" if ages else f"{'–':>32}{'–':>9}"
        yield f"{kind:<18}{sent.name:<10}{len(group):>6}{shown}"


def test_thirty_kills_change_nothing(storm: Storm, tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    kills = drawn(seed, int(os.environ.get("CHAOS_KILLS", "30")))
    generator = random.Random(seed)
    print(f"\nCHAOS_SEED={seed} CHAOS_KILLS={len(kills)}", flush=True)
    started = time.monotonic()
    for kill in kills:
        storm.keep_running(more=True)
        time.sleep(kill.pause)
        storm.do(kill, generator)
        print(
            f"{time.monotonic() - started:6.0f} s  {kill.kind} {kill.signal.name}, start {storm.starts} of the command",
            flush=True,
        )
    while storm.keep_running(more=False):
        time.sleep(0.2)
    seconds = time.monotonic() - started

    undisturbed = tmp_path / "undisturbed"
    subprocess.run(
        command(undisturbed, "--tracking-uri", "none", *FLAGS, settings=SETTINGS),
        stdout=subprocess.DEVNULL,
        cwd=tmp_path,
        check=True,
    )
    expected = numbers(undisturbed)
    tracking_servers.wait_until_up(storm.port, PATIENCE)
    print(*table(kills), sep="\n")
    studies = f"{len(storm.stores)} studies of {len(expected[0])} trials"
    print(f"{seconds:.0f} s; the command was started {storm.starts} times for {studies}")
    for storage in storm.stores:
        mine = numbers(storage)
        same = [found.equals(wanted) for found, wanted in zip(mine, expected, strict=True)]
        before = len(temporary(storage))
        assert main(["gc", str(storage), "--delete"]) == 0
        left = len(temporary(storage))
        print(f"{storage.name}: rows equal {same[0]}, curves equal {same[1]}")
        print(f"  left by killed writers {before}, after gc {left}")
        assert same == [True, True]
        assert left == 0
        show_runs(storage, storm.uri, set(expected[0]["trial_id"]))


def show_runs(storage: Path, uri: str, trials: set[str]) -> None:
    """Each trial has one run, with all that the store says and nothing else."""
    store = Store(str(storage))
    first = sync_study(store, "lambda_pareto", uri)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("lambda_pareto")
    query = f"tags.`{STUDY_TAG}` = '{read_study(store, 'lambda_pareto')['study_id']}'"
    found, deleted = (
        client.search_runs([experiment.experiment_id], query, run_view_type=view)
        for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY)
    )
    names = Counter(run.data.tags.get(TRIAL_TAG, "study") for run in found)
    print(f"  MLflow: {len(found)} runs for {len(trials)} trials and the study, {len(deleted)} deleted")
    print(f"  sent at the end: {dict(first)}")
    assert names == dict.fromkeys({"study", *trials}, 1)
    assert {run.info.status for run in found} == {"FINISHED"}
    assert sync_study(store, "lambda_pareto", uri) == {"unchanged": len(trials) + 1}

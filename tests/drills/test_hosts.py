"""A study on three hosts, two of them without a checkout: on a shared folder, on S3, and with a cable pulled.

python -m pytest -m drill -s tests/drills/test_hosts.py       as root, on Linux with iproute2 and util-linux
"""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hosts import PYTHON, SHARED, Hosts, differing, show, skip_without_namespaces, wait_for_text
from running import ROOT, TINY, command, wait_for

import analysis

pytestmark = pytest.mark.drill(minutes=8)
HEAD, WORKERS = "head", ("w1", "w2")
PORT = 6379
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
_SHAPE = "channels=4 cells=1 columns=2 batch_size=4 patch_size=32".split()
_LENGTHS = "search_iterations=5000 warmup_iterations=20 train_iterations=100 report_iterations=100".split()
_FEW = "time_series=1 time_calls=1 test_limit=1 reference_images=1 lambda1=0,0.01,0.1 lambda2=0 seed=0".split()
LONG = (*_SHAPE, *_LENGTHS, *_FEW)
ALONE = ("--pack", "1", "--random", "0", "--tracking-uri", "none")
"""One trial a worker, so that each host has some."""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """A head with the checkout and two workers without, joined by the scripts of cluster/ as its README says."""
    skip_without_namespaces()
    logs = tmp_path_factory.mktemp("logs")
    small = ("--num-cpus=1", "--object-store-memory=200000000")
    with Hosts([HEAD, *WORKERS], tmp_path_factory.mktemp("shared"), with_checkout=[HEAD]) as found:
        head = found[HEAD]
        head.start(str(ROOT / "cluster/head.sh"), head.address, *small, log=logs / HEAD, **KEYS)
        wait_for_text(logs / HEAD, "Ray runtime started")
        token = head.run("cat", ".ray/auth_token").stdout
        assert len(token) == 64
        for name in WORKERS:
            hidden = found[name].run(str(PYTHON), "-c", "import torch, ray, studies")
            assert "No module named 'studies'" in hidden.stderr, "the host has the environment and no checkout"
            found[name].run("bash", "-c", f"umask 077; mkdir .ray; printf %s {token} > .ray/auth_token")
            worker = (str(ROOT / "cluster/worker.sh"), f"{head.address}:{PORT}", *small)
            found[name].start(*worker, log=logs / name, **KEYS)
        for name in WORKERS:
            wait_for_text(logs / name, "Ray runtime started")
        found.logs = logs  # type: ignore[attr-defined]
        yield found


def start_study(
    hosts: Hosts, storage: str, settings: tuple[str, ...], log: Path, *more: str
) -> subprocess.Popen[bytes]:
    """Starts the λ study on the head, on the cluster."""
    head = hosts[HEAD]
    study = (str(PYTHON), str(ROOT / "studies/lambda_pareto.py"), "--address", f"{head.address}:{PORT}")
    flags = ("--storage", storage, "--checkpoint-seconds", "1", *more, "--set", *settings)
    return head.start(*study, *flags, log=log, RAY_AUTH_MODE="token", COLUMNS="200", PYTHONPATH=str(ROOT), **KEYS)


def computed_on(rows: pd.DataFrame) -> dict[str, int]:
    return rows["host"].value_counts().sort_index().to_dict()


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_rows_equal_those_of_one_machine_bit_for_bit(
    kind: str, hosts: Hosts, study_storage: Path, tmp_path: Path
) -> None:
    storage = str(SHARED / "runs")
    if kind == "s3":
        endpoint = f"{hosts[HEAD].address}:5000"
        server = (str(PYTHON), "-m", "moto.server", "-H", hosts[HEAD].address, "-p", "5000")
        hosts[HEAD].start(*server, log=tmp_path / "moto")
        wait_for_text(tmp_path / "moto", "Running on")
        bucket = f"import boto3; boto3.client('s3', endpoint_url='http://{endpoint}').create_bucket(Bucket='studies')"
        assert hosts[HEAD].run(str(PYTHON), "-c", bucket, **KEYS).returncode == 0
        storage = f"s3://studies/runs?endpoint_override={endpoint}&scheme=http"
    log = tmp_path / "log"
    status = start_study(hosts, storage, TINY, log).wait(timeout=1800)
    assert status == 0, log.read_text()
    table = SHARED / f"{kind}.parquet"
    read = f"import analysis, sys; analysis.load(sys.argv[1]).to_parquet('{table}')"
    done = hosts[HEAD].run(str(PYTHON), "-c", read, storage, PYTHONPATH=str(ROOT), **KEYS)
    assert done.returncode == 0, done.stderr
    rows, here = pd.read_parquet(hosts.shared / table.name), analysis.load(study_storage)
    differ = differing(rows, here)
    assert differ == 0
    show(
        f"three hosts, two without a checkout, {kind}: the tiny study",
        trials=len(rows),
        trials_by_host=computed_on(rows),
        rows_missing_or_different=differ,
    )


def test_a_node_that_is_cut_off_for_two_minutes_costs_time_only(hosts: Hosts, tmp_path: Path) -> None:
    storage = hosts.shared / "cut"
    log = tmp_path / "log"
    started = time.monotonic()
    driver = start_study(hosts, str(SHARED / "cut"), LONG, log, *ALONE)
    wait_for(lambda: list(storage.glob("stages/search/*/checkpoint-*")), 300)
    hosts.cut("w1")
    before = hosts.logs.joinpath("w1").read_text().count("Ray runtime started")  # type: ignore[attr-defined]
    time.sleep(120)
    was_running = driver.poll() is None
    hosts.mend("w1")
    wait_for_text(hosts.logs / "w1", "Ray runtime started", count=before + 1)  # type: ignore[attr-defined]
    status = driver.wait(timeout=3600)
    took = time.monotonic() - started
    assert status == 0, log.read_text()
    assert was_running, "the study is long enough to see the node return"
    undisturbed = tmp_path / "undisturbed"
    assert subprocess.run(command(undisturbed, *ALONE, settings=LONG), capture_output=True, check=False).returncode == 0
    rows = analysis.load(storage)
    differ = differing(rows, analysis.load(undisturbed))
    assert differ == 0
    by, clocks = ["trial_id", "stage", "iteration"], ["seconds", "recorded_at"]
    read = (analysis.load_curves(of).drop(columns=clocks) for of in (storage, undisturbed))
    curves = [frame.sort_values(by, ignore_index=True) for frame in read]
    pd.testing.assert_frame_equal(*curves, check_exact=True)
    starts = (hosts.logs / "w1").read_text().count("Ray runtime started")  # type: ignore[attr-defined]
    show(
        "the cable of one of three hosts pulled for 120 s",
        times_the_node_came_back=starts - before,
        trials=len(rows),
        trials_by_host=computed_on(rows),
        trials_recorded_twice=int(rows["trial_id"].duplicated().sum()),
        rows_missing_or_different=differ,
        seconds=f"{took:.0f}",
    )

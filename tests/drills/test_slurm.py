"""The batch file on a real Slurm of two hosts: the job's status is the study's, and a job that was ended goes on.

python -m pytest -m drill -s tests/drills/test_slurm.py       as root, with slurmctld, slurmd and munged installed
"""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import SHARED, Hosts, differing, show, skip_without_namespaces
from running import ROOT, TINY, command, wait_for

import analysis

pytestmark = pytest.mark.drill(minutes=6)
NODES = ("n1", "n2")
CONFIGURATION = """
ClusterName=drill
SlurmctldHost=n1
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=/tmp/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
StateSaveLocation=/tmp/slurmctld
SlurmdSpoolDir=/tmp/slurmd
SlurmctldPidFile=/tmp/slurmctld.pid
SlurmdPidFile=/tmp/slurmd.pid
SlurmctldLogFile=/tmp/slurmctld.log
SlurmdLogFile=/tmp/slurmd.log
ReturnToService=2
KillWait=10
SelectType=select/cons_tres
MinJobAge=3600
NodeName=n[1-2] CPUs=1 RealMemory=2000
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
SLURM = {"SLURM_CONF": str(SHARED / "slurm.conf")}
DAEMONS = ("slurmctld", "slurmd", "munged", "sbatch")
LONG = (
    *(t for t in TINY if "iterations" not in t),
    "search_iterations=3000",
    "warmup_iterations=2",
    "train_iterations=4",
    "report_iterations=50",
)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Two hosts, both nodes of a Slurm whose controller is on the first."""
    skip_without_namespaces(*DAEMONS)
    shared = tmp_path_factory.mktemp("shared")
    (shared / "slurm.conf").write_text(CONFIGURATION)
    (shared / "munge.key").write_bytes(os.urandom(128))
    (shared / "munge.key").chmod(0o600)
    with Hosts(NODES, shared, with_checkout=NODES) as found:
        for name in NODES:
            own = "/tmp/munge"
            files = [f"--{kind}-file={own}.{kind}" for kind in ("pid", "log", "seed")]
            munge = ("munged", "--force", f"--key-file={SHARED}/munge.key", f"--socket={own}.socket", *files)
            started = found[name].run(*munge)
            assert started.returncode == 0, started.stderr
            found[name].run("mkdir", "-p", "/tmp/slurmd", "/tmp/slurmctld")
        for name, daemon in ((NODES[0], "slurmctld"), *((name, "slurmd") for name in NODES)):
            started = found[name].run(daemon, **SLURM)
            assert started.returncode == 0, started.stderr
        wait_for(lambda: found[NODES[0]].run("sinfo", "-h", "-o", "%t %D", **SLURM).stdout.strip() == "idle 2")
        yield found


def submit(hosts: Hosts, storage: str, *arguments: str, options: str = "") -> str:
    """Submits a study as the README says; the job's number."""
    batch = f"sbatch --parsable --output={SHARED}/job-%j.log {options} cluster/slurm.sh"
    line = f"cd {ROOT} && {batch} -- studies/lambda_pareto.py"
    more = " ".join(("--storage", storage, "--checkpoint-seconds", "1", *arguments))
    done = hosts[NODES[0]].run("bash", "-c", f"{line} {more}", PYTHONPATH=str(ROOT), **SLURM)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def about(hosts: Hosts, job: str) -> dict[str, str]:
    """What Slurm says of a job: JobState, ExitCode, Restarts …"""
    return dict(re.findall(r"(\w+)=(\S+)", hosts[NODES[0]].run("scontrol", "show", "job", job, **SLURM).stdout))


def ended(hosts: Hosts, job: str, seconds: float = 600) -> dict[str, str]:
    """Waits until a job has left the queue."""
    over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
    wait_for(lambda: about(hosts, job)["JobState"] in over, seconds)
    return about(hosts, job)


def log(hosts: Hosts, job: str) -> str:
    return (hosts.shared / f"job-{job}.log").read_text(errors="replace")


def processes_of_ray(hosts: Hosts) -> list[str]:
    found = [hosts[name].run("ps", "-e", "-o", "args=").stdout.splitlines() for name in NODES]
    return [line for lines in found for line in lines if "raylet" in line or "gcs_server" in line or "ray::" in line]


def test_a_job_runs_a_study_and_ends_as_it_does(hosts: Hosts, study_storage: Path) -> None:
    settings = ("--set", *TINY)
    job = submit(hosts, f"{SHARED}/runs", *settings)
    found = ended(hosts, job)
    assert (found["JobState"], found["ExitCode"]) == ("COMPLETED", "0:0"), log(hosts, job)
    differ = differing(analysis.load(hosts.shared / "runs"), analysis.load(study_storage))
    assert differ == 0
    left = processes_of_ray(hosts)
    assert not left
    wrong = submit(hosts, f"{SHARED}/runs", "--set", "channels=none")
    mistaken = ended(hosts, wrong)
    assert (mistaken["JobState"], mistaken["ExitCode"]) == ("FAILED", "2:0"), log(hosts, wrong)
    assert "channels" in log(hosts, wrong)
    failing = submit(hosts, f"{SHARED}/failing", "--random", "0", "--set", *TINY, "train_learning_rate=1e30")
    failed = ended(hosts, failing)
    assert (failed["JobState"], failed["ExitCode"]) == ("FAILED", "1:0"), log(hosts, failing)
    show(
        "Slurm, two nodes",
        finished_study=found["ExitCode"],
        mistaken_request=mistaken["ExitCode"],
        failed_trials=failed["ExitCode"],
        rows_missing_or_different=differ,
        processes_left=len(left),
    )


def test_a_cancelled_job_and_one_out_of_time_go_on(hosts: Hosts, tmp_path: Path) -> None:
    storage = hosts.shared / "cancelled"
    settings = ("--tracking-uri", "none", "--set", *LONG)
    first = submit(hosts, f"{SHARED}/cancelled", *settings)
    wait_for(lambda: list(storage.glob("stages/search/*/checkpoint-*")), 300)
    hosts[NODES[0]].run("scancel", first, **SLURM)
    assert ended(hosts, first)["JobState"] == "CANCELLED"
    wait_for(lambda: not processes_of_ray(hosts), 60)
    left = sorted(path.name for path in storage.glob("stages/search/*/checkpoint-*"))
    assert left
    assert not list(storage.glob("stages/search/*/result.json")), "cancelled in the middle of the searches"

    second = submit(hosts, f"{SHARED}/cancelled", *settings)
    wait_for(lambda: sorted(path.name for path in storage.glob("stages/search/*/checkpoint-*"))[-1] > left[-1], 400)
    hosts[NODES[0]].run("scancel", "--batch", "--signal=USR1", second, **SLURM)  # as Slurm does before the limit
    wait_for(lambda: about(hosts, second).get("Restarts") == "1", 120)
    assert "run the same command again to go on" in log(hosts, second)
    released = time.monotonic()
    hosts[NODES[0]].run("scontrol", "update", f"JobId={second}", "StartTime=now", **SLURM)
    found = ended(hosts, second, 900)
    assert (found["JobState"], found["ExitCode"]) == ("COMPLETED", "0:0"), log(hosts, second)
    undisturbed = command(tmp_path / "undisturbed", "--tracking-uri", "none", settings=LONG)
    assert subprocess.run(undisturbed, capture_output=True, check=False).returncode == 0
    rows = analysis.load(storage)
    differ = differing(rows, analysis.load(tmp_path / "undisturbed"))
    assert differ == 0
    show(
        "Slurm, two nodes: cancelled once, out of time once",
        jobs=2,
        restarts_by_itself=found["Restarts"],
        trials_recorded_twice=int(rows["trial_id"].duplicated().sum()),
        rows_missing_or_different=differ,
        seconds_after_the_restart=f"{time.monotonic() - released:.0f}",
    )

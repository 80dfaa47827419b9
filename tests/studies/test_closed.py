"""What a study opens to the network: by itself nothing but loopback; a cluster only to those who have its token."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from disturbing import below, ray_nodes
from running import ROOT, run_study

LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}
"""127.0.0.1, ::1 and ::ffff:127.0.0.1, as /proc/net has them."""
_LISTENING = "0A"


def listening(processes: set[int]) -> dict[str, set[int]]:
    """The addresses on which any of `processes` accept connections, as /proc/net has them, and their ports."""
    sockets = set()
    for process in processes:
        for file in Path(f"/proc/{process}/fd").glob("*"):
            try:
                sockets.add(os.readlink(file))
            except OSError:
                continue
    found: dict[str, set[int]] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:] if Path(table).exists() else ():
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == _LISTENING and f"socket:[{fields[9]}]" in sockets:
                found.setdefault(address, set()).add(int(port, 16))
    return found


def test_a_study_on_this_machine_listens_on_loopback_alone(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        from studies.nodes.connection import connect
        with connect(None):
            import ray
            @ray.remote
            class Worker:
                def ready(self): pass
            ray.get(Worker.remote().ready.remote())
            print("ready", flush=True)
            input()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
    ) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "ready\n"
        found = listening(set(below(driver.pid)))
        driver.communicate("\n", timeout=60)
    assert sum(map(len, found.values())) > 3, "Ray's own ports are seen"
    assert set(found) <= LOOPBACK, found
    assert not list(tmp_path.iterdir()), "its token is in no file"


@pytest.mark.drill
@pytest.mark.parametrize("token", [None, "f" * 64])
def test_a_client_without_the_token_of_a_cluster_is_refused(
    token: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ray_nodes(0) as cluster:
        monkeypatch.setenv("RAY_AUTH_MODE", "token" if token else "disabled")
        if token:
            (tmp_path / "token").write_text(token)
            monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
        done = run_study(tmp_path / "runs", "--address", cluster.address)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1
    assert "can't be joined" in done.stderr
    assert not list(tmp_path.glob("runs/studies/*")), "nothing was begun"

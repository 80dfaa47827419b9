"""Hosts for the drills: Linux namespaces on this machine that share no more than machines in a rack do.

A host has a network address, a loopback, process numbers, a name, /dev/shm, /tmp and a home of its own. What they share
is one network, whose cables can be pulled, the folder SHARED, and the installed Python packages. Only hosts that are
said to have it see the checkout; the others have `cluster/` of it. Everything is gone when `Hosts` is left.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Self

import pandas as pd
import pytest
from running import MEASURED, ROOT

SHARED = Path("/mnt")
TOOLS = ("ip", "unshare", "nsenter", "mount")
PYTHON = Path(sys.executable).absolute()
WHERE = ("host", "commit", "search_reused", "train_reused")
CHECKOUTS = {ROOT, *(folder for folder in Path(sys.prefix).parents[:1] if (folder / "studies").is_dir())}
"""This one and, where the environment lies in another, that."""

_BOOT = r"""
set -e
hostname "$NAME"
ip link set lo up
mount --bind "$SHARED_FROM" "$SHARED"
mount -t tmpfs tmpfs /dev/shm
if [ -n "$HIDDEN" ]; then
    cp -r "$CHECKOUT/cluster" "$SHARED/.cluster-$NAME"
    mkdir -p "$SHARED/.python"
    mount --bind "$PREFIX" "$SHARED/.python"
    for folder in $HIDDEN; do mount -t tmpfs tmpfs "$folder"; done
    mkdir -p "$PREFIX"
    mount --bind "$SHARED/.python" "$PREFIX"
    umount "$SHARED/.python"
    mv "$SHARED/.cluster-$NAME" "$CHECKOUT/cluster"
fi
mount --bind "$SHARED/.etc-hosts" /etc/hosts
mount -t tmpfs tmpfs /tmp
mkdir -m 700 /tmp/home
echo ready
while true; do sleep 1000 & wait; done  # as process 1 it buries the orphans
"""


def skip_without_namespaces(*more: str) -> None:
    """Skips a drill, with the reason, where hosts or one of the programs `more` can't be had."""
    missing = [tool for tool in (*TOOLS, *more) if shutil.which(tool) is None]
    if os.geteuid() != 0:
        pytest.skip("needs root, for network namespaces")
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    tried = subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"this machine permits no namespaces: {tried.stderr.strip()}")


class Host:
    """One host; commands run in it as on a machine of its own."""

    def __init__(self, name: str, address: str, keeper: subprocess.Popen[str], environment: Mapping[str, str]):
        self.name, self.address, self._keeper, self.environment = name, address, keeper, dict(environment)
        children = Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text().split()
        self.process = children[0]
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, log: Path, **environment: str) -> subprocess.Popen[bytes]:
        """Starts a command, whose output goes to `log`; it is the head of a process group."""
        environment = self.environment | environment
        with log.open("ab") as out:
            self.started.append(
                subprocess.Popen(self._inside(command), stdout=out, stderr=out, env=environment, start_new_session=True)
            )
        return self.started[-1]

    def run(self, *command: str, timeout: float = 600, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        return subprocess.run(
            self._inside(command),
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.environment | environment,
            check=False,
        )

    def _inside(self, command: Collection[str]) -> list[str]:
        enter = ["nsenter", "-t", self.process, "-m", "-u", "-p", "-i", "-n"]
        return [*enter, "env", f"--chdir={self.environment['HOME']}", *command]


class Hosts:
    """Some hosts on one network: the first is 10.77.0.1. `shared` is what they see as SHARED."""

    def __init__(self, names: Collection[str], shared: Path, with_checkout: Collection[str]):
        self.names, self.shared, self.with_checkout = list(names), shared, with_checkout
        self._keepers: list[subprocess.Popen[str]] = []
        self._hosts: dict[str, Host] = {}

    def __enter__(self) -> Self:
        try:
            self.shared.mkdir(parents=True, exist_ok=True)
            lines = [f"10.77.0.{number} {name}" for number, name in enumerate(self.names, 1)]
            (self.shared / ".etc-hosts").write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))
            self._switch = self._keep(["unshare", "-n", "--kill-child", "--fork"], "echo ready; sleep infinity", {})
            self._on_switch("ip", "link", "add", "net0", "type", "bridge")
            self._on_switch("ip", "link", "set", "net0", "up")
            for number, name in enumerate(self.names, 1):
                self._hosts[name] = self._boot(name, f"10.77.0.{number}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for keeper in reversed(self._keepers):
            keeper.kill()
            keeper.communicate()
        for process in (process for host in self._hosts.values() for process in host.started):
            process.wait()
        for left in (".python", *(f".cluster-{name}" for name in self.names)):
            shutil.rmtree(self.shared / left, ignore_errors=True)

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    def cut(self, name: str) -> None:
        """Pulls the cable of a host."""
        self._on_switch("ip", "link", "set", f"to-{name}", "down")

    def mend(self, name: str) -> None:
        """Plugs it in again."""
        self._on_switch("ip", "link", "set", f"to-{name}", "up")

    def _boot(self, name: str, address: str) -> Host:
        environment = {
            "NAME": name,
            "SHARED_FROM": str(self.shared),
            "SHARED": str(SHARED),
            "CHECKOUT": str(ROOT),
            "PREFIX": sys.prefix,
            "HIDDEN": "" if name in self.with_checkout else " ".join(map(str, CHECKOUTS)),
        }
        unshare = ["unshare", "-n", "-m", "-u", "-p", "-i", "--fork", "--kill-child", "--mount-proc"]
        inside = {"PATH": f"{PYTHON.parent}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp/home", "LANG": "C.UTF-8"}
        host = Host(name, address, self._keep(unshare, _BOOT, environment), inside)
        self._on_switch(
            "ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", host.process
        )
        self._on_switch("ip", "link", "set", f"to-{name}", "master", "net0", "up")
        for command in (("addr", "add", f"{address}/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
            done = subprocess.run(
                ["nsenter", "-t", host.process, "-n", "ip", *command], capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr
        return host

    def _keep(self, unshare: list[str], boot: str, environment: Mapping[str, str]) -> subprocess.Popen[str]:
        """A process that holds namespaces, ready; with it they and all that runs in them end."""
        keeper = subprocess.Popen(
            [*unshare, "bash", "-c", boot],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
            start_new_session=True,
        )
        self._keepers.append(keeper)
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "ready\n", "a host did not start"
        return keeper

    def _on_switch(self, *command: str) -> None:
        child = Path(f"/proc/{self._switch.pid}/task/{self._switch.pid}/children").read_text().split()[0]
        done = subprocess.run(["nsenter", "-t", child, "-n", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def wait_for_text(log: Path, text: str, seconds: float = 180, count: int = 1) -> None:
    """Waits until a log holds `text`, `count` times."""
    end = time.monotonic() + seconds
    while not log.exists() or log.read_text(errors="replace").count(text) < count:
        assert time.monotonic() < end, f"no {text!r} in {log.name}:\n{log.read_text(errors='replace')[-3000:]}"
        time.sleep(0.2)


def differing(mine: pd.DataFrame, theirs: pd.DataFrame) -> int:
    """How many trials have no row in one of the two, several, or other numbers to the bit.

    Not compared: what a clock measured, where and from which commit a thing was computed, whether it was in the store.
    """
    frames = [frame.drop(columns=[*MEASURED, *WHERE]) for frame in (mine, theirs)]
    count = 0
    for trial in {*mine["trial_id"], *theirs["trial_id"]}:
        rows = [frame[frame["trial_id"] == trial].reset_index(drop=True) for frame in frames]
        try:
            assert len(rows[0]) == len(rows[1]) == 1
            pd.testing.assert_frame_equal(*rows, check_exact=True, check_dtype=False)
        except AssertionError:
            count += 1
    return count


def show(title: str, **found: object) -> None:
    """Prints one drill of the table: what was done, how often, what was lost, what differed."""
    print(f"\n{title}")
    for name, value in found.items():
        print(f"    {name.replace('_', ' '):<28}{value}")

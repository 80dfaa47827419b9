"""Reaching a Ray cluster, or starting one here: answers within seconds, never another cluster than was asked for."""

import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.storage.places import cause
from clearer.machine import cores

_CONNECT_SECONDS = 3
_FOR_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "200",  # or Tune starts the workers of a queue of ours one after another
}
_FOR_WORKERS = {"RAY_CHDIR_TO_TRIAL_DIR": "0"}
"""What the processes of trials read from their environment; a Ray on this machine inherits it from this process."""
_FOR_A_LOCAL_RAY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # everything on loopback
_FOR_A_CLUSTER = {
    "RAY_gcs_server_port_wait_time_s": "3",
    "RAY_OVERRIDE_JOB_RUNTIME_ENV": "1",  # in a submitted job, what is shipped is ours
}
_PACKAGES = ("clearer", "studies", "analysis")
_SOURCES = ("*.py", "*.pyi", "*.sha256", "*.toml")
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_ONE = threading.Lock()
"""A process has one Ray, and who leaves it ends it for all."""


class ClusterError(RuntimeError):
    """A cluster that is not there or can't hold what is asked; the message is one line with the mend."""


@contextlib.contextmanager
def connect(address: str | None) -> Iterator[None]:
    """Joins the cluster at `address`, or for None and local starts a Ray here. Raises ClusterError: none answers."""
    local = address in (None, "local")
    target = "local" if local else str(address)
    head = None if local else reachable(target)
    os.environ |= _FOR_RAY | _FOR_WORKERS
    for name, value in (_FOR_A_LOCAL_RAY if local else _FOR_A_CLUSTER).items():
        os.environ.setdefault(name, value)
    import ray
    from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

    if ray.is_initialized() or not _ONE.acquire(blocking=False):
        raise ClusterError("this process has a Ray already: run one study after the other, or call ray.shutdown()")
    logging.getLogger("ray").setLevel(logging.CRITICAL)  # what matters comes as exceptions and through the watcher
    alone: dict[str, Any] = {"include_dashboard": False, "object_store_memory": 200_000_000, "num_cpus": cores()}
    has_own_token = local and not any(map(os.environ.get, _TOKENS))
    if has_own_token:  # Ray would write one into HOME, as a file that others can read
        os.environ[_TOKENS[0]] = secrets.token_hex(32)
    elif not local:
        _close_token_file()
    try:
        try:
            AuthenticationTokenLoader.instance().reset_cache()
            with _silent_stderr(), contextlib.nullcontext(alone) if local else _shipped_code() as more:
                ray.init(address=target, log_to_driver=False, configure_logging=False, **more)
        except (Exception, SystemExit) as error:  # what Ray raises where it can't join, SystemExit(15) included
            mend = f"its files go into {_temporary()}/ray; RAY_TMPDIR names another folder, of a short path"
            mend = mend if local else "does it ask for a token? set RAY_AUTH_MODE=token here too"
            what = f"Ray can't be {'started' if local else 'joined'}"
            raise ClusterError(f"--address {address or 'local'}: {what} ({cause(error)}); {mend}") from None
        if threading.current_thread() is threading.main_thread():
            # Ray's own handler ends the process; a machine that is taken back leaves time to save what is under way.
            # It is as Ctrl-C, also for a study that a script runs in the background, where Ctrl-C itself is ignored.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.nullcontext() if head is None else watched(head):
            yield
    finally:
        ray.shutdown()
        if has_own_token:
            del os.environ[_TOKENS[0]]
        _ONE.release()


def _temporary() -> str:
    """Where Ray puts the folder of its files, and of the file that names this machine's cluster."""
    return os.environ.get("RAY_TMPDIR") or (sys.platform == "linux" and os.environ.get("TMPDIR")) or "/tmp"


def _close_token_file() -> None:
    file = Path(os.environ.get(_TOKENS[1]) or os.path.expanduser("~/.ray/auth_token"))
    with contextlib.suppress(OSError):  # there is none
        if file.stat().st_mode & 0o077:
            try:
                file.chmod(0o600)
            except OSError:
                print(f"{file}: others can read the cluster's token; let its owner chmod 600 it", file=sys.stderr)


@contextlib.contextmanager
def watched(head: str, every: float = 5.0) -> Iterator[None]:
    """Says so, once, when a cluster's head was silent twice in a row; Ray then ends this process after a while."""
    left = threading.Event()

    def watch() -> None:
        silent = 0
        while silent < 2 and not left.wait(every):
            try:
                reachable(head)
                silent = 0
            except ClusterError:
                silent += 1
        if silent == 2:
            text = f"--address {head}: the cluster's head does not answer any more. If it stays away, this ends soon"
            print(f"{text}: start the cluster again, then run the same command to go on", file=sys.stderr, flush=True)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        left.set()
        watcher.join()


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drops what Ray's C++ core writes to standard error meanwhile; what went wrong comes as an exception."""
    if sys.stderr is None:  # it was closed before Python began
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def own_files() -> dict[str, Path]:
    """The files of this project that a node needs, less than a megabyte, by their names below the packages' folder."""
    root = Path(__file__).resolve().parents[2]
    found = (f for package in _PACKAGES for pattern in _SOURCES for f in (root / package).rglob(pattern))
    return {str(file.relative_to(root)): file for file in sorted(found)}


@contextlib.contextmanager
def _shipped_code() -> Iterator[dict[str, Any]]:
    """Options of `ray.init` that ship this project's own files to every node, as the working directory.

    With modules Ray would put the driver's folders on the workers' path, and another checkout there would run.
    """
    with tempfile.TemporaryDirectory(prefix="clearer-code-") as folder:
        for name, file in own_files().items():
            copy = Path(folder, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        yield {"runtime_env": {"working_dir": folder, "env_vars": _FOR_WORKERS}}


def reachable(address: str) -> str:
    """The HOST:PORT of a cluster that accepts connections. Raises ClusterError: none does, within three seconds."""
    start = "start one with `ray start --head`, or leave --address out to run on this machine"
    found = address
    if address == "auto":
        found = os.environ.get("RAY_ADDRESS", "").strip()
        if found in ("", "auto"):
            with contextlib.suppress(OSError):
                found = Path(_temporary(), "ray", "ray_current_cluster").read_text().strip()
        if found in ("", "auto"):
            raise ClusterError(f"--address auto: no Ray cluster runs here; {start}")
    host, _, port = found.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        wrong = f"RAY_ADDRESS={found}: not" if found != address else "not auto, local or"
        raise ClusterError(f"--address {address}: {wrong} HOST:PORT, which `ray start --head` prints")
    try:
        answers = _speaks_http2(host.strip("[]"), int(port))
    except (OSError, OverflowError, ValueError):
        raise ClusterError(f"--address {address}: no Ray cluster answers at {found}; {start}") from None
    if not answers:
        raise ClusterError(f"--address {address}: what answers at {found} is no Ray cluster; {start}")
    return found


def _speaks_http2(host: str, port: int) -> bool:
    """Whether a server greets as Ray's do (HTTP/2, RFC 9113 section 3.4); Ray itself would wait for minutes."""
    settings = 4
    with socket.create_connection((host, port), timeout=_CONNECT_SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS") == "1":
            return True  # the greeting is encrypted
        connection.settimeout(_CONNECT_SECONDS)
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, settings, 0, 0, 0, 0, 0]))
        header = connection.recv(9)
    return len(header) == 9 and header[3] == settings

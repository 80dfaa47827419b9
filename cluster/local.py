"""Several Ray nodes on this machine, on loopback, to try a cluster out; and a study on them.

    python cluster/local.py --nodes 3 --cpus 1                                    # until Ctrl-C
    python cluster/local.py --nodes 2 -- studies/lambda_pareto.py --storage runs  # to the study's end; its exit status

The nodes get a token and a folder of their own, so they disturb no other Ray here, and `--address auto` elsewhere does
not find them. They share this machine: nothing becomes faster, and no node can be lost by itself but by `kill`.
"""

import argparse
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

NEEDED = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "RAY_TMPDIR", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")
"""What a study on the nodes has to find in its environment."""
NODE_BYTES = 100_000_000
"""The object store of a node: what trials share are configurations and rows."""


def main(arguments: list[str] | None = None) -> int:
    """Starts the nodes and runs the study, or waits; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=_whole_number, default=2, help="how many (default 2)")
    parser.add_argument("--cpus", type=_whole_number, default=1, help="of each node; a trial takes one (default 1)")
    parser.add_argument("study", nargs="*", metavar="-- studies/STUDY.py …", help="a study, run on the nodes")
    options = parser.parse_args(arguments)
    if options.study and not Path(options.study[0]).is_file():
        parser.error(f"{options.study[0]}: no such file")
    folder = tempfile.mkdtemp(prefix="ray-")  # short: it holds sockets, whose paths may have 107 bytes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        _prepare_environment(Path(folder))
        return _run(options)
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _whole_number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _prepare_environment(folder: Path) -> None:
    """Sets what Ray reads when it is imported, here and in the study."""
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    os.environ.pop("RAY_AUTH_TOKEN", None)  # it would win
    os.environ |= {
        "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_TMPDIR": str(folder),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0",  # the first: all ports on loopback
    }  # fmt: skip


def _run(options: argparse.Namespace) -> int:
    from ray.cluster_utils import Cluster

    cluster = Cluster(shutdown_at_exit=False)
    try:
        for _ in range(options.nodes):
            cluster.add_node(num_cpus=options.cpus, object_store_memory=NODE_BYTES, include_dashboard=False)
        if options.study:
            return _study(options.study, cluster.address)
        print(f"{options.nodes} nodes of {options.cpus} CPUs. In another terminal:", flush=True)
        print("  export " + " ".join(f"{name}={shlex.quote(os.environ[name])}" for name in NEEDED))
        print(f"  python studies/lambda_pareto.py --address {cluster.address}")
        print("Ctrl-C ends them.", flush=True)
        signal.pause()
    finally:
        cluster.shutdown()
    return 0


def _study(arguments: list[str], address: str) -> int:
    """Runs the study to its end; a Ctrl-C reaches it too, and it then stops in its own time."""
    study = subprocess.Popen([sys.executable, *arguments, "--address", address])
    try:
        return study.wait()
    except KeyboardInterrupt:
        return study.wait()
    finally:
        if study.poll() is None:
            study.terminate()
            study.wait()


if __name__ == "__main__":
    sys.exit(main())

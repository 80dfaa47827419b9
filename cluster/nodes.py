"""Waits until a cluster has as many nodes as are named: `python cluster/nodes.py HOST:PORT NODES SECONDS`.

Exit status 0 as soon as they are there, and when the time is over, with a line that says how many are missing: a study
needs one. 1: no head answers.
"""

import logging
import socket
import sys
import time


def main(address: str, wanted: int, seconds: float) -> int:
    """Waits; the exit status."""
    end = time.monotonic() + seconds
    host, _, port = address.rpartition(":")
    while not _answers(host, int(port)):
        if time.monotonic() > end:
            print(f"no head answers at {address} after {seconds:.0f} s", file=sys.stderr)
            return 1
        time.sleep(1)
    import ray

    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    while (there := sum(node["Alive"] for node in ray.nodes())) < wanted and time.monotonic() < end:
        time.sleep(1)
    short = f"; {wanted - there} are missing and may still join" if there < wanted else ""
    print(f"{there} of {wanted} nodes have joined{short}", flush=True)
    return 0


def _answers(host: str, port: int) -> bool:
    """Whether something listens there: Ray itself would wait for two minutes and end the process."""
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    if len(sys.argv) != 4 or ":" not in sys.argv[1]:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))

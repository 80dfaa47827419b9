"""What the driver says when the head of its cluster is lost."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from running import wait_for

from studies.nodes.connection import ClusterError, reachable, watched

SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""The frame that a server of HTTP/2 begins with."""


@contextlib.contextmanager
def head(port: int = 0) -> Iterator[int]:
    """Something that greets as the head of a Ray cluster does; its port."""
    server = socket.create_server(("127.0.0.1", port))

    def greet() -> None:
        with contextlib.suppress(OSError):
            while True:
                with server.accept()[0] as connection:
                    connection.recv(64)
                    connection.sendall(SETTINGS)

    greeter = threading.Thread(target=greet)
    greeter.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        greeter.join()


def test_a_head_that_is_lost_is_named_once(capfd: pytest.CaptureFixture[str]) -> None:
    with head() as port:
        address = f"127.0.0.1:{port}"
        with watched(address, every=0.05):
            time.sleep(0.5)
        assert capfd.readouterr().err == "", "there all the time"
    with watched(address, every=0.05):
        said: list[str] = []
        wait_for(lambda: said.append(capfd.readouterr().err) or "".join(said), 30)  # type: ignore[func-returns-value]
        time.sleep(0.5)
    (line,) = ("".join(said) + capfd.readouterr().err).splitlines()
    assert address in line
    assert "run the same command" in line


def test_a_head_that_is_silent_for_a_moment_is_not(capfd: pytest.CaptureFixture[str]) -> None:
    with head() as port:
        address = f"127.0.0.1:{port}"
    with watched(address, every=1.0):
        time.sleep(1.5)  # asked once
        with head(port):
            time.sleep(2.0)
    assert capfd.readouterr().err == ""


def test_a_head_behind_tls_has_to_accept_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USE_TLS", "1")
    with head() as port:
        assert reachable(f"127.0.0.1:{port}") == f"127.0.0.1:{port}"
    with pytest.raises(ClusterError, match="no Ray cluster answers"):
        reachable(f"127.0.0.1:{port}")

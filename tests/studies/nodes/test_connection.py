"""What the driver says when the head of its cluster is lost."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from running import wait_for

from studies.nodes.connection import ClusterError, _close_token_file, connect, own_files, reachable, watched

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


@pytest.mark.parametrize(
    "named", ["ray://127.0.0.1:10001", "http://127.0.0.1:8265", "local", ":6379", "host:x", f"{'a' * 300}:6379"]
)
def test_an_address_in_the_environment_that_is_none_is_named(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", named)
    with pytest.raises(ClusterError, match=r"^--address auto: .*(HOST:PORT|no Ray cluster answers)") as error:
        reachable("auto")
    assert named in str(error.value)


@pytest.mark.parametrize("named", ["", "auto", " "])
def test_auto_in_the_environment_is_the_cluster_of_this_machine(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", named)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    with head() as port:
        (tmp_path / "ray/ray_current_cluster").write_text(f"127.0.0.1:{port}\n")
        assert reachable("auto") == f"127.0.0.1:{port}"


def test_a_token_file_that_others_can_read_is_closed_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text("0" * 64)
    token.chmod(0o644)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    _close_token_file()
    assert token.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    _close_token_file()


def test_a_second_study_of_one_process_is_refused_at_once_and_the_first_goes_on() -> None:
    refused: list[str] = []

    def second() -> None:
        try:
            with connect(None):
                pass
        except ClusterError as error:
            refused.append(str(error))

    with connect(None):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(30)
        assert ray.is_initialized()
    (line,) = refused
    assert line.startswith("this process has a Ray already: run one study after the other")


def test_every_file_that_a_module_reads_is_sent_to_the_nodes() -> None:
    sent = own_files()
    images = Path(sent["clearer/images/datasets.py"]).parent
    data = {file for file in images.rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    assert {images / "datasets.toml", images / "manifests" / "bsd68.sha256"} <= data <= set(sent.values())

"""`python -m studies`: the maintenance commands, under their old spellings too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT
from tracking_servers import free_port

from studies.__main__ import main

COMMANDS = ("gc", "sync", "retime", "preflight")
OLD = {
    "studies.store gc": "gc",
    "studies.sync": "sync",
    "studies.retime": "retime",
    "studies.preflight": "preflight",
}


def asked(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a module of this project."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100, check=False)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The status of a command in this process, and what it prints."""
    try:
        status = main(list(arguments))
    except SystemExit as stop:
        status = int(stop.code or 0)
    return status, *capsys.readouterr()


def test_help_lists_the_commands_and_each_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = shown(capsys, "--help")
    assert status == 0
    listed = [line.split()[0] for line in out.splitlines() if line.startswith("    ") and line[4:5].strip()]
    assert tuple(listed) == COMMANDS
    flags = {
        "gc": ["STORAGE", "--data", "--delete"],
        "sync": ["STORAGE", "STUDY", "--tracking-uri"],
        "retime": ["STORAGE", "STUDY", "--data", "--gpu"],
        "preflight": ["--address", "--storage", "--data", "--gpus-per-trial", "--tracking-uri"],
    }
    for command, names in flags.items():
        status, out, _ = shown(capsys, command, "--help")
        assert status == 0
        assert f"python -m studies {command}" in out
        assert all(name in out for name in names)


@pytest.mark.parametrize(("old", "command"), OLD.items())
def test_an_old_spelling_is_the_same_command(old: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = asked(*old.split(), "--nonsense")
    status, _, err = shown(capsys, command, "--nonsense")
    assert (done.returncode, status) == (2, 2)
    assert done.stderr == err
    assert err.count("\n") == 1


def test_an_old_spelling_does_its_work(study_storage: Path, tmp_path: Path) -> None:
    done = asked("studies.store", "gc", str(study_storage))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("bytes can be freed; add --delete\n")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    done = asked("studies.sync", str(study_storage), "lambda_pareto", "--tracking-uri", uri)
    assert (done.returncode, done.stderr) == (0, "")
    assert "8 runs: 8 created, 0 completed, 0 unchanged" in done.stdout


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nothing",
        "gc",
        "gc nowhere",
        "sync",
        "sync nowhere",
        "sync gopher://x/y",
        "retime",
        "retime nowhere",
        "retime nowhere lambda_pareto",
        "preflight --gpus-per-trial x",
        "preflight --data nowhere",
        "preflight --address nowhere",
        "preflight --address 127.0.0.1:1",
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = shown(capsys, *line.split())
    assert status == 2
    assert err.count("\n") == 1, err
    assert err.startswith("python -m studies")
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_be_sent_is_one_line_without_secrets(
    study_storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = f"http://somebody:secret-word@127.0.0.1:{free_port()}"
    status, _, err = shown(capsys, "sync", str(study_storage), "--tracking-uri", uri)
    assert status == 1
    assert err.count("\n") == 1
    assert "http://***@127.0.0.1" in err
    assert "secret-word" not in err


def test_a_study_that_is_not_there_is_named(study_storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("sync", "retime"):
        status, _, err = shown(capsys, command, str(study_storage), "nothing")
        assert status == 2
        assert err == f"python -m studies {command}: {study_storage}: holds no study nothing\n"

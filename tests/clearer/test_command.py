import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clearer.command import OneLineParser, console, path, print_prose


def test_an_error_is_one_line_and_exit_2(capsys):
    parser = OneLineParser(prog="python -m some.thing")
    parser.add_argument("--count", type=int)
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(["--count", "many"])
    assert stopped.value.code == 2
    said = "python -m some.thing: argument --count: invalid int value: 'many' (see --help)\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "utf-8"])
def test_what_a_terminal_cannot_show_is_printed_as_its_code(encoding):
    script = "from clearer.command import *; OneLineParser(); print('σ'); console().print('λ1 ●'); print('\\udcff')"
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment, check=True)
    shown = "σ\nλ1 ●\n\udcff\n".encode(encoding, errors="backslashreplace")
    assert done.stdout == shown


@pytest.mark.parametrize("text", ["/a/[old]/b [/b]", "/a/:smile:/b", "/a b/$x$/100%", "x" * 300])
def test_a_path_is_printed_as_it_is(text):
    out = io.StringIO()
    console(file=out, width=40).print(text)
    assert out.getvalue() == f"{text}\n"


def test_a_mistyped_word_of_a_subcommand_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    parser = OneLineParser(prog="p", known=["studies/seeds.py"])
    commands = parser.add_subparsers(parser_class=OneLineParser, metavar="COMMAND")
    commands.add_parser("restore").add_argument("--network")
    for words, near in (
        (["restor"], "'restor' (did you mean restore?)"),
        (["seeds.py"], "'seeds.py' (did you mean studies/seeds.py?)"),
        (["restore", "--netwrok=a"], "p restore: unrecognized argument --netwrok (did you mean --network?)"),
    ):
        with pytest.raises(SystemExit) as stop:
            parser.parse_args(words)
        assert stop.value.code == 2
        assert near in capsys.readouterr().err


@pytest.mark.parametrize(("terminal", "lines"), [(True, ["all trials:", "cells=2"]), (False, ["all trials: cells=2"])])
def test_a_terminal_breaks_prose_between_words_and_a_file_holds_it_whole(terminal, lines):
    said = io.StringIO()
    print_prose(console(file=said, force_terminal=terminal, width=12), "all trials: cells=2")
    assert [line.rstrip() for line in said.getvalue().splitlines()] == lines


def test_a_path_below_the_users_home_is_what_a_shell_makes_of_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    parser = OneLineParser(prog="p")
    parser.add_argument("--out", type=path)
    assert parser.parse_args(["--out=~/restored"]).out == Path("/home/somebody/restored")

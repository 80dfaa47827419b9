import io
import os
import subprocess
import sys

import pytest

from clearer.command import OneLineParser, console


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

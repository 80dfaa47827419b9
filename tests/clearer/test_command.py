import pytest

from clearer.command import OneLineParser


def test_an_error_is_one_line_and_exit_2(capsys):
    parser = OneLineParser(prog="python -m some.thing")
    parser.add_argument("--count", type=int)
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(["--count", "many"])
    assert stopped.value.code == 2
    said = "python -m some.thing: argument --count: invalid int value: 'many' (see --help)\n"
    assert capsys.readouterr().err == said

"""The parsers of all programs of this project, as the programs make them."""

import argparse
import contextlib
import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any
from unittest import mock

import analysis.report.__main__
import clearer.__main__
import studies.__main__
from studies.driver import command_line

STUDIES = (
    "lambda_pareto cells columns tasks seeds random_baseline table5 supernet_fidelity adaptive_pareto settings"
).split()
"""In the order of the README's table."""
PROGRAMS: Mapping[str, Callable[[list[str]], int]] = {
    "python -m studies": studies.__main__.main,
    "python -m clearer": clearer.__main__.main,
    "python -m analysis.report": analysis.report.__main__.main,
}


def parser_of(main: Callable[[list[str]], int]) -> argparse.ArgumentParser:
    """The parser that a program's `main(arguments)` makes, caught where it would begin to parse."""
    caught: list[argparse.ArgumentParser] = []

    def catch(parser: argparse.ArgumentParser, *_: Any) -> None:
        caught.append(parser)
        raise _Caught

    with mock.patch.object(argparse.ArgumentParser, "parse_args", catch), contextlib.suppress(_Caught):
        main([])
    return caught[0]


class _Caught(Exception):
    pass


def study_parser(name: str) -> argparse.ArgumentParser:
    """The parser of `python studies/<name>.py`."""
    module = study_module(name)
    return parser_of(lambda arguments: command_line.main(module.STUDY, module.__doc__, arguments))


def study_module(name: str) -> ModuleType:
    """The module of a study."""
    return importlib.import_module(f"studies.{name}")

"""Every command of the pages is one that the programs understand."""

import argparse
import functools
import importlib.util
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from running import ROOT

from docs.generate.parsers import PROGRAMS, STUDIES, parser_of, study_module, study_parser
from studies.driver import command_line
from studies.driver.options import options_of, parse_assignments
from tests.docs.pages import PAGES, commands, named, spans

FOREIGN = {
    *"--allowed-hosts --block --host --signal --exclusive --dependency --num-cpus --backend-store-uri".split(),
    *"--partition --account".split(),
}
"""Flags of Ray, Slurm and MLflow that the text names."""


class Parsed(Exception):
    """What a program's parser made of a command."""

    def __init__(self, namespace: argparse.Namespace):
        super().__init__(namespace)
        self.namespace = namespace


def parsed(main: Callable[[list[str]], Any], arguments: list[str]) -> argparse.Namespace:
    """What the parser of `main` makes of the arguments; nothing is run. A mistake raises SystemExit."""
    parse = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser, given: Any = None, namespace: Any = None) -> None:
        raise Parsed(parse(parser, given, namespace))

    with mock.patch.object(argparse.ArgumentParser, "parse_args", stop), pytest.raises(Parsed) as found:
        main(arguments)
    return found.value.namespace


def check(words: list[str]) -> None:
    """Has the program that `words` name read its arguments; SystemExit or an error of its own where it can't."""
    first, *rest = words
    program = f"python -m {rest[0]}" if first == "-m" else first
    if first.startswith("studies/"):
        check_study(Path(first).stem, rest)
    elif program in PROGRAMS:
        is_a_name = len(rest) < 3
        parsed(PROGRAMS[program], [*rest[1:], "--help"] if is_a_name else rest[1:])
    elif first == "cluster/local.py":
        own, _, study = " ".join(rest).partition("-- ")
        parsed(runpy.run_path(str(ROOT / first))["main"], own.split())
        if study:
            check(study.split())
    elif rest[0].startswith("benchmarks."):
        check_benchmark(rest[0], rest[1:])
    else:
        assert rest[0] in ("pytest", "venv", "clearer.references", "docs.generate"), program


def check_study(name: str, arguments: list[str]) -> None:
    """Has a study read its arguments and make its first trials of them."""
    module = study_module("lambda_pareto" if name == "NAME" else name)
    options = options_of(parsed(lambda given: command_line.main(module.STUDY, module.__doc__, given), arguments))
    assert (
        module.STUDY.trials(options.preset, options.assigned, options.seeds, options.random)
        or name == "adaptive_pareto"
    )


def check_benchmark(name: str, arguments: list[str]) -> None:
    """A benchmark's flags stand in its source."""
    source = (ROOT / f"{name.replace('.', '/')}.py").read_text() + (ROOT / "benchmarks" / "measuring.py").read_text()
    assert [word for word in arguments if word.startswith("--") and f'"{word}"' not in source] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_is_understood(page: Path) -> None:
    for words in commands(page):
        try:
            check(words)
        except (SystemExit, Exception) as error:
            if not (isinstance(error, SystemExit) and error.code in (0, None)):
                pytest.fail(f"{named(page)}: python {' '.join(words)}: {error!r}")


def test_commands_are_found_and_mistakes_in_them() -> None:
    assert sum(len(list(commands(page))) for page in PAGES) > 60
    check(["studies/cells.py", "--set", "lambda1=0.01,2x"])
    for wrong in (
        "studies/cells.py --sets 3",
        "studies/cells.py --set lamda1=3",
        "-m studies gc a b",
        "-m clearer describe",
    ):
        with pytest.raises((SystemExit, Exception)):
            check(wrong.split())


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_flag_and_assignment_that_is_named_exists(page: Path) -> None:
    for span in spans(page):
        flags = [flag for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", span) if flag not in known_flags() | FOREIGN]
        is_ours = re.match(r"--|(\.venv/bin/)?python ", span)
        assert not (flags and is_ours), f"{named(page)}: {span}"
        for assignment in re.findall(r"(?<=--set )(?:\w+=[\w.,/-]+ ?)+", span):
            if "field=" not in assignment:
                parse_assignments(assignment.split())


@functools.cache
def known_flags() -> set[str]:
    """All flags of all programs of this project."""
    parsers = [study_parser(name) for name in STUDIES] + [parser_of(main) for main in PROGRAMS.values()]
    found: set[str] = set()
    while parsers:
        parser = parsers.pop()
        for action in parser._actions:
            found |= set(action.option_strings)
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()
    sources = [
        *(ROOT / "benchmarks").glob("*.py"),
        *(ROOT / "cluster").glob("*.py"),
        ROOT / "clearer" / "references.py",
    ]
    return found | {flag for file in sources for flag in re.findall(r'"(--[a-z-]+)"', file.read_text())}


def test_the_old_spellings_of_maintenance_commands_are_modules() -> None:
    for name in ("sync", "store", "retime", "preflight"):
        assert importlib.util.find_spec(f"studies.{name}") is not None

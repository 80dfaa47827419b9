"""What all command lines of this project have in common."""

import argparse
import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.text import Text

from clearer.fields import nearest


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line with the nearest right word, and exit status 2.

    `known` are words that are no flags or choices of the parser, and that a mistyped one may stand for.
    """

    def __init__(self, *arguments: Any, known: Iterable[str] = (), **named: Any):
        super().__init__(*arguments, **named)
        self.known = list(known)
        print_anything()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As `argparse` does, for subcommands too; but nothing unknown is left."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            flag = unknown[0].partition("=")[0]
            self.error(f"unrecognized argument {flag}{nearest(flag, [*self._option_string_actions, *self.known])}")
        return found, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            near = nearest(str(value), [*action.choices, *self.known])
            choices = ", ".join(map(str, action.choices))
            raise argparse.ArgumentError(action, f"invalid choice {str(value)!r}{near}; there are {choices}")

    def error(self, message: str) -> NoReturn:
        """Prints `message` and how to get help."""
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def path(text: str) -> Path:
    """The path that a flag names; of `--flag=~/x` a shell leaves the ~ to the program."""
    return Path(os.path.expanduser(text))


def whole_number(text: str, least: int = 1) -> int:
    """The type of a flag that takes 1, 2, 3 …"""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {'above 0' if least else 'from 0 on'}")
    return int(text)


def print_anything() -> None:
    """From here on a character that the terminal or the log can't show is printed as its code, such as \\u03bb."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def console(width_in_files: int = 0, **options: Any) -> Console:
    """Prints texts as they are: paths have [x] and :x: in them, and a line that is cut can't be pasted."""
    print_anything()
    found = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, **options)
    if not found.is_terminal:
        found.width = max(found.width, width_in_files)
    return found


def print_prose(console: Console, text: str | Text) -> None:
    """Prints a line that nobody pastes: a terminal breaks it between words, a file holds it whole."""
    console.print(text, soft_wrap=not console.is_terminal)

"""What all command lines of this project have in common."""

import argparse
import io
import sys
from typing import Any, NoReturn

from rich.console import Console


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line and exit status 2."""

    def __init__(self, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named)
        print_anything()

    def error(self, message: str) -> NoReturn:
        """Prints `message` and how to get help."""
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


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

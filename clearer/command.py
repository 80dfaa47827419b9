"""What all command lines of this project have in common."""

import argparse
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line and exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Prints `message` and how to get help."""
        self.exit(2, f"{self.prog}: {message} (see --help)\n")

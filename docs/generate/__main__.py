"""Writes the pages of docs/reference/ from the code: `python -m docs.generate`.

A test compares the pages with what this writes, so that they can't fall behind the code.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from docs.generate.api import api_page
from docs.generate.columns import columns_page
from docs.generate.command_line import command_line_page
from docs.generate.configuration import configuration_page

FOLDER = Path(__file__).resolve().parents[1] / "reference"
_NOTICE = "<!-- Written by `python -m docs.generate`; edits here are lost. -->"
_PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "command_line.md": command_line_page,
    "configuration.md": configuration_page,
    "columns.md": columns_page,
    "python.md": api_page,
}


def pages() -> dict[str, str]:
    """The text of every page, by the name of its file.

    Raises:
        MeaningError: a column has no meaning, or a meaning has no column.
        UnplacedError: a field of the configuration stands below no heading.
    """
    return {name: f"{_NOTICE}\n\n" + "\n".join(page()).strip() + "\n" for name, page in _PAGES.items()}


def main() -> int:
    """Writes every page."""
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
        print(f"docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

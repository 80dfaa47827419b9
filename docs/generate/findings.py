"""Runs the Python of the pages of docs/findings/, and writes what it prints below it.

A page's blocks of Python run one after another, in the project's root, with one set of names. What a block prints
stands in the block of text below it. Figures are files that a block saves. All come from the rows in examples/.

    python -m docs.generate.findings
"""

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("docs/findings")
_BLOCK = re.compile(r"(```python\n(?P<source>.*?)```\n)(\n```text\n.*?```\n)?", re.DOTALL)


class PageError(RuntimeError):
    """A block of a page that fails; the message names the page and the block's first line."""


def executed(text: str, page: str) -> str:
    """A page with what its blocks print now.

    Raises:
        PageError: a block fails.
    """
    names: dict[str, Any] = {"__name__": "__main__"}

    def run(block: re.Match[str]) -> str:
        printed, source = io.StringIO(), block["source"]
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(source, page, "exec"), names)
        except Exception as error:
            raise PageError(f"{page}: {source.splitlines()[0]}: {type(error).__name__}: {error}") from error
        said = "\n".join(line.rstrip() for line in printed.getvalue().splitlines())
        return block[1] + (f"\n```text\n{said}\n```\n" if said else "")

    return _BLOCK.sub(run, text)


def rebuilt(root: Path) -> Iterator[tuple[Path, str]]:
    """Every page below `root`, and its text as it is now; its figures are written where it stands."""
    with contextlib.chdir(root):
        for page in sorted(FOLDER.glob("*.md")):
            yield page, executed(page.read_text(), str(page))


def main() -> int:
    """Rebuilds every page."""
    for page, text in rebuilt(ROOT):
        (ROOT / page).write_text(text)
        print(page)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    sys.exit(main())

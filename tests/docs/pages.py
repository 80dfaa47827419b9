"""The pages that the tests of this folder read, and what stands in them: commands, code, links, headings."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from running import ROOT

_FOUND = sorted((ROOT / "docs").rglob("*.md"))
_MADE = [page for page in _FOUND if page.parent.name == "reference"]
WRITTEN = [ROOT / "README.md", ROOT / "cluster" / "README.md"]
WRITTEN += [page for page in _FOUND if page not in _MADE and not page.is_symlink()]
"""The pages that people write."""
PAGES = [*WRITTEN, *_MADE]
"""All pages, those that are written from the code too."""
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def named(page: Path) -> str:
    """A page's name for people."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    """The code of a page that is fenced as of a language."""
    return [body for _, kind, body in _FENCE.findall(page.read_text()) if kind == language]


def prose(page: Path) -> str:
    """A page without its fenced and indented code."""
    return re.sub(r"(?m)^    .*\n", "", _FENCE.sub("", page.read_text()))


def spans(page: Path) -> list[str]:
    """The inline code of a page."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(page))


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of every command that begins with python, fenced, indented or inline, but of usages in brackets."""
    lines = [line for block in blocks(page, "bash") for line in block.replace("\\\n", " ").splitlines()]
    lines += [*spans(page), *re.findall(r"(?m)^    (\S[^\[\n]*)$", _FENCE.sub("", page.read_text()))]
    for line in lines:
        for part in re.split(r"&&|;| \| ", re.sub(r"\s#\s.*", "", line)):
            words = re.sub(r"^(\s*\w+=\S+)+ ", "", f"{part} ").replace("…", " ").strip()
            if re.match(r"(\.venv/bin/)?python3? (studies/|cluster/|docs/|-m )", words):
                yield shlex.split(words)[1:]
            elif re.match(r"sbatch .* -- studies/", words):
                yield shlex.split(words.partition(" -- ")[2])


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"(?m)^#+ (.+)$", _FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}

"""A task of one's own: a class beside a study, known by its name and the hash of its source.

Its source is the text of the class, and of what it names in its file or notebook cell: imports, functions, constants.
That text alone runs, here and on the nodes, so what the hash does not see can't change a result. It comes from the
study that runs, never from a store: of what a store holds without it, only what was made of it can be read.
"""

import ast
import hashlib
import inspect
import linecache
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from clearer.fields import ALL, NOT_NEGATIVE, ConfigurationError, setting
from clearer.images.reading import ImageError
from clearer.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class OwnFields:
    """What a configuration says of a task of one's own."""

    strength: float = setting(
        0.0, ALL, "of a task of one's own, which says its unit", NOT_NEGATIVE, "images pixels named", 0.0, "strength {}"
    )
    task_source: str = setting("", ALL, "the hash of the source of a task of one's own", (), "images pixels named", "")


class Absent(Task):
    """A task whose source is not here."""

    fields = ("strength", "task_source")

    def degrade(self, c: Any, clean: Any, generator: Any) -> Any:
        raise ImageError(
            f"task={c.task}: its source {c.task_source} is not here; run the study in whose file it stands"
        )


_sources: dict[str, str] = {}
_tasks: dict[str, Task] = {}
"""By the hash of their source, the newest last."""


def register(task: type[Task]) -> Task:
    """Makes a class known; what its source makes. Raises ConfigurationError: it can't be read or run, in one line."""
    named = f"task={task.name or task.__name__}"
    try:
        text = source(task)
    except (OSError, SyntaxError, StopIteration) as error:
        raise ConfigurationError(
            f"{named}: its source can't be read ({error}); define it in a file or a cell"
        ) from None
    try:
        return load(text)
    except Exception as error:  # whatever its lines raise
        detail = (str(error).splitlines() or [""])[0]
        raise ConfigurationError(f"{named}: its source can't be run ({type(error).__name__}: {detail})") from None


def load(text: str) -> Task:
    """Runs the source of a task, which is known from then on."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    if digest not in _tasks:
        module = ModuleType(f"task_{digest}")
        exec(compile(text, f"<task {digest}>", "exec"), module.__dict__)
        found: Task = module.__dict__["TASK"]()
        type(found).fields = Absent.fields if "strength" in text else Absent.fields[1:]
        _tasks[digest], _sources[digest] = found, text
    return _tasks[digest]


def sources() -> list[str]:
    """The sources of all that are known, for a node to `load`."""
    return list(_sources.values())


def hash_of(name: str) -> str:
    """The hash of the newest task of a name; "" where there is none."""
    return next((digest for digest, task in reversed(_tasks.items()) if task.name == name), "")


def named(name: str, digest: str) -> Task:
    """The task of a name and a hash."""
    return _tasks[digest] if digest in _tasks and _tasks[digest].name == name else Absent()


def source(task: type[Task]) -> str:
    """The text of a class and of what it names in its file, with a last line that calls it TASK."""
    method = next(value for value in vars(task).values() if inspect.isfunction(value))
    lines = linecache.getlines(method.__code__.co_filename)
    if not lines:
        raise OSError("no text")
    body = ast.parse("".join(lines)).body
    places = {name: node for node in body for name in _defined(node)}
    needed: set[str] = set()
    asked = {task.__name__}
    while asked:
        needed |= asked
        named = {n.id for name in asked for n in ast.walk(places[name]) if isinstance(n, ast.Name)}
        asked = (named & places.keys()) - needed
    parts = (_text(node, lines, needed) for node in body if needed & {*_defined(node)})
    return "\n".join([*parts, f"TASK = {task.__name__}"])


def _text(node: ast.stmt, lines: Sequence[str], needed: set[str]) -> str:
    """A statement as it stands there; of an import what is needed of it."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        node.names = [alias for alias in node.names if _bound(alias) in needed]
        return ast.unparse(node)
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
    return "".join(lines[first - 1 : node.end_lineno]).rstrip()


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _defined(node: ast.stmt) -> Iterator[str]:
    """The names that a statement of a file defines."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from map(_bound, node.names)
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets: Sequence[ast.expr] = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name))

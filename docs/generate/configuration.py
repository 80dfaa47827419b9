"""The page `configuration.md`: every field of a configuration, from the class and its metadata."""

import inspect
import re
import sys
from collections.abc import Iterator

from clearer.configuration import Configuration, field_types
from clearer.fields import as_text
from clearer.presets import PRESETS
from clearer.tasks.known import OF_TASKS, TASKS
from clearer.tasks.own import Absent
from clearer.tasks.task import Task
from docs.generate.markdown import code, paragraphs, table

_TYPES = {
    int: "whole number", float: "number", str: "text", bool: "true or false",
    tuple[int, ...]: "whole numbers", tuple[float, ...]: "numbers",
}  # fmt: skip
_PRESET_NAMES = ("paper", "proxy", "quick")
_COLUMNS = ["field", "type", *_PRESET_NAMES, "allowed", "stages", "what it is, and its source"]
_ABOUT_FIELDS = """
A configuration holds all that determines a trial. Every field can be set: `--set field=value`. Every field is also a
column of the results, so each row says completely how it was made.

* *paper* is the default: the paper's value. *proxy* and *quick* are the presets of the same names.
  A dash means the paper's value.
* *stages* are the steps of a trial that the field changes.
  A stage is computed again only when one of its fields has changed.
  The stages are `search`, `train`, `test`, `time` (the testing time) and `reference` (classical methods on the same
  images).
* A section or an equation is one of the paper's. "Released code" is the code that its authors published.
* `kind` and `architecture` have no stages: they say whether there is a search, and which network is trained.
  For a network that is given, `cells` and `columns` follow from its architecture.
* A value with several parts is written with dashes: `columns=2-4-6`.
* A task may depart from a preset: see *Of the tasks*.

λ1 and λ2 weigh the losses of a search: L_Res + λ1·L_Arch + λ2·L_Comp. L_Res is the mean squared error. L_Arch is small
when every column has decided between its two modules. L_Comp is small when α prefers cheap modules.
"""


class UnplacedError(ValueError):
    """A field that stands below no heading in the class."""


def configuration_page() -> Iterator[str]:
    """The fields, under the headings that they stand under in the code."""
    yield "# Fields of a configuration\n"
    yield from paragraphs(_ABOUT_FIELDS)
    for heading, names in _headings().items():
        yield f"## {heading}\n"
        yield from table(_COLUMNS, map(_field, names))
    yield "## Of the tasks\n"
    for name, task in {**TASKS, "One of your own": Absent()}.items():
        yield f"### {name}\n"
        yield f"{_sentence(task)}\n"
        for preset, values in task.departures.items():
            if not preset.startswith("first "):
                told = ", ".join(code(f"{field}={as_text(value)}") for field, value in values.items())
                yield f"{f'*{preset}*' if preset else 'Every preset'} then has {told}.\n"
        yield from table(_COLUMNS, map(_field, task.fields))


def _sentence(task: Task) -> str:
    """What the docstring of a task's file says first, with its classical references."""
    about = " ".join((sys.modules[type(task).__module__].__doc__ or "").partition("\n\n")[0].split())
    methods = ", ".join(task.methods())
    return f"{about} Classical references: {methods}." if methods else about


def _headings() -> dict[str, list[str]]:
    """The names of the fields under the comments that head them in the class."""
    found: dict[str, list[str]] = {}
    for line in inspect.getsource(Configuration).splitlines():
        comment, name = re.fullmatch(r"    # (.*)", line), re.match(r"    (\w+): .* = setting\(", line)
        if comment:
            found[comment[1]] = []
        elif name:
            found[next(reversed(found))].append(name[1])
    named = [name for names in found.values() for name in names]
    if missing := set(field_types()) - set(named) - OF_TASKS:
        raise UnplacedError(f"fields without a heading: {', '.join(missing)}")
    return found


def _field(name: str) -> list[str]:
    field = Configuration.__dataclass_fields__[name]
    check = field.metadata["check"]
    values = [field.default, *(PRESETS[preset].get(name, field.default) for preset in _PRESET_NAMES[1:])]
    paper, *others = [code(as_text(value)) or "(empty)" for value in values]
    return [
        f"`{name}`", _TYPES[field_types()[name]], paper, *("–" if other == paper else other for other in others),
        _allowed(check[1]) if check else "", " ".join(field.metadata["stages"]) or "none", field.metadata["source"],
    ]  # fmt: skip


def _allowed(text: str) -> str:
    return text.removeprefix("must be ").replace("one of ", "")

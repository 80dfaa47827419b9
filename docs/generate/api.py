"""The page `python.md`: what `analysis` and `studies` export, with signatures and docstrings."""

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import analysis
import studies
from docs.generate.markdown import code, joined, paragraphs, table

_ABOUT_PYTHON = """
`analysis` reads results. It needs neither torch nor Ray. `studies` runs studies.
"Rows" are a data frame of `analysis.load`, or a part of it ([columns](columns.md)).
"""


def api_page() -> Iterator[str]:
    """What the packages export."""
    yield "# The Python API\n"
    yield from paragraphs(_ABOUT_PYTHON)
    for package in (analysis, studies):
        yield f"## {package.__name__}\n"
        yield from paragraphs(package.__doc__ or "")
        for name in package.__all__:
            yield from _exported(f"{package.__name__}.{name}", getattr(package, name))


def _exported(name: str, thing: Any) -> Iterator[str]:
    yield f"### {name}\n"
    if not inspect.isclass(thing):
        yield f"```python\n{_in_lines(signature(name.rpartition('.')[2], thing))}\n```\n"
        yield from _docstring(thing)
        return
    yield from _docstring(thing)
    if dataclasses.is_dataclass(thing):
        attributes = [_attribute(field) for field in dataclasses.fields(thing)]
        told = 4 if any(attribute[3] for attribute in attributes) else 3
        heading = ["field", "type", "default", "meaning"]
        yield from table(heading[:told], (attribute[:told] for attribute in attributes))
    for method, what in _members(thing):
        yield f"* `{method}`: {joined((inspect.getdoc(what) or '').partition(chr(10) * 2)[0])}"
    yield ""


def _attribute(field: dataclasses.Field[Any]) -> list[str]:
    return [f"`{field.name}`", code(_annotation(field.type)), _default(field), field.metadata.get("help", "")]


def _default(field: dataclasses.Field[Any]) -> str:
    if callable(field.default):
        return "(a function)"
    if field.default is not dataclasses.MISSING:
        return code(_quoted(field.default))
    return "(needed)" if field.default_factory is dataclasses.MISSING else "(empty)"


def _quoted(value: Any) -> str:
    """A value as the code writes it."""
    return repr(value).replace("'", '"')


def _members(thing: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class, those of its own classes below it first."""
    for owner in reversed(
        [owner for owner in thing.__mro__ if owner.__module__.startswith(("analysis", "studies", "clearer.tasks"))]
    ):
        for name, member in vars(owner).items():
            if name.startswith("_") or not inspect.getdoc(member):
                continue
            if inspect.isfunction(member):
                yield signature(name, member), member
            elif isinstance(member, property) or hasattr(member, "attrname"):
                yield name, member


def signature(name: str, function: Any) -> str:
    """A function's signature on one line, with types as the code writes them."""
    parts, found = [], inspect.signature(function)
    star = False
    for parameter in found.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        star |= parameter.kind is parameter.VAR_POSITIONAL
        parts.append(_parameter(parameter))
    back = "" if found.return_annotation is found.empty else f" -> {_annotation(found.return_annotation)}"
    return f"{name}({', '.join(parts)}){back}"


def _in_lines(text: str) -> str:
    """A signature with one parameter a line where it is long."""
    if len(text) <= 100:
        return text
    name, rest = text.split("(", 1)
    inner, back = rest.rsplit(") -> ", 1)
    lines = re.split(r", (?=\*|\w+: )", inner)
    return "\n".join([f"{name}(", *(f"    {line}," for line in lines), f") -> {back}"])


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "")
    kind = "" if parameter.annotation is parameter.empty else f": {_annotation(parameter.annotation)}"
    default = "" if parameter.default is parameter.empty else f" = {_quoted(parameter.default)}"
    return f"{stars}{parameter.name}{kind}{default}"


def _annotation(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return re.sub(r"\b(pd|np\.random|np)\.", "", text)


def _docstring(thing: Any) -> Iterator[str]:
    """A docstring as Markdown: the items of `Args:` and `Raises:` become lists."""
    for block in re.split(r"\n{2,}", inspect.getdoc(thing) or ""):
        head, _, body = block.partition("\n")
        if re.fullmatch(r"(Args|Raises|Returns|Yields):", head):
            yield f"{head}\n"
            items = re.split(r"\n(?=\S)", textwrap.dedent(body))
            yield from (re.sub(r"^([\w, ]+):", lambda m: f"* `{m[1]}`:", joined(item)) for item in items)
            yield ""
        else:
            yield block + "\n"

"""Fields of a configuration: what each may hold, and how its values are written as text."""

import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, get_args

_KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    tuple[int, ...]: "whole numbers joined by dashes",
    tuple[float, ...]: "numbers joined by dashes",
    str: "a text",
    bool: "true or false",
}
DASH = re.compile(r"(?<!e)-(?=.)")  # not the minus of an exponent

Check = tuple[Callable[[Any], bool], str]
POSITIVE: Check = (lambda v: v > 0, "must be greater than 0")
NOT_NEGATIVE: Check = (lambda v: v >= 0, "must be 0 or greater")
FRACTION: Check = (lambda v: 0 <= v < 1, "must be in [0, 1)")
ALL_POSITIVE: Check = (lambda v: all(each > 0 for each in v), "must be greater than 0")

LEARN, ALL, SCORE = "search train", "search train test", "test time"
"""Stages whose results follow from one field."""


class ConfigurationError(ValueError):
    """A field that does not exist or a value that it cannot take; the message is one line that names both."""


def nearest(name: str, known: Iterable[object]) -> str:
    """` (did you mean lambda1?)`, to put behind a mistyped name; nothing where none of `known` is near."""
    found = difflib.get_close_matches(name, map(str, known), n=1)
    return f" (did you mean {found[0]}?)" if found else ""


ALWAYS: Any = object()
"""`before` of the fields of the first version, which are part of every identity."""


def setting(
    default: Any,
    stages: str,
    source: str,
    check: Check | Sequence[Any] = (),
    about: str = "",
    before: Any = ALWAYS,
    said: str = "",
) -> Any:
    """A configuration field: all that the project knows of it stands here and nowhere else.

    Args:
        stages: the stages whose results follow from it.
        source: where the default comes from.
        check: the values that it may have: a list of them, or a test and its text.
        about: words, each of which `clearer.configuration.fields_about` lists the fields of:
            `images` it names the images that are read; `pixels` the scored pixels follow from it;
            `shape` the network's shape does; `member` the members of one pack may differ in it; `named` labels show it;
            `speed`, `area` and `cost` say of which stages the cost follows from it (`cost_fields`).
        before: for a field that was added later, the value that means what was so without it. With this value it
            is in no identity and no key, so what older versions stored stays valid.
        said: how a caption says the value of a task's field.
    """
    checked = check or None
    if check and not callable(check[0]):
        checked = (lambda v: v in check), f"must be one of {', '.join(map(str, check))}"
    metadata = {"stages": tuple(stages.split()), "source": source, "check": checked, "about": frozenset(about.split())}
    return dataclasses.field(default=default, metadata={**metadata, "before": before, "said": said})


def as_text(value: Any) -> str:
    """A value as `--set` takes it, on one line."""
    if isinstance(value, tuple | list):
        return "-".join(map(as_text, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value).encode("unicode_escape").decode("ascii") if not str(value).isprintable() else str(value)


def typed(name: str, value: Any, hint: Any) -> Any:
    """`value` as the field's type: numbers widen, lists become tuples. Raises ConfigurationError: anything else."""
    if type(value) is hint and hint is not float:  # most: a study of 10,000 trials asks a million times
        return value
    if isinstance(value, bool) != (hint is bool):
        raise wrong(name, value, hint)
    if parts := get_args(hint):
        items = value if isinstance(value, tuple | list) else [value]
        return tuple(typed(name, item, parts[0]) for item in items)
    if hint is float and isinstance(value, int | float):
        try:
            number = float(value) + 0.0  # -0.0 is 0.0
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise ConfigurationError(f"{name}={as_text(value)}: must be finite")
        return number
    if not isinstance(value, hint):
        raise wrong(name, value, hint)
    return value


def wrong(name: str, value: Any, hint: Any) -> ConfigurationError:
    """What is raised for a value that is not of a field's type."""
    return ConfigurationError(f"{name}={as_text(value)}: must be {_KINDS[hint]}")

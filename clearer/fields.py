"""Fields of a configuration: what each may hold, and how its values are written as text."""

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

_INTS, _FLOATS = tuple[int, ...], tuple[float, ...]
_KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    _INTS: "whole numbers joined by dashes",
    _FLOATS: "numbers joined by dashes",
    str: "a text",
    bool: "true or false",
}
_DASH = re.compile(r"(?<!e)-(?=.)")  # not the minus of an exponent

Check = tuple[Callable[[Any], bool], str]
POSITIVE: Check = (lambda v: v > 0, "must be greater than 0")
NOT_NEGATIVE: Check = (lambda v: v >= 0, "must be 0 or greater")
FRACTION: Check = (lambda v: 0 <= v < 1, "must be in [0, 1)")
ALL_POSITIVE: Check = (lambda v: all(each > 0 for each in v), "must be greater than 0")


class ConfigurationError(ValueError):
    """A field that does not exist or a value that it cannot take; the message is one line that names both."""


def one_of(*choices: Any) -> Check:
    """A check that admits only `choices`."""
    return (lambda v: v in choices, f"must be one of {', '.join(map(str, choices))}")


ALWAYS: Any = object()
"""`before` of the fields of the first version, which are part of every identity."""


def setting(
    default: Any, stages: str, source: str, check: Check | Sequence[str] = (), about: str = "", before: Any = ALWAYS
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
    """
    checked = check if check and callable(check[0]) else one_of(*check) if check else None
    metadata = {"stages": tuple(stages.split()), "source": source, "check": checked, "about": frozenset(about.split())}
    return dataclasses.field(default=default, metadata={**metadata, "before": before})


def parse_text(name: str, text: str, hint: Any) -> Any:
    """The value that `text` means for a field of type `hint`; a tuple's parts are joined by dashes, as in `2-4-6`.

    Raises:
        ConfigurationError: not a value of that type.
    """
    if hint is str:
        return text
    if not text:
        if hint in (int, float, bool):
            raise ConfigurationError(f"{name}=: needs a value")
        return ()
    if hint is bool:
        if text not in ("true", "false"):
            raise ConfigurationError(f"{name}={as_text(text)}: must be {_KINDS[bool]}")
        return text == "true"
    kind = int if hint in (int, _INTS) else float
    try:
        return kind(text) if hint in (int, float) else tuple(kind(part) for part in _DASH.split(text))
    except ValueError:
        raise ConfigurationError(f"{name}={as_text(text)}: must be {_KINDS[hint]}") from None


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
    """`value` as the field's type: whole numbers widen to floats, lists become tuples; anything else is refused.

    Raises:
        ConfigurationError: not of that type, or not finite.
    """
    if isinstance(value, bool) != (hint is bool):
        raise _wrong(name, value, hint)
    if hint in (_INTS, _FLOATS):
        items = value if isinstance(value, tuple | list) else [value]
        return tuple(typed(name, item, int if hint == _INTS else float) for item in items)
    if hint is float and isinstance(value, int | float):
        try:
            number = float(value) + 0.0  # -0.0 is 0.0
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise ConfigurationError(f"{name}={as_text(value)}: must be finite")
        return number
    if not isinstance(value, hint):
        raise _wrong(name, value, hint)
    return value


def _wrong(name: str, value: Any, hint: Any) -> ConfigurationError:
    return ConfigurationError(f"{name}={as_text(value)}: must be {_KINDS[hint]}")

"""The page `command_line.md`: every command and flag, from the argument parsers themselves."""

import argparse
import inspect
import re
from collections.abc import Iterator, Sequence

from docs.generate.markdown import code, joined, paragraphs, sentence, table
from docs.generate.parsers import PROGRAMS, STUDIES, parser_of, study_module, study_parser

_ABOUT_COMMANDS = """
A study is started by `python studies/NAME.py`. The same command, run again, finishes what is missing.

Exit status of a study:

* 0: every trial finished.
* 1: some trials, or what is scored beside them, failed. Each is named with its reason.
* 2: the request holds a mistake. One line names it, and nothing was computed.
* 3: the time of `--budget` is spent and trials are left.
* 130: the study was stopped (Ctrl-C). What was finished is kept.
"""
_ABOUT_SET = """
`--set` takes any [field of the configuration](configuration.md):

* `--set sigma=50` gives all trials one value.
* `--set lambda1=0,0.01,0.1` runs a trial for each value.
* `--set columns=2-4-6` is one value with three parts: dashes join the parts of a value.
* `--set lambda1=2x` is twice the threshold below which λ1 cannot polarise α ([why](../explanation/space_and_alpha.md)).
"""


def command_line_page() -> Iterator[str]:
    """Flags of all studies, each study, and the other programs."""
    yield "# The command line\n"
    yield from paragraphs(_ABOUT_COMMANDS)
    yield "## Flags of every study\n"
    parsers = {name: study_parser(name) for name in STUDIES}
    shared = set.intersection(*({_flag(action) for action in _flags(parser)} for parser in parsers.values()))
    yield from _flag_table([action for action in _flags(parsers[STUDIES[0]]) if _flag(action) in shared])
    yield from paragraphs(_ABOUT_SET)
    yield "## The studies\n"
    for name, parser in parsers.items():
        yield from _study(name, [action for action in _flags(parser) if _flag(action) not in shared])
    for program, main in PROGRAMS.items():
        yield f"## {program}\n"
        yield from _program(program, parser_of(main))


def _study(name: str, own: Sequence[argparse.Action]) -> Iterator[str]:
    question, _, rest = inspect.cleandoc(study_module(name).__doc__ or "").partition("\n\n")
    yield f"### {name}\n"
    yield f"{joined(question)}\n"
    sections, _, more = rest.partition("\n\n")
    for label, text in _sections(sections):
        lines = [line.strip() for line in text.splitlines()]
        if label in ("Command", "Usually"):
            text = ", ".join(f"`{part}`" for line in lines for part in re.split(r" {2,}", line))
        about, *presets = re.split(r"\n\s*(?=(?:quick|proxy|paper|every preset)\b)", text)
        yield f"* {label}: {joined(about)}"
        yield from (f"  * {joined(preset)}" for preset in presets)
    yield ""
    yield from paragraphs(more)
    if own:
        yield from _flag_table(own)


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """The labelled parts of a study's docstring: `Grid`, `Cost`, `Shows`, `Command`, `Usually`."""
    found = re.findall(r"^([A-Z]\w+) {2,}(.*(?:\n(?: .*)?)*)", text, re.MULTILINE)
    yield from ((label, body.strip()) for label, body in found)


def _program(program: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    chosen = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not chosen:
        yield from _usage(program, parser)
        return
    summaries = {choice.dest: choice.help or "" for choice in chosen[0]._choices_actions}
    for name, command in chosen[0].choices.items():
        yield f"### {program} {name}\n"
        yield f"{sentence(summaries[name])}\n"
        yield from _usage(f"{program} {name}", command)


def _usage(program: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    parts = [program]
    for action in parser._actions:
        if not action.option_strings:
            name = _value(action)
            several = f"{name} …" if action.nargs in ("+", "*") else name
            parts.append(f"[{several}]" if action.nargs in ("?", "*") else several)
        elif not isinstance(action, argparse._HelpAction):
            text = " ".join(filter(None, [action.option_strings[-1], _value(action)]))
            parts.append(text if action.required else f"[{text}]")
    yield f"    {parts[0]} " + f"\n    {' ' * len(parts[0])} ".join(_wrapped(parts[1:], 80)) + "\n"
    yield from _flag_table([action for action in parser._actions if not isinstance(action, argparse._HelpAction)])


def _wrapped(parts: Sequence[str], width: int) -> list[str]:
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {part}".strip()
    return lines


def _flags(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [a for a in parser._actions if a.option_strings and not isinstance(a, argparse._HelpAction)]


def _flag(action: argparse.Action) -> str:
    return action.option_strings[-1] if action.option_strings else _value(action)


def _value(action: argparse.Action) -> str:
    """How the value of a flag or an argument is written; empty for a switch."""
    if action.nargs == 0:
        return ""
    if action.metavar is not None:
        return str(action.metavar)
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.dest.upper()


def _flag_table(actions: Sequence[argparse.Action]) -> Iterator[str]:
    yield from table(
        ["flag", "value", "meaning"],
        ([f"`{_flag(a)}`", code(_value(a) if a.option_strings else ""), a.help or ""] for a in actions),
    )

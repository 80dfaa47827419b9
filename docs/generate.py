"""Writes the pages of docs/reference/ from the code: `python docs/generate.py`.

* `command_line.md`: every command and flag, from the argument parsers themselves.
* `configuration.md`: every field of a configuration, from `clearer.configuration.Configuration`.
* `columns.md`: every column of a row and of a curve, from `studies.store.rows`; what they mean is said here, in `MEANINGS`.
* `python.md`: what `analysis` and `studies` export, with signatures and docstrings.

A test compares the pages with what this writes, so that they can't fall behind the code.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pyarrow as pa

import analysis
import analysis.report.__main__
import clearer.__main__
import studies
import studies.__main__
from clearer.configuration import Configuration, field_types
from clearer.fields import as_text
from clearer.presets import PRESETS
from studies.driver import command_line
from studies.store.rows import CURVE, ROW

FOLDER = Path(__file__).resolve().parent / "reference"
STUDIES = (
    "lambda_pareto cells columns tasks seeds random_baseline table5 supernet_fidelity adaptive_pareto settings"
).split()
"""In the order of the README's table."""
_TYPES = {
    int: "whole number", float: "number", str: "text", bool: "true or false",
    tuple[int, ...]: "whole numbers", tuple[float, ...]: "numbers",
}  # fmt: skip

MEANINGS: Mapping[str, str] = {
    "study": "the study that the row belongs to",
    "trial_id": "12 hex digits that name the configuration; the name of the row's file",
    "replicate_id": "as `trial_id`, without the seed: trials that differ in their seed alone share it",
    "status": "`finished`, or `failed`",
    "error": "why a failed trial failed, in one line",
    "fusion_columns": "how many columns of the architecture are fusion modules",
    "parameters": "learnable parameters of the network",
    "flops": "floating-point operations for one pixel, two a multiply-add of the convolutions",
    "lambda1_multiple": "λ1 as a multiple of the threshold below which it cannot polarise α",
    "alpha": "the weight of the fusion module in each column at the end of the search",
    "psnr_db": "PSNR over whole images, in dB: the mean over the test images",
    "ssim": "SSIM over whole images: the mean over the test images",
    "psnr_patch_db": "mean over 64×64 patches of each patch's own PSNR, in dB (the paper's `CLEARER-P`)",
    "degraded_psnr_db": "PSNR of the noisy or rainy input itself, in dB",
    "ssim_zero_padded": "SSIM with black surroundings, as the released code computes it",
    "psnr_y_db": "PSNR of the luma of colour images, in dB",
    "ssim_y": "SSIM of the luma of colour images",
    "psnr_by_image": "`psnr_db` of every test image",
    "test_images": "how many test images were scored",
    "test_time_ms": "testing time of one image in milliseconds: the median",
    "test_time_iqr_ms": "its interquartile range",
    "test_time_spread": "how far the medians of the timed series lie apart, as a share of the median",
    "test_time_images": "how many images one timed call restores",
    "test_time_size": "width×height of these images",
    "test_time_error": "why there is no testing time",
    "test_set_seconds": "one pass over all test images, in seconds",
    "device": "what the testing time was taken on",
    "search_device": "what the search ran on",
    "train_device": "what the training ran on",
    "search_pack": "how many searches the search's pack was wide; 1: it ran alone",
    "train_pack": "how many trainings the training's pack was wide; 1: it ran alone",
    "search_stopped_at": "the iteration at which early stopping ended the search",
    "search_seconds": "time of the search; of one in a pack, its share",
    "train_seconds": "time of the training; of one in a pack, its share",
    "gpu_seconds": "seconds of search and training times the share of a GPU",
    "energy_wh": "energy in watt-hours; nothing measures it yet",
    "search_reused": "whether the search was in the store already, or another trial's of this run",
    "train_reused": "whether the training was in the store already, or another trial's of this run",
    "search_key": "the search's folder in `stages/search/`",
    "train_key": "the training's folder in `stages/train/`, which holds the network",
    "test_key": "the test's folder in `stages/test/`",
    "data_sha256": "a hash of all images that the trial learned from and was tested on",
    "test_pixels_sha256": "a hash of the degraded and the clean pixels that were scored",
    "host": "the machine that trained the network",
    "commit": "the commit of the code; `+changes` where files differed from it",
    "versions": "versions of Python and the libraries, as JSON",
    "started_at": "when the trial was first planned to run",
    "finished_at": "when the row was written",
}
"""What the columns of a row mean that are no fields of the configuration."""
CURVE_MEANINGS: Mapping[str, str] = {
    "trial_id": "the trial",
    "stage": "`search` or `train`",
    "iteration": "the iteration that is reported",
    "restoration_loss": "L_Res: mean squared error on the training crops",
    "alpha_loss": "the whole loss that α descends: L_Res + λ1·L_Arch + λ2·L_Comp",
    "architecture_loss": "L_Arch: how undecided α is",
    "complexity_loss": "L_Comp: how expensive the modules are that α weights",
    "alpha": "the weight of the fusion module in each column",
    "psnr_db": "PSNR in dB on fixed crops of the validation split",
    "seconds": "time of the stage so far",
    "recorded_at": "seconds since 1970",
}


class PageError(ValueError):
    """The code has something that these pages do not describe, or they describe what it does not have."""


def pages() -> dict[str, str]:
    """The text of every page, by the name of its file.

    Raises:
        PageError: a column has no meaning here, or a meaning has no column.
    """
    made = {
        "command_line.md": command_line_page,
        "configuration.md": configuration_page,
        "columns.md": columns_page,
        "python.md": python_page,
    }
    notice = "<!-- Written by `python docs/generate.py`; edits here are lost. -->"
    return {name: f"{notice}\n\n" + "\n".join(page()).strip() + "\n" for name, page in made.items()}


# The command line


def parser_of(main: Callable[[list[str]], int]) -> argparse.ArgumentParser:
    """The parser that a program's `main(arguments)` makes, caught where it would begin to parse."""
    caught: list[argparse.ArgumentParser] = []

    def catch(parser: argparse.ArgumentParser, *_: Any) -> None:
        caught.append(parser)
        raise _Caught

    with mock.patch.object(argparse.ArgumentParser, "parse_args", catch), contextlib.suppress(_Caught):
        main([])
    return caught[0]


class _Caught(Exception):
    pass


def study_parser(name: str) -> argparse.ArgumentParser:
    """The parser of `python studies/<name>.py`."""
    module = study_module(name)
    return parser_of(lambda arguments: command_line.main(module.STUDY, module.__doc__, arguments))


def study_module(name: str) -> ModuleType:
    """The module of a study."""
    return importlib.import_module(f"studies.{name}")


PROGRAMS: Mapping[str, Callable[[list[str]], int]] = {
    "python -m studies": studies.__main__.main,
    "python -m clearer": clearer.__main__.main,
    "python -m analysis.report": analysis.report.__main__.main,
}


def command_line_page() -> Iterator[str]:
    """Flags of all studies, each study, and the other programs."""
    yield "# The command line\n"
    yield from _paragraphs(_ABOUT_COMMANDS)
    yield "## Flags of every study\n"
    parsers = {name: study_parser(name) for name in STUDIES}
    shared = set.intersection(*({_flag(action) for action in _flags(parser)} for parser in parsers.values()))
    yield from _flag_table([action for action in _flags(parsers[STUDIES[0]]) if _flag(action) in shared])
    yield from _paragraphs(_ABOUT_SET)
    yield "## The studies\n"
    for name, parser in parsers.items():
        yield from _study(name, [action for action in _flags(parser) if _flag(action) not in shared])
    for program, main in PROGRAMS.items():
        yield f"## {program}\n"
        yield from _program(program, parser_of(main))


_ABOUT_COMMANDS = """
A study is started by `python studies/NAME.py`. The same command, run again, finishes what is missing.

Exit status of a study:

* 0: every trial finished.
* 1: some trials failed. Each is named with its reason.
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


def _study(name: str, own: Sequence[argparse.Action]) -> Iterator[str]:
    question, _, rest = inspect.cleandoc(study_module(name).__doc__ or "").partition("\n\n")
    yield f"### {name}\n"
    yield f"{_joined(question)}\n"
    sections, _, more = rest.partition("\n\n")
    for label, text in _sections(sections):
        lines = [line.strip() for line in text.splitlines()]
        if label in ("Command", "Usually"):
            text = ", ".join(f"`{part}`" for line in lines for part in re.split(r" {2,}", line))
        yield f"* {label}: {_joined(text)}"
    yield ""
    yield from _paragraphs(more)
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
        yield f"{_sentence(summaries[name])}\n"
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
    yield from _table(
        ["flag", "value", "meaning"],
        ([f"`{_flag(a)}`", _code(_value(a) if a.option_strings else ""), a.help or ""] for a in actions),
    )


# The configuration


def configuration_page() -> Iterator[str]:
    """The fields, under the headings that they stand under in the code."""
    yield "# Fields of a configuration\n"
    yield from _paragraphs(_ABOUT_FIELDS)
    for heading, names in _headings().items():
        yield f"## {heading}\n"
        yield from _table(
            ["field", "type", *_PRESET_NAMES, "allowed", "stages", "what it is, and its source"], map(_field, names)
        )


_PRESET_NAMES = ("paper", "proxy", "quick")
_ABOUT_FIELDS = """
A configuration holds all that determines a trial. Every field can be set: `--set field=value`. Every field is also a
column of the results, so each row says completely how it was made.

* *paper* is the default: the paper's value. *proxy* and *quick* are the presets of the same names. A dash means the paper's value.
* *stages* are the steps of a trial that the field changes. A stage is computed again only when one of its fields has changed.
  The stages are `search`, `train`, `test`, `time` (the testing time) and `reference` (classical denoisers on the same images).
* A section or an equation is one of the paper's. "Released code" is the code that its authors published.
* `kind` and `architecture` have no stages: they say whether there is a search, and which network is trained.
  For a network that is given, `cells` and `columns` follow from its architecture.
* A value with several parts is written with dashes: `columns=2-4-6`.
* With `--set task=derain` a preset also takes Rain800 in colour (`dataset=rain800`, `image_channels=3`).

λ1 and λ2 weigh the losses of a search: L_Res + λ1·L_Arch + λ2·L_Comp. L_Res is the mean squared error. L_Arch is small
when every column has decided between its two modules. L_Comp is small when α prefers cheap modules.
"""


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
    if named != list(field_types()):
        raise PageError(f"fields without a heading: {', '.join(set(field_types()) - set(named))}")
    return found


def _field(name: str) -> list[str]:
    field = Configuration.__dataclass_fields__[name]
    check = field.metadata["check"]
    values = [field.default, *(PRESETS[preset].get(name, field.default) for preset in _PRESET_NAMES[1:])]
    paper, *others = [_code(as_text(value)) or "(empty)" for value in values]
    return [
        f"`{name}`", _TYPES[field_types()[name]], paper, *("–" if other == paper else other for other in others),
        _allowed(check[1]) if check else "", " ".join(field.metadata["stages"]) or "none", field.metadata["source"],
    ]  # fmt: skip


def _allowed(text: str) -> str:
    return text.removeprefix("must be ").replace("one of ", "")


# The columns


def columns_page() -> Iterator[str]:
    """The columns of a row, then those of a curve."""
    own = {field.name: field for field in ROW if field.name not in field_types()}
    for schema, meanings in ((list(own), MEANINGS), (CURVE.names, CURVE_MEANINGS)):
        check_meanings(schema, meanings)
    yield "# Columns of the results\n"
    yield from _paragraphs(_ABOUT_COLUMNS)
    yield "## What was found\n"
    yield from _table(["column", "type", "meaning"], ([f"`{n}`", _arrow(own[n].type), MEANINGS[n]] for n in own))
    yield "## What was asked\n"
    yield from _paragraphs(_ABOUT_ASKED)
    configured = [ROW.field(name) for name in field_types()]
    yield from _table(["column", "type"], ([f"[`{f.name}`](configuration.md)", _arrow(f.type)] for f in configured))
    yield "## Curves\n"
    yield from _paragraphs(_ABOUT_CURVES)
    yield from _table(
        ["column", "type", "meaning"], ([f"`{f.name}`", _arrow(f.type), CURVE_MEANINGS[f.name]] for f in CURVE)
    )


_ABOUT_COLUMNS = """
`analysis.load(STORAGE)` returns a data frame with one row a trial. It is read from
`STORAGE/studies/STUDY/trials/`, one Parquet file a trial. The unit of a figure is in its name: `_db`, `_ms`, `_seconds`.

A figure that was not measured, or does not apply, is null. It is never 0 in place of null.
"""
_ABOUT_ASKED = """
These columns hold the configuration. Fields that a trial does not read are null: those of the search for an architecture
that was not searched, and σ for deraining. Three columns say more than the field of the same name:

* `columns` has a number for every cell.
* `test_set` names the dataset also where the configuration leaves it empty.
* `architecture` is what the search found, where there was a search.
"""
_ABOUT_CURVES = """
`analysis.load_curves(STORAGE)` returns one row for each reported iteration of each trial, from
`STORAGE/studies/STUDY/curves/`. `alpha` and the three losses of α are null in a training and in the warm-up of a search.
"""


def check_meanings(columns: Sequence[str], meanings: Mapping[str, str]) -> None:
    """Raises PageError where a column has no meaning or a meaning no column."""
    missing, left = set(columns) - set(meanings), set(meanings) - set(columns)
    if missing or left:
        raise PageError(f"columns without a meaning: {sorted(missing)}; meanings without a column: {sorted(left)}")


def _arrow(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_arrow(kind.value_type)}s"
    names = {pa.int64(): "whole number", pa.float64(): "number", pa.string(): "text", pa.bool_(): "true or false"}
    return names.get(kind, "time (UTC)")


# The Python API


def python_page() -> Iterator[str]:
    """What the packages export."""
    yield "# The Python API\n"
    yield from _paragraphs(_ABOUT_PYTHON)
    for package in (analysis, studies):
        yield f"## {package.__name__}\n"
        yield from _paragraphs(package.__doc__ or "")
        for name in package.__all__:
            yield from _exported(f"{package.__name__}.{name}", getattr(package, name))


_ABOUT_PYTHON = """
`analysis` reads results. It needs neither torch nor Ray. `studies` runs studies.
"Rows" are a data frame of `analysis.load`, or a part of it ([columns](columns.md)).
"""


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
        yield from _table(heading[:told], (attribute[:told] for attribute in attributes))
    for method, what in _members(thing):
        yield f"* `{method}`: {_joined((inspect.getdoc(what) or '').partition(chr(10) * 2)[0])}"
    yield ""


def _attribute(field: dataclasses.Field[Any]) -> list[str]:
    return [f"`{field.name}`", _code(_annotation(field.type)), _default(field), field.metadata.get("help", "")]


def _default(field: dataclasses.Field[Any]) -> str:
    if callable(field.default):
        return "(a function)"
    if field.default is not dataclasses.MISSING:
        return _code(_quoted(field.default))
    return "(needed)" if field.default_factory is dataclasses.MISSING else "(empty)"


def _quoted(value: Any) -> str:
    """A value as the code writes it."""
    return repr(value).replace("'", '"')


def _members(thing: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class, those of its own classes below it first."""
    for owner in reversed([owner for owner in thing.__mro__ if owner.__module__.startswith(("analysis", "studies"))]):
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
            yield from (re.sub(r"^([\w, ]+):", lambda m: f"* `{m[1]}`:", _joined(item)) for item in items)
            yield ""
        else:
            yield block + "\n"


# Markdown


def _table(heading: Sequence[str], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield f"|{' --- |' * len(heading)}"
    for row in rows:
        yield f"| {' | '.join(_cell(text) for text in row)} |"
    yield ""


def _cell(text: str) -> str:
    """A cell's text; a bar would end it."""
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _joined(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def _paragraphs(text: str) -> Iterator[str]:
    if text.strip():
        yield text.strip() + "\n"


def main() -> int:
    """Writes every page."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
        print(f"docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What a study can be asked: the flags of its command line, as one dataclass, for `studies.run` too."""

import argparse
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clearer.command import whole_number
from clearer.configuration import Configuration, parse_value
from clearer.fields import ConfigurationError, as_text
from clearer.presets import PRESETS


def seconds(text: str) -> float:
    """The type of a flag that takes seconds."""
    found = _number(text)
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return found


def _budget(text: str) -> float:
    unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(text[-1:])
    if unit is None or len(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write 90m or 2h (s, m, h, d)")
    return unit * seconds(text[:-1])


def share(text: str) -> float:
    """The type of a flag that takes a share of a GPU."""
    found = _number(text)
    if problem := _share_problem(found):
        raise argparse.ArgumentTypeError(f"{text}: {problem}")
    return found


def _share_problem(share: float) -> str:
    mend = "; a trial uses one GPU at most, and more GPUs run more trials at once" if share > 1 else ""
    return "" if 0 <= share <= 1 else f"is no share of a GPU (0 to 1){mend}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _flag(default: Any, metavar: str | None, text: str, kind: Any = str, **more: Any) -> Any:
    about = {"help": text, **({"metavar": metavar, "type": kind} if metavar else {}), **more}
    return dataclasses.field(default=default, metadata=about)


ALL = 2**63 - 1
"""More random architectures than any space has."""
_PRESETS = "quick: embedded images, seconds a trial; proxy: BSD500, small; paper: the paper's settings"
_PACK = "searches of one shape, or trainings of one architecture, computed as one network (default: auto)"
_RANDOM = "random architectures beside the searches, with the same training; all: the space (default: the preset's)"
_SHARE = "the share of a GPU that each trial takes, 1 for a whole one (default 0: CPU)"
_SLOTS = "for how many trials at once packs are made on GPUs (default: what the cluster holds at the first run)"
_TIMES = "the node that takes testing times (default: one with the GPU or processor that took the study's others)"


@dataclass(frozen=True)
class Multiple:
    """A λ1 as a multiple of the polarisation threshold N·w·ln 10, which grows with the number of columns."""

    factor: float

    def __str__(self) -> str:
        return f"{as_text(self.factor)}x"

    def of(self, configuration: Configuration) -> float:
        """The λ1 for a configuration's columns and weight decay, to six digits; an error without weight decay."""
        if not configuration.alpha_weight_decay:
            raise ConfigurationError(f"lambda1={self}: alpha_weight_decay=0 has no threshold; give λ1 itself")
        return float(f"{self.factor * configuration.polarisation_threshold:.6g}")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a study is run. `assigned` are the fields of `--set` with their values, `more` a study's own flags."""

    address: str | None = _flag(None, "auto|HOST:PORT|local", "a running Ray cluster; by default Ray is started here")
    preset: str = _flag("quick", None, _PRESETS, choices=PRESETS)
    data: str | None = _flag(None, "DIR|URI", "the folder, or s3://bucket/prefix, that holds bsds500/")
    storage: str = _flag("runs", "DIR|URI", "where results are kept (default: runs)")
    tracking_uri: str | None = _flag(None, "URI", "MLflow (default: sqlite:///<storage>/mlflow.db); none: no tracking")
    seeds: int | None = _flag(None, "N", "replicates of every trial (default: the preset's)", whole_number)
    concurrent: int | None = _flag(None, "N", "trials at once at most (default: what the cluster holds)", whole_number)
    gpus_per_trial: float = _flag(0.0, "X", _SHARE, share)
    slots: int | None = _flag(None, "N", _SLOTS, whole_number)
    time_on: str | None = _flag(None, "NODE", _TIMES)
    pack: int | None = _flag(None, "K|auto", _PACK, lambda text: None if text == "auto" else whole_number(text))
    random: int | None = _flag(None, "N|all", _RANDOM, lambda text: ALL if text == "all" else whole_number(text, 0))
    budget: float | None = _flag(None, "TIME", "start no trial after this time, as 90m or 2h; what runs ends", _budget)
    dry_run: bool = _flag(False, None, "say what would run and cost, and compute nothing", action="store_true")
    checkpoint_seconds: float = _flag(60.0, "S", "time between two checkpoints of a stage (default 60)", seconds)
    retry_failed: bool = _flag(False, None, "run trials again that have failed", action="store_true")
    assigned: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if problem := _share_problem(self.gpus_per_trial):
            raise ConfigurationError(f"gpus_per_trial={self.gpus_per_trial:g}: {problem}")


def command_words(options: Options) -> list[str]:
    """The flags that ask for these options, without `--seeds`, `--dry-run` and a study's own."""
    words = []
    for field in dataclasses.fields(Options):
        value = getattr(options, field.name)
        if field.metadata and field.name not in ("seeds", "dry_run") and value != field.default:
            told = f"{value:g}s" if field.name == "budget" else "all" if value == ALL else value
            text = told if isinstance(told, str) else as_text(told)
            words += [f"--{field.name.replace('_', '-')}", *([] if value is True else [text])]
    settings = [f"{name}={','.join(map(as_text, values))}" for name, values in options.assigned.items()]
    return words + (["--set", *settings] if settings else [])


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Gives a parser a flag for each option, and `--set`."""
    for field in dataclasses.fields(Options):
        if field.metadata:
            parser.add_argument(f"--{field.name.replace('_', '-')}", default=field.default, **field.metadata)
    text = "a configuration field; several values separated by commas are an axis"
    parser.add_argument("--set", metavar="field=value", nargs="+", action="extend", default=[], help=text)


def options_of(parsed: argparse.Namespace) -> Options:
    """The options of a parsed command line; a study's own flags are in `more`. Raises as `parse_assignments`."""
    given = dict(vars(parsed))
    assigned = parse_assignments(given.pop("set"))
    own = {field.name: given.pop(field.name) for field in dataclasses.fields(Options) if field.metadata}
    return Options(**own, assigned=assigned, more=given)


def parse_assignments(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Values of `--set field=value[,value…] …` by field. Raises ConfigurationError: no such form, field or value."""
    found: dict[str, list[Any]] = {}
    for text in texts:
        name, sign, values = text.partition("=")
        if not sign:
            raise ConfigurationError(f"--set {text}: write field=value")
        if name in found:
            raise ConfigurationError(f"--set {name}: given twice; separate several values by commas")
        found[name] = [_value(name, value) for value in values.split(",")]
    return found


def _value(name: str, text: str) -> Any:
    """A field's value; of λ1 also `2x`, twice the polarisation threshold of the trial's own columns."""
    if name == "lambda1" and text.endswith("x"):
        return Multiple(parse_value(name, text.removesuffix("x")))
    return parse_value(name, text)

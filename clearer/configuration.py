"""The configuration of a trial: every constant of the method, with its source, as one flat dataclass.

The defaults are the paper's settings (preset `paper`). A field's `stages` say which stages it determines;
`studies.work.keys` keys a stage's result by exactly those fields. All values are plain JSON values, so a
configuration has one canonical text, and `trial_id` is a hash of it.
"""

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Self, get_args, get_type_hints

from clearer.architecture import Architecture
from clearer.fields import (
    ALL,
    ALL_POSITIVE,
    ALWAYS,
    DASH,
    FRACTION,
    LEARN,
    NOT_NEGATIVE,
    POSITIVE,
    SCORE,
    Check,
    ConfigurationError,
    as_text,
    nearest,
    setting,
    typed,
    wrong,
)
from clearer.images.datasets import DATASETS, misuse
from clearer.images.reading import GRAYS, shown
from clearer.tasks import own
from clearer.tasks.known import OF_TASKS, TASKS, USUAL, TaskFields, task_of

KINDS = ("searched", "random", "given")
MIXINGS, SKIPS = ("parallel", "sequential"), ("none", "global")
_COMPLEXITIES, _STATISTICS = ("parameters", "flops", "time", "authors"), ("running", "batch")
_PRECISIONS = ("fp32", "tf32", "bf16")
_SEED: Check = (lambda v: 0 <= v < 2**32, "must be in [0, 2^32)")
_PATCH: Check = (lambda v: v >= 8, "must be 8 or greater")
_SPLITS = ("train", "validation")
_LINE: Check = (lambda v: v == shown(v), "must be one line of UTF-8")
_FOLDER: Check = (
    lambda v: v == shown(v) and v.strip(),
    f"must be one of {', '.join(DATASETS)}, or a folder whose name is one line of UTF-8",
)


@dataclass(frozen=True, kw_only=True)
class Configuration(TaskFields):
    """One trial, end to end. `columns` is N_i of every cell, or a single number that holds for all cells.

    `dataset` and `test_set` are as `clearer.images.datasets` reads them. A task's own fields stand in its file below
    `clearer.tasks`; `grayscale` is for gray networks alone.
    """

    # Which architecture
    kind: str = setting("searched", "", "searched, drawn at random, or given", KINDS, "named")
    architecture: str = setting("", "", "the text form, for a random or a given architecture", about="named")
    cells: int = setting(3, "search", "S; section 4.1", POSITIVE, "shape speed named")
    columns: tuple[int, ...] = setting((4,), "search", "N_i; section 4.1", ALL_POSITIVE, "shape speed named")
    channels: int = setting(32, "search train time", "C; supplementary figure 1", POSITIVE, "shape speed")
    image_channels: int = setting(1, f"{ALL} time", "1 gray, 3 RGB", (1, 3), "shape speed area images pixels")
    mixing: str = setting("parallel", "search", "Eq. 1; sequential: released code", MIXINGS, "cost")
    skip: str = setting("none", "search train time", "from input to output; global: as in DnCNN", SKIPS, before="none")

    # What is restored
    task: str = setting(USUAL, ALL, f"section 4; {', '.join(TASKS)}, or your own", (), "images pixels named area")
    dataset: str = setting("bsds500", ALL, f"section 4.2; {', '.join(DATASETS)}, or a folder", _FOLDER, "images named")
    test_set: str = setting("", "test", "as dataset; empty: its own; section 4.2", _LINE, "images pixels area")
    grayscale: str = setting("pillow", ALL, "Pillow's L: released code; MATLAB's; Y", GRAYS, "images pixels")
    allow_overlap: bool = setting(False, "", "run although train, validation and test share images", about="images")
    weights_split: str = setting("train", LEARN, "what the weights learn from", _SPLITS, "images")
    alpha_split: str = setting("validation", LEARN, "what α learns from, and curves watch", _SPLITS, "images")

    # Losses
    lambda1: float = setting(0.01, "search", "Eq. 2, section 4.1", NOT_NEGATIVE, "member named")
    lambda2: float = setting(0.0, "search", "Eq. 2, section 4.1", NOT_NEGATIVE, "member named")
    complexity: str = setting("parameters", "search", "Eq. 5; the unit of λ2", _COMPLEXITIES, "member")
    module_times_ms: tuple[float, ...] = setting((), "search", "C^p, C^f by cell, for time", ALL_POSITIVE, "member")

    # Search
    batch_size: int = setting(32, LEARN, "section 4.1", POSITIVE, "cost")
    patch_size: int = setting(64, LEARN, "pixels; section 4.1", _PATCH, "images cost")
    search_iterations: int = setting(10_000, "search", "section 4.1", POSITIVE)
    warmup_iterations: int = setting(1_000, "search", "weights only; section 4.1; released code: 500", NOT_NEGATIVE)
    search_epoch_iterations: int = setting(50, "search", "schedule steps; released code", POSITIVE)
    weights_optimizer: str = setting("sgd", "search", "section 4.1; adam: torch's", ("sgd", "adam"), before="sgd")
    weights_learning_rate: float = setting(0.025, "search", "section 4.1", POSITIVE)
    weights_learning_rate_end: float = setting(0.001, "search", "section 4.1", NOT_NEGATIVE)
    momentum: float = setting(0.9, "search", "section 4.1", FRACTION)
    weight_decay: float = setting(3e-4, "search", "section 4.1", NOT_NEGATIVE)
    alpha_learning_rate: float = setting(3e-4, "search", "section 4.1", POSITIVE)
    alpha_weight_decay: float = setting(1e-3, "search", "section 4.1", NOT_NEGATIVE)
    alpha_beta1: float = setting(0.5, "search", "released code", FRACTION)
    alpha_beta2: float = setting(0.999, "search", "released code", FRACTION)
    alpha_initial_std: float = setting(1e-3, "search", "released code", NOT_NEGATIVE, "member")
    alpha_statistics: str = setting("running", "search", "batch norm in the α step; released code", _STATISTICS)
    search_patience: int = setting(0, "search", "a search without change ends after so many; 0: never", NOT_NEGATIVE)
    search_tolerance: float = setting(0.02, "search", "the most that α may move and count as unchanged", FRACTION)
    clip_norm: float = setting(5.0, LEARN, "global gradient norm of the weights; released code", POSITIVE)
    initial_std: float = setting(1e-3, LEARN, "convolutions; released code", POSITIVE, "member")
    initialisation: str = setting(
        "normal", LEARN, "normal: released code, of initial_std; he: He's, blocks and head at 0", ("normal", "he"),
        "member", before="normal",
    )  # fmt: skip

    # Training of the derived network
    train_iterations: int = setting(100_000, "train", "section 4.1; released code, with rain: 200,000", POSITIVE)
    train_epoch_iterations: int = setting(100, "train", "schedule steps; released code", POSITIVE)
    train_learning_rate: float = setting(0.01, "train", "section 4.1; released code, with rain: 0.002", POSITIVE)
    train_learning_rate_end: float = setting(0.0, "train", "section 4.1", NOT_NEGATIVE)

    # Test and testing time
    test_border: str = setting(
        "centre64",
        SCORE,
        "multiples of 64: centre64 (released code), crop64 (cut at the lower right); whole",
        ("centre64", "crop64", "whole"),
        "pixels area",
    )
    test_limit: int = setting(0, SCORE, "the first so many test images by name; 0: all", NOT_NEGATIVE, "images area")
    self_ensemble: int = setting(8, SCORE, "flips and rotations averaged; section 4.1", (1, 8), "cost")
    time_images: int = setting(4, "time", "test images in one timed call", POSITIVE, "cost")
    time_set: bool = setting(
        True, "time", "one pass over all test images, too, as the paper prints", about="cost", before=True
    )
    time_series: int = setting(6, "time", "series of timed calls", POSITIVE, "cost")
    time_calls: int = setting(10, "time", "calls in a series", POSITIVE, "cost")
    time_attempts: int = setting(3, "time", "measured again while the series spread by more than 3 %", POSITIVE)
    time_spread_limit: float = setting(0.03, "time", "a time whose series spread by more is refused", POSITIVE)
    reference_images: int = setting(10, "reference", "validation images that tune classical methods", POSITIVE, "cost")

    # How it runs
    seed: int = setting(0, LEARN, "the replicate; named streams are spawned from it", _SEED, "member named")
    report_iterations: int = setting(100, LEARN, "iterations between two rows of a curve", POSITIVE)
    precision: str = setting("fp32", LEARN, "of both passes, all else is fp32; tf32: of a GPU", _PRECISIONS, "cost")
    threads: int = setting(1, f"{LEARN} time", "CPU threads; sums, hence bits, depend on it", POSITIVE, "speed")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = typed(field.name, getattr(self, field.name), field_types()[field.name])
            object.__setattr__(self, field.name, value)
            check = field.metadata["check"]
            if check is not None and not check[0](value):
                raise ConfigurationError(f"{field.name}={as_text(value)}: {check[1]}")
        self._check_together()

    def _check_together(self) -> None:
        if len(self.columns) > 1 and len(set(self.columns)) == 1 and len(self.columns) == self.cells:
            object.__setattr__(self, "columns", self.columns[:1])  # one canonical form of a uniform space
        if self.task not in TASKS and not self.task_source:
            if not own.hash_of(self.task):
                self._refuse("task", f"must be one of {', '.join(TASKS)}{nearest(self.task, TASKS)}, or a study's own")
            object.__setattr__(self, "task_source", own.hash_of(self.task))
        iterations, times, cells = self.search_iterations, self.module_times_ms, f"each of cells={self.cells}"
        most = iterations - self.warmup_iterations
        less = f"must be less than search_iterations - warmup_iterations={most}"
        splits = "weights and α learn from different splits, and weights_split is the same"
        for is_wrong, name, why in (
            (len(self.columns) not in (1, self.cells), "columns", f"one number for all cells, or one for {cells}"),
            (most <= 0, "warmup_iterations", f"must be less than search_iterations={iterations}"),
            (self.search_patience >= most, "search_patience", less),
            (self.weights_split == self.alpha_split, "alpha_split", splits),
            (times and self.complexity != "time", "module_times_ms", "needs complexity=time"),
            (times and len(times) != 2 * self.cells, "module_times_ms", f"two for {cells}"),
        ):
            if is_wrong:
                self._refuse(name, why)
        for field in ("dataset", "test_set"):
            if problem := misuse(field, getattr(self, field), self.task, task_of(self).is_paired, self.pairing):
                raise ConfigurationError(problem)
        if found := task_of(self).problem(self):
            self._refuse(*found)
        if self.kind != "searched":
            self._check_architecture()
        elif self.architecture:
            self._refuse("architecture", "a searched trial finds its own; set kind=given")
        self._forget_what_is_not_read()

    def _check_architecture(self) -> None:
        try:
            has = Architecture.parse(self.architecture).columns
        except ValueError as error:
            self._refuse("architecture", str(error))
        if has != self.columns_by_cell:
            asked = f"cells={self.cells} and columns={as_text(self.columns)} ask for {as_text(self.columns_by_cell)}"
            self._refuse("architecture", f"has {as_text(has)} columns, but {asked}")

    def _refuse(self, name: str, why: str) -> NoReturn:
        raise ConfigurationError(f"{name}={as_text(getattr(self, name))}: {why}") from None

    def _forget_what_is_not_read(self) -> None:
        """One canonical form: fields that this trial does not read are at their defaults."""
        unread = OF_TASKS - {*task_of(self).reads(self)}
        unread |= {"grayscale"} if self.image_channels == 3 else set()
        unread |= set() if self.search_patience else {"search_tolerance"}
        unread |= set() if self.kind == "searched" else SEARCH_ONLY
        for field in dataclasses.fields(self):
            if field.name in unread:
                object.__setattr__(self, field.name, field.default)

    @property
    def columns_by_cell(self) -> tuple[int, ...]:
        """N_i of every cell, one number each."""
        return self.columns * self.cells if len(self.columns) == 1 else self.columns

    @property
    def polarisation_threshold(self) -> float:
        """The λ1 below which Adam's weight decay keeps α at 1/2 when L_Res is silent: N·w·ln 10, N = 2·columns."""
        return 2 * sum(self.columns_by_cell) * self.alpha_weight_decay * math.log(10)

    def values(self) -> dict[str, Any]:
        """Every field as a plain JSON value."""
        return {name: _plain(getattr(self, name)) for name in field_types()}

    def of_stage(self, stage: str | None = None) -> dict[str, Any]:
        """What determines `stage`, or all: the values of its fields, under the names and in the form that keys hold.

        Fields that were added later are left out where they mean what was so before; those that were renamed or removed
        stand as they did. So a new version finds what older ones stored.
        """
        fields, gone = _fields_of_stage(type(self), stage)  # type: ignore[arg-type]
        values = ((former, before, getattr(self, name)) for name, former, before in fields)
        return {former: _plain(value) for former, before, value in values if value != before} | gone

    def with_values(self, **values: Any) -> Self:
        """A copy with some fields replaced, checked as a whole."""
        return dataclasses.replace(self, **values)

    @functools.cached_property
    def trial_id(self) -> str:
        """12 hex digits of the SHA-256 of the canonical JSON of all values."""
        return digest(self.of_stage())[:12]

    @property
    def replicate_id(self) -> str:
        """As `trial_id`, of all values but the seed: replicates share it."""
        return digest({name: value for name, value in self.of_stage().items() if name != "seed"})[:12]

    @classmethod
    def stored(cls, values: Mapping[str, Any]) -> Self:
        """The configuration that some version of this project wrote as `values`; it has the identity that it had then.

        Raises ConfigurationError: a field that this version does not know, or a value that it can't take.
        """
        found = {RENAMED.get(name, name): value for name, value in values.items()}
        for name, (value, _) in REMOVED.items():
            if found.pop(name, value) != value:
                why = f"this version has no such field any more, and only {value!r} means as now"
                raise ConfigurationError(f"{name}: {why}")
        unknown = found.keys() - field_types().keys()
        if unknown:
            raise ConfigurationError(f"{', '.join(sorted(unknown))}: no field of this version; a newer one wrote it")
        fields = ((field.name, field.metadata["before"]) for field in dataclasses.fields(cls))
        return cls(**{name: value for name, value in fields if value is not ALWAYS} | found)


RENAMED: Mapping[str, str] = {}
"""Today's names of fields that had others, by those."""
_FORMERLY = {new: old for old, new in RENAMED.items()}
REMOVED: Mapping[str, tuple[Any, tuple[str, ...]]] = {"train_halving": (0, ())}
"""Fields that there were: the value that means as now, and the stages that they determined."""


@functools.cache
def _fields_of_stage(cls: type, stage: str | None) -> tuple[list[tuple[str, str, Any]], dict[str, Any]]:
    """The name, the name in keys and the neutral value of each field, and what was removed: asked for 100,000 times."""
    about = {f.name: (f.metadata["before"], f.metadata["stages"]) for f in dataclasses.fields(cls)}
    kept = [(name, _FORMERLY.get(name, name), before) for name, (before, in_) in about.items() if stage in (None, *in_)]
    return kept, {name: value for name, (value, stages) in REMOVED.items() if stage in (None, *stages)}


@functools.cache
def fields_about(word: str) -> frozenset[str]:
    """The fields of which `clearer.fields.setting` says that they are about `word`."""
    return frozenset(f.name for f in dataclasses.fields(Configuration) if word in f.metadata["about"])


def cost_fields(stage: str) -> tuple[str, ...]:
    """The fields from which the cost of a stage, or of a step of it, follows."""
    words = {"cost"} if stage == "reference" else {"cost", "speed"}
    words |= set() if stage in LEARN.split() else {"area"}
    fields = dataclasses.fields(Configuration)
    found = [(f, f.metadata["about"] & words) for f in fields]
    return tuple(f.name for f, about in found if about - {"cost"} or (about and stage in f.metadata["stages"]))


SEARCH_ONLY = frozenset(f.name for f in dataclasses.fields(Configuration) if f.metadata["stages"] == ("search",))
SEARCH_ONLY -= {"cells", "columns"}
"""The fields that only a search reads; `cells` and `columns` follow from an architecture where there is one."""


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def digest(value: Any) -> str:
    """SHA-256, in hex, of the canonical JSON of `value`: sorted keys, no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def field_types() -> Mapping[str, Any]:
    """The type of every field, in order."""
    hints = get_type_hints(Configuration)
    return {f.name: hints[f.name] for f in dataclasses.fields(Configuration)}


def check_name(name: str) -> None:
    """Raises ConfigurationError where there is no field `name`; the nearest that there is stands in it."""
    if name not in field_types():
        near = nearest(name, field_types())
        raise ConfigurationError(f"{name}: no such field{near}; --help of a study names them all")


def parse_value(name: str, text: str) -> Any:
    """A field's value as `--set` writes it, such as `2-4-6`. Raises ConfigurationError: no such field or value."""
    check_name(name)
    hint = field_types()[name]
    if hint is str or (not text and get_args(hint)):
        return hint(text)
    if not text:
        raise ConfigurationError(f"{name}=: needs a value")
    try:
        if hint is bool:
            return {"true": True, "false": False}[text]
        return tuple(map(get_args(hint)[0], DASH.split(text))) if get_args(hint) else hint(text)
    except (KeyError, ValueError):
        raise wrong(name, text, hint) from None

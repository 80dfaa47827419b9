"""The options of a study: a flag for each, and the fields of `--set`."""

import argparse
import dataclasses
from typing import Any

import pytest

from clearer.fields import ConfigurationError
from studies.driver.options import ALL, Multiple, Options, add_flags, options_of, parse_assignments

WHERE = "--address --data --storage --tracking-uri".split()
WHAT = "--preset --set --seeds --random --budget --dry-run --retry-failed".split()
HOW = "--concurrent --gpus-per-trial --slots --time-on --pack --checkpoint-seconds".split()
FLAGS = {*WHERE, *WHAT, *HOW}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(exit_on_error=False)
    add_flags(made)
    return made


def parsed(*arguments: str) -> Options:
    """The options of a command line."""
    return options_of(parser().parse_args(arguments))


def test_the_flags_are_those_that_scripts_rely_on() -> None:
    named = {name for action in parser()._actions for name in action.option_strings}
    assert named - {"-h", "--help"} == FLAGS


def test_no_arguments_are_the_defaults_that_python_has() -> None:
    assert parsed() == Options()
    assert (Options().preset, Options().storage, Options().seeds) == ("quick", "runs", None)


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--address", "auto"], "address", "auto"),
        (["--preset", "paper"], "preset", "paper"),
        (["--seeds", "3"], "seeds", 3),
        (["--concurrent", "2"], "concurrent", 2),
        (["--gpus-per-trial", "0.25"], "gpus_per_trial", 0.25),
        (["--gpus-per-trial", "1"], "gpus_per_trial", 1.0),
        (["--slots", "8"], "slots", 8),
        (["--time-on", "node3"], "time_on", "node3"),
        (["--pack", "4"], "pack", 4),
        (["--pack", "auto"], "pack", None),
        (["--random", "0"], "random", 0),
        (["--random", "all"], "random", ALL),
        (["--budget", "90m"], "budget", 5400.0),
        (["--budget", "1.5h"], "budget", 5400.0),
        (["--budget", "0s"], "budget", 0.0),
        (["--budget", "2d"], "budget", 172800.0),
        (["--checkpoint-seconds", "0"], "checkpoint_seconds", 0.0),
        (["--tracking-uri", "none"], "tracking_uri", "none"),
        (["--dry-run"], "dry_run", True),
        (["--retry-failed"], "retry_failed", True),
    ],
)
def test_a_flag_is_an_option_of_its_type(arguments: list[str], name: str, value: Any) -> None:
    found = parsed(*arguments)
    assert getattr(found, name) == value
    assert type(getattr(found, name)) is type(value)
    assert dataclasses.replace(found, **{name: getattr(Options(), name)}) == Options()


@pytest.mark.parametrize(
    "arguments",
    [
        *("--seeds 0", "--seeds two", "--concurrent 0", "--random -1", "--pack 0", "--preset large"),
        *("--budget 2", "--budget h", "--budget nanh", "--budget -1h", "--checkpoint-seconds -1"),
        *("--gpus-per-trial -1", "--gpus-per-trial 1.5", "--gpus-per-trial 2", "--slots 0", "--gpus-per-trial inf"),
    ],
)
def test_what_an_option_can_not_be_is_refused(arguments: str) -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parsed(*arguments.split())


def test_a_studys_own_flags_are_apart() -> None:
    made = parser()
    made.add_argument("--trials", type=int)
    assert options_of(made.parse_args(["--trials", "5", "--seeds", "2"])).more == {"trials": 5}


def test_assignments_are_typed_and_several_values_are_an_axis() -> None:
    found = parse_assignments(["lambda1=0,0.1", "columns=2-4-6", "protocol=float", "allow_overlap=true"])
    assert found.pop("lambda1") == [0.0, 0.1]
    assert found == {"columns": [(2, 4, 6)], "protocol": ["float"], "allow_overlap": [True]}
    twice = parsed("--set", "lambda1=0,0.1", "sigma=50", "--set", "seed=1").assigned
    assert twice == {"lambda1": [0.0, 0.1], "sigma": [50.0], "seed": [1]}


def test_a_lambda_may_be_a_multiple_of_the_threshold() -> None:
    assert parse_assignments(["lambda1=0.01,2x"]) == {"lambda1": [0.01, Multiple(2.0)]}
    for text in ("lambda1=twox", "lambda2=2x", "sigma=2x"):
        with pytest.raises(ConfigurationError, match=text.split("x")[0]):
            parse_assignments([text])


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["lambda1"], "--set lambda1: write field=value"),
        (["lambda1=1", "lambda1=2"], "given twice"),
        (["lamda1=1"], "lamda1: no such field"),
        (["lambda1="], "lambda1="),
        (["cells=1.5"], "cells=1.5"),
    ],
)
def test_a_mistake_names_what_was_written(texts: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as raised:
        parse_assignments(texts)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("gpus", [2, 1.5, -0.5, float("nan")])
def test_python_asks_for_one_gpu_at_most_too(gpus: float) -> None:
    with pytest.raises(ConfigurationError, match=f"gpus_per_trial={gpus:g}: .* share of a GPU"):
        Options(gpus_per_trial=gpus)

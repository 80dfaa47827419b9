import dataclasses
import hashlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearer.configuration import REMOVED, SEARCH_ONLY, Configuration, field_types, parse_value
from clearer.fields import ALWAYS, ConfigurationError, as_text
from clearer.presets import PRESETS, preset_values
from clearer.streams import stream

DERAIN = preset_values("paper", "derain")
PAPER = {
    "search_iterations": 10_000, "warmup_iterations": 1_000, "train_iterations": 100_000, "batch_size": 32, "patch_size": 64,
    "momentum": 0.9, "weight_decay": 3e-4, "weights_learning_rate": 0.025, "weights_learning_rate_end": 0.001,
    "train_learning_rate": 0.01, "train_learning_rate_end": 0.0,
    "alpha_learning_rate": 3e-4, "alpha_weight_decay": 1e-3, "alpha_beta1": 0.5, "alpha_beta2": 0.999, "alpha_initial_std": 1e-3,
    "clip_norm": 5.0, "initial_std": 1e-3, "lambda1": 0.01, "lambda2": 0.0, "search_epoch_iterations": 50, "train_epoch_iterations": 100,
    "cells": 3, "columns": (4,), "channels": 32, "image_channels": 1, "mixing": "parallel", "alpha_statistics": "running",
    "task": "denoise", "dataset": "bsds500", "sigma": 30.0, "protocol": "clip8", "weights_split": "train", "alpha_split": "validation",
    "test_border": "centre64", "self_ensemble": 8,
}  # fmt: skip

REFUSED = [
    ("lambda1", -1, "0 or greater"), ("lambda1", math.nan, "finite"), ("lambda2", math.inf, "finite"), ("lambda1", "x", "a number"),
    ("lambda1", True, "a number"), ("lambda1", None, "a number"), ("sigma", 0, "greater than 0"), ("sigma", -math.inf, "finite"),
    ("cells", 0, "greater than 0"), ("cells", 2.0, "a whole number"), ("cells", "x", "a whole number"), ("cells", False, "a whole number"),
    ("columns", (4, 0), "greater than 0"), ("columns", (4, 4), "cells=3"), ("columns", (), "cells=3"), ("columns", "x", "a whole number"),
    ("patch_size", 7, "8 or greater"), ("momentum", 1.0, r"\[0, 1\)"), ("seed", -1, "2^32"), ("seed", 2**32, "2^32"),
    ("image_channels", 2, "one of 1, 3"), ("self_ensemble", 4, "one of 1, 8"), ("protocol", "clip", "clip8, float"), ("kind", 3, "a text"),
    ("warmup_iterations", 10_000, "search_iterations=10000"), ("alpha_split", "train", "different splits"), ("alpha_split", "test", "one of"),
    ("module_times_ms", (1.0, 2.0), "complexity=time"), ("architecture", "P-P-P", "kind=given"),
    ("dataset", "", "or a folder"), ("dataset", "rain800", "holds pairs; task=denoise needs"), ("dataset", "bsd68", "test_set=bsd68"), ("test_set", "rain800", "a set of clean images"),
    ("test_set", "a\nb", "one line"), ("grayscale", "rgb", "pillow, bt601"), ("pairing", "beside", "clean_left, clean_right, folders"),
    ("allow_overlap", "yes", "true or false"), ("allow_overlap", 1, "true or false"), ("seed", True, "a whole number"),
]  # fmt: skip


def with_architecture(architecture, **values):
    return Configuration(kind="given", architecture=architecture, **values)


@pytest.mark.parametrize(("field", "value", "reason"), REFUSED, ids=str)
def test_a_bad_value_is_named_in_one_line(field, value, reason):
    with pytest.raises(ConfigurationError, match=reason.replace("^", r"\^")) as refused:
        Configuration(**{field: value})
    message = str(refused.value)
    assert message.startswith(f"{field}={as_text(value)}: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [("FPFP-FPXF-PFFP", "'X'"), ("FPFP-FPFF", "4-4-4"), ("FPFP-FPF-PFFP", "4-3-4"), ("", "without columns")],
)
def test_a_bad_architecture_is_named_in_one_line(architecture, reason):
    with pytest.raises(ConfigurationError, match=reason) as refused:
        with_architecture(architecture)
    assert str(refused.value).startswith(f"architecture={architecture}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["x", "", "1-2", "0x10", "1,5"])
@pytest.mark.parametrize("field", ["cells", "lambda1"])
def test_a_text_that_is_no_number_is_named(field, text):
    with pytest.raises(ConfigurationError, match=f"^{field}={text}: "):
        parse_value(field, text)


@pytest.mark.parametrize(
    ("field", "value"),
    [("kind", "a\nb"), ("dataset", "a\nb"), ("lambda1", 10**400)],
    ids=["kind", "dataset", "lambda1"],
)
def test_even_a_strange_value_is_refused_in_one_line(field, value):
    with pytest.raises(ConfigurationError, match=rf"\A{field}=.*\Z"):
        Configuration(**{field: value})


def test_an_unknown_field_is_named():
    with pytest.raises(ConfigurationError, match=r"^lambda3: no such field"):
        parse_value("lambda3", "1")


def test_the_paper_preset_is_the_paper():
    paper = Configuration(**PRESETS["paper"])
    assert {name: getattr(paper, name) for name in PAPER} == PAPER


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_scores_the_authors_area(preset):
    assert Configuration(**PRESETS[preset]).test_border == "centre64"


def test_what_was_scored_on_the_first_area_keeps_its_identity():
    first = Configuration(test_border="crop64")
    assert first.trial_id == "8cfb15ec1db0"
    assert Configuration.stored(first.values()) == first
    assert first.of_stage("test") != Configuration().of_stage("test")
    assert first.of_stage("train") == Configuration().of_stage("train")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("field", field_types())
def test_values_and_texts_round_trip(preset, field):
    value = getattr(Configuration(**PRESETS[preset]), field)
    assert parse_value(field, as_text(value)) == value


@given(st.lists(st.integers(1, 10**9), min_size=1), st.integers(1, 999_999), st.integers(-12, 12))
def test_numbers_and_texts_round_trip(columns, digits, exponent):
    rounded = float(f"{digits}e{exponent}")
    assert parse_value("columns", as_text(tuple(columns))) == tuple(columns)
    assert parse_value("lambda1", as_text(rounded)) == rounded


@pytest.mark.parametrize(("field", "value"), [("lambda1", 0.123456789), ("module_times_ms", (1e-05, 2.0))])
def test_every_number_and_its_text_round_trip(field, value):
    assert parse_value(field, as_text(value)) == value


@pytest.mark.parametrize("preset", PRESETS)
def test_values_are_json_and_round_trip(preset):
    configuration = Configuration(**PRESETS[preset])
    again = Configuration(**json.loads(json.dumps(configuration.values())))
    assert again == configuration
    assert again.trial_id == configuration.trial_id


def test_a_trial_id_is_the_hash_of_the_canonical_json():
    configuration = Configuration(seed=3, columns=(1, 2, 3))
    removed = {name: value for name, (value, _) in REMOVED.items()}  # a field that is gone keeps its place
    later = {f.name for f in dataclasses.fields(Configuration) if f.metadata["before"] is not ALWAYS}
    first = {name: value for name, value in configuration.values().items() if name not in later}
    canonical = json.dumps(first | removed, sort_keys=True, separators=(",", ":"))
    assert configuration.trial_id == hashlib.sha256(canonical.encode()).hexdigest()[:12]
    assert configuration.trial_id != Configuration(seed=4, columns=(1, 2, 3)).trial_id


@pytest.mark.parametrize(
    "same", [{"columns": (4, 4, 4)}, {"columns": [4]}, {"columns": 4}, {"sigma": 30}, {"lambda2": 0}]
)
def test_equal_trials_have_one_canonical_form(same):
    assert Configuration(**same).trial_id == Configuration().trial_id


def test_a_negative_zero_is_zero():
    assert Configuration(lambda1=-0.0) == Configuration(lambda1=0.0)
    assert Configuration(lambda1=-0.0).trial_id == Configuration(lambda1=0.0).trial_id


def test_replicates_share_what_is_not_the_seed():
    paper, other = Configuration(), Configuration(seed=1)
    assert paper.replicate_id == other.replicate_id != Configuration(sigma=50).replicate_id
    assert paper.trial_id != other.trial_id


def test_a_trial_without_a_search_forgets_what_only_a_search_reads():
    forgotten = {"lambda1": 0.5, "alpha_learning_rate": 1.0, "complexity": "flops", "search_iterations": 2000}
    assert set(forgotten) < SEARCH_ONLY
    assert with_architecture("FPFP-FPFF-PFFP", **forgotten) == with_architecture("FPFP-FPFF-PFFP")
    assert with_architecture("FPFP-FPFF-PFFP", sigma=50) != with_architecture("FPFP-FPFF-PFFP")


def test_a_trial_without_a_search_round_trips_from_the_other_split():
    configuration = with_architecture("FPFP-FPFF-PFFP", weights_split="validation", alpha_split="train")
    assert Configuration(**configuration.values()) == configuration


@pytest.mark.parametrize("text", ["True", "1", "yes", ""])
def test_only_true_and_false_are_truths(text):
    assert [parse_value("allow_overlap", as_text(value)) for value in (True, False)] == [True, False]
    with pytest.raises(ConfigurationError, match=f"^allow_overlap={text}: "):
        parse_value("allow_overlap", text)


def test_deraining_needs_pairs():
    derain = Configuration(**DERAIN)
    assert (derain.task, derain.dataset, derain.image_channels) == ("derain", "rain800", 3)
    assert (
        Configuration(**{**DERAIN, "dataset": "my/pairs", "pairing": "folders", "image_channels": 1}).pairing
        == "folders"
    )
    for wrong, named in (
        ({"dataset": "bsds500"}, "dataset=bsds500: .*rain800 or a folder"),
        ({"test_set": "set12"}, "test_set=set12: "),
        ({"pairing": "folders"}, "pairing=folders: .*clean_left"),
    ):
        with pytest.raises(ConfigurationError, match=named):
            Configuration(**{**DERAIN, **wrong})


@pytest.mark.parametrize(
    ("base", "unread"),
    [
        ({}, {"pairing": "folders"}),
        ({"image_channels": 3}, {"grayscale": "bt601"}),
        (DERAIN, {"sigma": 50.0, "protocol": "float"}),
    ],
)
def test_fields_that_a_task_does_not_read_do_not_make_another_trial(base, unread):
    assert Configuration(**base, **unread).trial_id == Configuration(**base).trial_id


def test_columns_by_cell():
    assert Configuration(cells=2).columns_by_cell == (4, 4)
    assert Configuration(columns=(1, 2, 3)).columns_by_cell == (1, 2, 3)


def test_every_field_has_a_source_and_determines_known_stages():
    for field in dataclasses.fields(Configuration):
        assert set(field.metadata["stages"]) <= {"search", "train", "test", "time", "reference"}
        assert field.metadata["source"]
        assert field.metadata["stages"] or field.name in ("kind", "architecture", "allow_overlap", "train_halving")


def test_a_stage_is_determined_by_its_fields_alone():
    configuration = Configuration()
    assert configuration.with_values(lambda1=0.5).of_stage("train") == configuration.of_stage("train")
    assert configuration.with_values(lambda1=0.5).of_stage("search") != configuration.of_stage("search")
    assert set(configuration.of_stage("test")) == {
        "image_channels",
        "task",
        "dataset",
        "test_set",
        "pairing",
        "grayscale",
        "sigma",
        "protocol",
        "test_border",
        "test_limit",
        "self_ensemble",
    }


def test_streams_are_functions_of_their_names():
    def first(*name):
        return stream(*name).integers(2**63)

    assert first(1, "crops", 5) == first(1, "crops", 5)
    assert len({first(1, "crops", 5), first(2, "crops", 5), first(1, "logits", 5), first(1, "crops", 6)}) == 4

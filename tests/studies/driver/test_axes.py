"""Values along axes, and the configurations that they make with a preset."""

import pytest

from clearer.configuration import Configuration
from clearer.fields import ConfigurationError
from clearer.polarisation import polarisation_threshold
from clearer.presets import PRESETS
from studies.driver.axes import Multiple, configuration, product, unique


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_a_configuration_that_values_replace(preset: str) -> None:
    usual, other = configuration(preset, {}), configuration(preset, {"sigma": 50.0, "channels": 2})
    assert usual == Configuration(**PRESETS[preset])
    assert other == usual.with_values(sigma=50.0, channels=2)
    assert usual.kind == "searched"


def test_an_architecture_makes_a_given_trial() -> None:
    found = configuration("quick", {"architecture": "FPFP-FPFF-PFFP", "lambda1": 0.5})
    assert (found.kind, found.lambda1) == ("given", Configuration().lambda1)


def test_a_task_brings_what_its_preset_needs() -> None:
    rain = configuration("paper", {"task": "derain"})
    assert (rain.dataset, rain.image_channels) == ("rain800", 3)
    assert configuration("paper", {"task": "derain", "dataset": "mine"}).dataset == "mine", "what is given holds"


@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("columns", [(2,), (4,)])
def test_a_multiple_is_of_the_threshold_of_the_trials_own_columns(cells: int, columns: tuple[int, ...]) -> None:
    found = configuration("quick", {"cells": cells, "columns": columns, "lambda1": Multiple(0.5)})
    assert found.lambda1 == pytest.approx(0.5 * polarisation_threshold(cells * columns[0], 1e-3), rel=1e-5)
    assert found == configuration("quick", {"cells": cells, "columns": columns, "lambda1": found.lambda1})


def test_a_multiple_needs_a_threshold() -> None:
    with pytest.raises(ConfigurationError, match="lambda1=2x: alpha_weight_decay=0"):
        configuration("quick", {"lambda1": Multiple(2.0), "alpha_weight_decay": 0.0})


def test_a_multiple_reads_as_it_was_written() -> None:
    assert [str(Multiple(factor)) for factor in (2.0, 0.5)] == ["2x", "0.5x"]


def test_a_product_has_every_combination_the_last_axis_fastest() -> None:
    found = product({"lambda1": [0, 1], "lambda2": [2, 3]})
    assert found == [{"lambda1": a, "lambda2": b} for a in (0, 1) for b in (2, 3)]
    assert product({}) == [{}]


def test_one_of_each_is_kept_in_order() -> None:
    first, second = configuration("quick", {}), configuration("quick", {"sigma": 50.0})
    assert unique([second, first, second.with_values(), first]) == [second, first]


@pytest.mark.parametrize("values", [{"lamda1": 0.1}, {"task": "denoise", "strenght": 2.0}])
def test_a_field_that_a_study_file_misspells_is_named(values: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=f"^{list(values)[-1]}: no such field .did you mean"):
        configuration("quick", values)

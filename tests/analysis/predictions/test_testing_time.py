"""Testing times that follow from modules: found again where they add up, with an error of what was not fitted."""

import numpy as np
import pandas as pd
import pytest

from analysis.predictions.space import space
from analysis.predictions.testing_time import TimeModel, time_model
from tests.analysis.spaces import EVERY, timed


def test_times_that_add_up_are_found_again_and_predicted_exactly() -> None:
    model = time_model(timed(["PP-PPP", "FP-PPP", "FF-PFP", "PP-FFP", "PF-PPF", "FF-FFF"]))
    assert (model.device, model.size, model.architectures, model.reason) == ("a device", "64×64", 6, None)
    assert model.all_parallel_ms == pytest.approx(31)
    assert model.contrasts_ms == pytest.approx((1, -3))
    assert model.error is not None
    assert model.error.max_ms == pytest.approx(0, abs=1e-9)
    assert model.error.architectures == 6
    every = timed(EVERY).drop_duplicates("architecture")
    assert model.predict(every).tolist() == pytest.approx(every["test_time_ms"].tolist())
    assert model.predict(space("2-3", 4)).tolist() == model.predict(every).tolist()


def test_the_error_is_of_architectures_that_were_not_fitted() -> None:
    """Left-out residuals are those of the fit, divided by 1 − leverage."""
    rows = timed(EVERY[::3], noise=0.5)
    model = time_model(rows)
    once = rows.drop_duplicates("architecture")
    fusions = [[cell.count("F") for cell in text.split("-")] for text in once["architecture"]]
    design = np.column_stack([np.ones(len(once)), fusions])
    leverage = np.diag(design @ np.linalg.pinv(design))
    off = np.abs(once["test_time_ms"] - model.predict(once)) / (1 - leverage)
    assert model.error is not None
    assert (model.error.median_ms, model.error.max_ms) == pytest.approx((off.median(), off.max()))
    percent = 100 * off / once["test_time_ms"]
    assert (model.error.median_percent, model.error.max_percent) == pytest.approx((percent.median(), percent.max()))


def assert_unknown(model: TimeModel) -> None:
    assert (model.all_parallel_ms, model.contrasts_ms, model.error) == (None, None, None)
    assert model.predict(space("2-3", 4)).isna().all()


@pytest.mark.parametrize(
    ("architectures", "reason"),
    [
        ([], "no architecture is timed"),
        (["PP-PPP", "FF-FFF", "PF-PPF"], "3 architectures are timed, 4 are needed"),
        (
            "PP-PPP FP-FPP PF-FPP PF-PFP FF-FFP".split(),
            "the 5 timed architectures do not tell the cells' fusion modules apart",
        ),
    ],
)
def test_nothing_is_predicted_from_too_few_architectures(architectures: list[str], reason: str) -> None:
    model = time_model(timed(architectures))
    assert model.reason == reason
    assert_unknown(model)


def test_a_model_with_times_below_zero_is_no_model() -> None:
    rows = timed(EVERY).assign(test_time_ms=lambda frame: 1.0 + 100 * frame["architecture"].eq("PP-PPP"))
    model = time_model(rows)
    assert "would take no time" in str(model.reason)
    assert_unknown(model)


def test_times_of_two_devices_are_not_of_one_model() -> None:
    rows = pd.concat([timed(EVERY), timed(EVERY, device="another")])
    with pytest.raises(ValueError, match=r"^device: times of a device, another are not of one model"):
        time_model(rows)

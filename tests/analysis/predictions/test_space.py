"""The whole search space: counts as the method's own, shares, ranks, and times that follow from modules."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from analysis.figures.fronts import draw_pareto
from analysis.figures.interactive import pareto_plot
from analysis.figures.space import draw_space, space_table
from analysis.predictions.space import SpaceError, cost_distribution, mid_rank, space, space_counts, standing
from analysis.predictions.testing_time import TimeModel, time_model
from clearer.__main__ import describe
from clearer.architecture import Architecture


@pytest.mark.parametrize(
    ("columns", "channels", "image_channels"),
    [("4", 32, 1), ("2-3", 5, 3), ("4-4-4", 32, 1), ("1-2-2-1", 8, 3), ("1-1-1-1-1-1", 3, 1)],
)
def test_every_architecture_is_there_with_the_counts_that_describe_prints(
    columns: str, channels: int, image_channels: int
) -> None:
    whole = space(columns, channels, image_channels)
    every = Architecture.enumerate(tuple(map(int, columns.split("-"))))
    assert whole["architecture"].tolist() == [str(one) for one in every]
    for row in whole.iloc[:: max(1, len(whole) // 60)].itertuples():
        said = describe(row.architecture, channels, image_channels)
        assert (row.parameters, row.flops) == (said["parameters"], said["flops_per_pixel"])
        assert row.fusion_columns == row.architecture.count("F")
        assert row.fusions == "-".join(str(cell.count("F")) for cell in row.architecture.split("-"))


def test_the_published_space_has_the_published_sizes() -> None:
    whole = space().set_index("architecture")["parameters"]
    assert len(whole) == 4096
    assert (whole.min(), whole.idxmin()) == (4_361_536, "FFFF-FFFF-FFFF")
    assert (whole.max(), whole.idxmax()) == (8_723_264, "PPPP-PPPP-PPPP")
    assert whole[["FPFP-FPFF-PFFP", "FPPF-FFFF-PFFP", "FFFF-PPPF-PFPP"]].tolist() == [6_307_968, 6_073_536, 7_417_216]


def test_counts_say_of_costs_what_the_list_says() -> None:
    whole, counted = space("2-3-1", 4), space_counts("2-3-1", 4)
    assert len(counted) == 3 * 4 * 2
    assert counted["share"].sum() == 1
    listed = whole["fusions"].value_counts(normalize=True)
    assert counted.set_index("fusions")["share"].to_dict() == listed.to_dict()
    for cost in ("parameters", "flops"):
        assert cost_distribution(whole, cost).to_dict() == cost_distribution(counted, cost).to_dict()


def test_a_space_that_nobody_can_list_is_refused_and_still_counted() -> None:
    with pytest.raises(SpaceError, match=r"^columns=8-8-8: 2\^24 architectures are too many to list; space_counts "):
        space("8-8-8")
    counted = space_counts("8-8-8")
    mean = (counted["parameters"] * counted["share"]).sum()
    assert mean == pytest.approx((counted["parameters"].min() + counted["parameters"].max()) / 2)
    assert counted["share"].sum() == pytest.approx(1)


@pytest.mark.parametrize("columns", ["", "4-0-4", "4,4", "4-x", "-1", "400-400-400"])
def test_what_is_no_space_is_refused_in_one_line(columns: str) -> None:
    with pytest.raises(SpaceError, match=r"^columns=[^\n]*$"):
        space_counts(columns)


def test_the_mid_rank_is_what_is_less_and_half_of_the_equal() -> None:
    costs = np.array([1.0, 2, 2, 5])
    found = mid_rank(np.array([0.0, 1, 2, 5, np.nan]), costs, np.full(4, 0.25))
    assert found == pytest.approx([0, 12.5, 50, 87.5, np.nan], nan_ok=True)


def found_rows(architectures: list[str], whole: pd.DataFrame, kind: str = "searched") -> pd.DataFrame:
    known = whole.set_index("architecture")["parameters"]
    return pd.DataFrame({
        "kind": kind, "architecture": architectures, "parameters": known[architectures].to_numpy(), "test_time_ms": 1.0,
    })  # fmt: skip


def test_the_standing_of_a_whole_space_is_even() -> None:
    whole = space("2-2", 4)
    table = standing(found_rows(whole["architecture"].tolist(), whole), whole)
    assert table["parameters_percentile"].mean() == table["flops_percentile"].mean() == 50
    assert table.iloc[0]["architecture"] == "FF-FF"
    assert table.iloc[0]["parameters_percentile"] == 100 / 16 / 2
    assert table["predicted_time_ms_percentile"].isna().all(), "nothing is predicted"
    pd.testing.assert_frame_equal(
        table, standing(found_rows(whole["architecture"].tolist(), whole), space_counts("2-2", 4))
    )


def test_the_standing_counts_trials_and_refuses_another_space() -> None:
    whole = space("2-2", 4)
    rows = pd.concat([found_rows(["FP-PF", "FP-PF", "PP-PP"], whole), found_rows(["FP-PF"], whole, "random")])
    table = standing(rows, whole).set_index(["kind", "architecture"])
    assert table["trials"].to_dict() == {("searched", "FP-PF"): 2, ("searched", "PP-PP"): 1, ("random", "FP-PF"): 1}
    for other in (space("2-2", 8), space("2-3", 4)):
        with pytest.raises(SpaceError, match=r"is not of this space"):
            standing(rows, other)


def timed(architectures: list[str], noise: float = 0.0, **about: object) -> pd.DataFrame:
    """Two seeds a row; a parallel module takes 3 and 5 ms in cells 1 and 2, a fusion module 4 and 2, the rest 10."""
    generator = np.random.default_rng(0)
    cells = [text.split("-") for text in architectures]
    times = [10 + sum({"P": 3, "F": 4}[m] for m in a) + sum({"P": 5, "F": 2}[m] for m in b) for a, b in cells]
    rows = pd.DataFrame({
        "kind": "searched", "architecture": architectures, "columns": "2-3", "device": "a device", "test_time_size": "64×64",
        "parameters": found_rows(architectures, space("2-3", 4))["parameters"], "test_time_ms": times, **about,
    })  # fmt: skip
    rows["test_time_ms"] += noise * generator.standard_normal(len(rows))
    return pd.concat([rows, rows], ignore_index=True)


EVERY = space("2-3", 4)["architecture"].tolist()


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
    design = np.column_stack([np.ones(len(once)), once["architecture"].str.split("-").map(lambda c: [x.count("F") for x in c]).tolist()])  # fmt: skip
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
        (["PP-PPP", "FP-FPP", "PF-FPP", "PF-PFP", "FF-FFP"], "the 5 timed architectures do not tell the cells' fusion modules apart"),
    ],
)  # fmt: skip
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


def test_the_cloud_holds_every_architecture_and_the_found_ones_lie_in_it() -> None:
    rows, whole = timed(EVERY[::3], noise=0.5), space("2-3", 4)
    model = time_model(rows)
    cloud = space_table(whole, model)
    assert len(cloud) == 3 * 4
    assert cloud["share"].sum() == pytest.approx(1)
    figure = draw_space(rows, whole, model, "the protocol")
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("parameters (millions)", "predicted testing time (ms per image)")
    points = {tuple(point) for point in axes.collections[0].get_offsets().round(6).tolist()}
    assert points == set(zip((1e-6 * cloud["parameters"]).round(6), cloud["predicted_time_ms"].round(6), strict=True))
    drawn = next(line for line in axes.lines if line.get_marker() == "o")
    assert {tuple(point) for point in drawn.get_xydata().round(6).tolist()} <= points
    assert "in the median" in figure.get_suptitle()
    with pytest.raises(ValueError, match=r"^testing times can't be predicted: no architecture is timed"):
        draw_space(rows, whole, time_model(timed([])), "the protocol")


def test_a_pareto_figure_has_the_costs_of_all_architectures_below() -> None:
    whole = space("2-3", 4)
    rows = found_rows(["FP-PPF", "PP-PPP"], whole).assign(
        replicate_id=["a", "b"], lambda1=0.0, lambda2=0.0, psnr_db=[28.0, 29.0]
    )
    figure = draw_pareto(rows, "parameters", "the protocol", cost_distribution(whole, "parameters"))
    above, below = figure.axes
    assert (above.get_ylabel(), below.get_xlabel()) == ("PSNR (dB)", "parameters (millions)")
    assert sum(bar.get_height() for bar in below.patches) == pytest.approx(100)
    left, right = min(bar.get_x() for bar in below.patches), max(bar.get_x() + bar.get_width() for bar in below.patches)
    assert (left, right) == pytest.approx((1e-6 * whole["parameters"].min(), 1e-6 * whole["parameters"].max()))
    assert all(left - 1e-9 <= x <= right + 1e-9 for x in itertools.chain(*(line.get_xdata() for line in above.lines)))
    assert "predicted" not in below.get_ylabel()


def test_the_interactive_figure_has_the_same_strip() -> None:
    whole = space("2-3", 4)
    rows = timed(EVERY[::3], noise=0.5)
    rows = rows.assign(
        replicate_id=rows["architecture"],
        lambda1=0.0,
        lambda2=0.0,
        psnr_db=range(len(rows)),
        channels=4,
        image_channels=1,
    )
    for cost, unit in (("parameters", 1e-6), ("test_time_ms", 1.0)):
        *points, strip = pareto_plot(rows, cost)["data"]
        assert {trace["type"] for trace in points} == {"scatter"}
        assert (strip["type"], strip["yaxis"]) == ("bar", "y2")
        assert sum(strip["y"]) == pytest.approx(100), "every architecture is in one bar"
        assert ("predicted" in strip["name"]) == (cost == "test_time_ms")
        if cost == "parameters":
            ends = strip["x"][0] - strip["width"][0] / 2, strip["x"][-1] + strip["width"][-1] / 2
            assert ends == pytest.approx((unit * whole["parameters"].min(), unit * whole["parameters"].max()))
    few = rows[:3]
    assert {trace["type"] for trace in pareto_plot(few, "test_time_ms")["data"]} == {"scatter"}, "no prediction"
    other = pd.concat([rows, rows.assign(columns="4")])
    assert {trace["type"] for trace in pareto_plot(other, "parameters")["data"]} == {"scatter"}, "two spaces"

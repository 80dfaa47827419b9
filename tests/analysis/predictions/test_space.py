"""The whole search space: counts as the method's own, shares and ranks."""

import numpy as np
import pandas as pd
import pytest
from architectures import every_architecture

from analysis.predictions.space import SpaceError, cost_distribution, mid_rank, space, space_counts, standing
from clearer.__main__ import describe
from tests.analysis.spaces import found_rows


@pytest.mark.parametrize(
    ("columns", "channels", "image_channels"),
    [("4", 32, 1), ("2-3", 5, 3), ("4-4-4", 32, 1), ("1-2-2-1", 8, 3), ("1-1-1-1-1-1", 3, 1)],
)
def test_every_architecture_is_there_with_the_counts_that_describe_prints(
    columns: str, channels: int, image_channels: int
) -> None:
    whole = space(columns, channels, image_channels)
    every = every_architecture(tuple(map(int, columns.split("-"))))
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

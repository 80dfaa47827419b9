"""What α says: closed forms, published searches, and who decided a column."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.predictions.polarisation import (
    alpha_gaps,
    alpha_of,
    contrasts,
    decided_by,
    fixed_point,
    furthest_alpha,
    reachable,
    silent_alpha,
    threshold,
    trajectories,
)
from analysis.predictions.space import space
from analysis.rows.published import published_alpha
from clearer.complexity import module_costs
from clearer.configuration import Configuration
from clearer.images.sets import ImageSet
from clearer.search import Search
from tests.analysis.searches import SETTINGS, grid, row_of, studied


@pytest.mark.parametrize(("columns", "decay"), [(12, 1e-3), (4, 1e-2), (3, 0.0)])
def test_closed_forms_are_those_of_the_losses(columns: int, decay: float) -> None:
    silent = Configuration(cells=1, columns=(columns,), alpha_weight_decay=decay).polarisation_threshold
    assert threshold(columns, decay) == pytest.approx(silent)
    assert fixed_point(np.array([0.0, silent]), columns, decay).tolist() == [0.5, 0.5]
    assert fixed_point(0.1, 12, 1e-3) == pytest.approx(0.8344, abs=1e-4)


def test_the_published_alpha_give_the_published_gaps_and_architectures() -> None:
    table = alpha_gaps(pd.DataFrame())
    assert table["lambda1"].tolist() == [0, 0.01, 0.1]
    assert table["mean_gap"].round(4).tolist() == [0.0278, 0.0620, 0.6709]
    assert (table["fixed_point_gap"] - table["mean_gap"]).abs().iloc[2] < 0.003
    assert table["reachable_gap"].tolist() == pytest.approx([0, 0, 2 * 0.83443 - 1], abs=1e-3)
    parameters = space().set_index("architecture")["parameters"]
    letters = ["".join("F" if one > 0.5 else "P" for one in alpha) for alpha in published_alpha()["alpha"]]
    found = [parameters[f"{text[:4]}-{text[4:8]}-{text[8:]}"] for text in letters]
    assert found == [7_417_216, 6_307_968, 6_073_536]


def test_alone_a_column_rests_at_the_fixed_point_of_the_side_that_it_started_on() -> None:
    row = row_of(Configuration(**SETTINGS, lambda1=0.1))
    values = np.array([0.0, 0.01, 0.05, 0.1])
    reached, rest = reachable(row, values), fixed_point(values, 5, 1e-3)
    assert reached.shape == (4, 2, 5)
    expected = np.stack([1 - rest, rest], axis=1)[..., np.newaxis]
    assert reached == pytest.approx(np.broadcast_to(expected, reached.shape), abs=2e-3)
    short = {**row, "search_stopped_at": 200}
    assert np.abs(reachable(short, 0.1) - 0.5).max() < rest[-1] - 0.5 - 0.05, "100 steps end before"


def test_who_decided_a_column() -> None:
    """At λ1 = 0.1 five columns rest at 0.939 or 0.061, from the side of their start."""
    up, down = 0.501, 0.499
    row, curve = studied([0.94, 0.94, 0.52, 0.99, 0.30], [up, down, up, up, down], lambda1=0.1)
    table = decided_by(pd.DataFrame([row]), pd.DataFrame(curve))
    assert table["decided_by"].tolist() == ["regulariser", "data", "nobody", "data", "regulariser"]
    assert table[["cell", "column"]].values.tolist() == [[1, 1], [1, 2], [2, 1], [2, 2], [2, 3]]
    assert table["because"].iloc[1] == "the regulariser alone takes it to the other side"
    assert table["because"].iloc[3] == "α is further out than the regulariser can hold it"
    assert table["module"].tolist() == list("FFFFP")
    assert table["share"].isna().all()


def test_below_the_threshold_the_data_decides() -> None:
    row, curve = studied([0.7, 0.2, 0.53, 0.5, 0.9], [0.501] * 5, lambda1=0.01)
    for curves in (pd.DataFrame(curve), None):
        table = decided_by(pd.DataFrame([row]), curves)
        assert table["decided_by"].tolist() == ["data", "data", "nobody", "nobody", "data"]
        assert table["furthest_alpha"].tolist() == [0.5] * 5


def test_complexity_alone_takes_every_column_to_the_smaller_module() -> None:
    row, curve = studied([0.75, 0.75, 0.75, 0.75, 0.3], [0.499] * 5, lambda1=0.0, lambda2=0.3)
    table = decided_by(pd.DataFrame([row]), pd.DataFrame(curve))
    assert (table["silent_alpha"] > 0.7).all(), "a fusion module is the smaller"
    assert table["decided_by"].tolist() == ["regulariser"] * 4 + ["data"]


def test_what_cannot_be_known_is_null() -> None:
    row, _ = studied([0.9, 0.1, 0.52, 0.999, 0.9], None, lambda1=0.1)
    table = decided_by(pd.DataFrame([row]), None)
    assert table["decided_by"].tolist()[2:4] == ["nobody", "data"]
    assert table["decided_by"].isna().tolist() == [True, True, False, False, True]
    assert table["silent_alpha"].isna().all()
    without_times = {**row, "lambda2": 0.1, "complexity": "time"}
    table = decided_by(pd.DataFrame([without_times]), None)
    assert table["decided_by"].isna().tolist() == [True, True, False, True, True]
    assert alpha_gaps(pd.DataFrame([without_times]))["reachable_gap"].isna().tolist() == [True, False, False, False]


def test_a_decision_is_followed_over_the_seeds() -> None:
    found = [
        studied([0.9, last, 0.9, 0.9, 0.9], None, seed=seed, lambda1=0.0) for seed, last in enumerate([0.9, 0.9, 0.1])
    ]
    table = decided_by(pd.DataFrame([row for row, _ in found])).set_index(["seed", "cell", "column"])
    assert (table["seeds"] == 3).all()
    assert table.loc[(0, 1, 1), "share"] == 1
    assert table.loc[[(0, 1, 2), (2, 1, 2)], "share"].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_rows_without_a_search_have_no_alpha() -> None:
    rows = pd.DataFrame([{"kind": "random", "architecture": "PP", "alpha": None}])
    for frame in (rows, pd.DataFrame()):
        assert decided_by(frame).empty
        assert trajectories(frame, pd.DataFrame()).empty


def test_trajectories_are_of_every_column_and_iteration() -> None:
    rows, curves = grid()
    table = trajectories(rows, curves)
    assert len(table) == 8 * 2 * 5
    own = table[(table["trial_id"] == rows["trial_id"].iloc[0]) & (table["iteration"] == 1000)]
    assert own["alpha"].tolist() == rows["alpha"].iloc[0].tolist()
    assert "".join(own["module"]) == rows["architecture"].iloc[0].replace("-", "")


PRESSED = (
    {"lambda1": 0.1},
    {"lambda1": 0.1, "lambda2": 0.1, "complexity": "flops"},
    {"lambda1": 0.05, "lambda2": 0.05, "complexity": "authors"},
    {"lambda1": 0.05, "lambda2": 0.1, "complexity": "time", "module_times_ms": (1.0, 2.0, 3.0, 1.5)},
)


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_the_regulariser_alone_does_what_the_optimiser_of_a_search_does() -> None:
    configurations = [Configuration(**{**SETTINGS, **own, "alpha_learning_rate": 6e-3}) for own in PRESSED]
    image = ImageSet(("a",), (np.zeros((9, 9, 1), np.uint8),))
    search = Search(configurations, image, image)
    logits = search.supernet.logits
    starts = logits.detach().double().numpy().reshape(search.width, -1, 2).copy()
    search._loss = lambda name, silent: search.alpha_objective(silent)
    for _ in range(400):
        search._descend("alpha", torch.zeros(search.width))
    for member, c, start in zip(search.members, configurations, starts, strict=False):
        costs, contrast = module_costs(c), contrasts(row_of(c))
        assert contrast == pytest.approx((costs[:, 1] - costs[:, 0]).numpy(), abs=1e-6)
        rates = c.alpha_learning_rate, c.alpha_weight_decay, c.alpha_beta1, c.alpha_beta2
        pressed = c.lambda2 * contrast
        found = silent_alpha(start, 400, lambda1=c.lambda1, pressed=pressed, columns=5, rates=rates)
        assert found == pytest.approx(search.alpha(member)[:, 1].detach().numpy(), abs=1e-4)
        assert np.abs(found - 0.5).max() > 0.1


def test_the_furthest_alpha_is_the_closed_form_and_moves_with_the_complexity() -> None:
    sides = np.array([1.0, -1.0])
    about = {"columns": 12, "weight_decay": 1e-3}
    for lambda1 in (0.01, 0.06, 0.1, 0.5):
        held = furthest_alpha(sides, lambda1=lambda1, pressed=0.0, **about)
        rest = float(fixed_point(lambda1, 12, 1e-3))
        assert held.tolist() == pytest.approx([rest, 1 - rest], abs=1e-3)
    pressed = furthest_alpha(sides, lambda1=0.1, pressed=-0.05, **about)
    assert pressed[0] > fixed_point(0.1, 12, 1e-3)
    assert 1 - fixed_point(0.1, 12, 1e-3) < pressed[1] <= 0.5
    unknown = furthest_alpha(sides, lambda1=0.1, pressed=np.nan, **about)
    assert np.isnan(unknown).all()


def test_alpha_of_logits_is_their_softmax() -> None:
    logits = torch.randn(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert alpha_of((logits[:, 1] - logits[:, 0]).numpy()) == pytest.approx(torch.softmax(logits, 1)[:, 1].numpy())

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearer.checkpoint import pack_state, unpack_state
from clearer.runs import DivergedError, cosine

RATES = {"weights_learning_rate": 1e30, "train_learning_rate": 1e30}


def resumed(start, configuration, run):
    again = start(configuration)
    again.load_state_dicts([unpack_state(pack_state(run.state_dict(member))) for member in run.members])
    return again


@pytest.fixture(scope="module")
def whole(start, tiny, finish, bits):
    """The bits of 40 iterations that nothing interrupted."""
    return bits(finish(start(tiny)))


def test_20_and_20_iterations_are_40(start, tiny, finish, bits, whole):
    halfway = next(start(tiny).advance(20))
    again = resumed(start, tiny, halfway)
    assert (halfway.iteration, again.iteration) == (20, 20)
    assert bits(again) == bits(halfway) != bits(start(tiny))
    assert bits(finish(again)) == whole != bits(halfway)


def test_a_run_that_is_resumed_at_every_stop_is_the_same(start, tiny, bits, whole):
    run = start(tiny)
    while run.iteration < run.iterations:
        run = next(resumed(start, tiny, run).advance(7))
    assert bits(run) == whole


def test_a_run_alone_is_a_run_among_others(start, search, training, tiny, bits, whole):
    runs = start(tiny), training(tiny.with_values(channels=3)), search(tiny.with_values(seed=1, search_iterations=20))
    for _ in itertools.zip_longest(*(run.advance(3) for run in runs)):
        pass
    assert [run.iteration for run in runs] == [40, 40, 20]
    assert bits(runs[0]) == whole


def test_the_seed_decides_every_bit(start, tiny, bits):
    once, again, other = (bits(next(start(tiny.with_values(seed=seed)).advance(3)))[0]["network"] for seed in (0, 0, 1))
    assert once == again != other


def test_the_curve_has_a_row_for_each_report_whatever_the_stops(start, tiny, bits, whole):
    stopping = start(tiny)
    stops = [run.iteration for run in stopping.advance(16)]
    assert stops == [16, 32, 40]
    assert [row["iteration"] for row in stopping.members[0].curve] == [15, 30, 40]
    assert bits(stopping) == whole
    seconds = [row["seconds"] for row in stopping.members[0].curve]
    assert 0 < seconds[0] < seconds[1] < seconds[2] == stopping.members[0].seconds


def test_rows_hold_means_since_the_last_row(start, tiny, finish):
    coarse, fine = (finish(start(tiny.with_values(report_iterations=every))).members[0].curve for every in (15, 1))
    for row, window in zip(coarse, (fine[:15], fine[15:30], fine[30:]), strict=True):
        assert row["restoration_loss"] == pytest.approx(sum(r["restoration_loss"] for r in window) / len(window))
        assert row["psnr_db"] == window[-1]["psnr_db"]


def test_restoration_improves(whole):
    curve = whole[0]["curve"]
    assert curve[-1]["restoration_loss"] < curve[0]["restoration_loss"]


def test_what_diverges_names_its_stage_and_iteration(start, tiny, finish):
    run = start(tiny.with_values(**RATES))
    with pytest.raises(DivergedError, match=rf"^{run.stage} diverged: weights are not finite by iteration 3$"):
        finish(run)


def test_a_state_of_another_stage_is_refused(search, training, tiny):
    run = search(tiny)
    with pytest.raises(ValueError, match=r"states of \[\('search', 1, 0\)\], not of 1 members of a train of 1"):
        training(tiny).load_state_dicts([run.state_dict(run.members[0])])


@given(st.integers(1, 40), st.integers(1, 10), st.floats(0.1, 1), st.floats(0, 0.1))
def test_the_cosine_falls_from_start_to_end_by_epochs(epochs, epoch, start, end):
    rates = [cosine(i, epochs * epoch, epoch, start, end) for i in range(epochs * epoch + 1)]
    assert rates[0] == pytest.approx(start)
    assert rates[-1] == pytest.approx(end)
    assert all(later <= rate + 1e-12 for rate, later in itertools.pairwise(rates))
    assert [rates[i] for i in range(epochs * epoch)] == [rates[i - i % epoch] for i in range(epochs * epoch)]


def test_the_cosine_in_closed_form():
    assert cosine(5_000, 10_000, 50, 0.025, 0.001) == pytest.approx(0.013)
    assert cosine(2_500, 10_000, 50, 1, 0) == pytest.approx((1 + math.sqrt(0.5)) / 2)
    assert cosine(3, 2, 50, 1, 0) == 1

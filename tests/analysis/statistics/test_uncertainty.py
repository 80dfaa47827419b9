"""Probabilities and intervals against the closed forms of one configuration."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from running import ROOT
from scipy.stats import t as student

import analysis
from analysis.rows.configurations import KEY

CHOSEN = {"minimise": ["parameters"], "maximise": ["psnr_db"]}
REFERENCE = {"parameters": 10.0, "psnr_db": 20.0}
SEEDS = [30.0, 30.4, 30.1, 29.7]


def study(*configurations: tuple[float, list[float]]) -> pd.DataFrame:
    """Rows of configurations, each of its parameters and its PSNR over seeds."""
    rows = [
        {"replicate_id": f"c{number}", "seed": seed, "parameters": parameters, "psnr_db": psnr_db}
        for number, (parameters, figures) in enumerate(configurations)
        for seed, psnr_db in enumerate(figures)
    ]
    return pd.DataFrame(rows)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_probability_is_the_tail_of_student_s_distribution() -> None:
    """Of two configurations of one size, that of a single seed stands still."""
    frame = study((1.0, SEEDS), (1.0, [30.2]), (0.5, [20.0, 20.1, 20.0]), (2.0, [25.0, 25.1, 25.0]))
    table = analysis.front_probability(frame, generator(), **CHOSEN, draws=20000)
    mean, error = np.mean(SEEDS), np.std(SEEDS, ddof=1) / 2
    assert list(table["replicate_id"]) == ["c0", "c1", "c2", "c3"]
    assert table["seeds"].tolist() == [4, 1, 3, 3]
    assert table["psnr_db"][0] == pytest.approx(mean)
    assert table["probability"][0] == pytest.approx(student.sf((30.2 - mean) / error, 3), abs=0.01)
    assert np.isnan(table["probability"][1])
    assert table["probability"][2:].tolist() == pytest.approx([1.0, 0.0], abs=0.01)
    assert table["on_front"].tolist() == [False, True, True, False]


def test_equal_configurations_share_the_front() -> None:
    table = analysis.front_probability(study((3.0, [30.0] * 3), (3.0, [30.0] * 5)), generator(), **CHOSEN)
    assert table["probability"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("sign", [1, -1])
def test_one_configuration_has_student_s_interval(sign: int) -> None:
    frame = study((1.0, [sign * value for value in SEEDS]))
    column = {"maximise": ["psnr_db"]} if sign == 1 else {"minimise": ["psnr_db"]}
    found = analysis.hypervolume_interval(frame, {"psnr_db": sign * 20.0}, generator(), **column, draws=100_000)
    half = student.ppf(0.975, 3) * np.std(SEEDS, ddof=1) / 2
    assert found["hypervolume"] == pytest.approx(np.mean(SEEDS) - 20)
    assert found["hypervolume"] - found["low"] == pytest.approx(half, rel=0.05)
    assert found["high"] - found["hypervolume"] == pytest.approx(half, rel=0.05)


def test_images_vary_for_all_configurations_at_once() -> None:
    images = np.array([20.0, 24.0, 33.0, 29.0, 35.0, 27.0])
    frame = study((1.0, [0.0] * 3), (1.0, [0.0] * 3)).drop(columns="psnr_db")
    frame["psnr_by_image"] = [images] * 3 + [images + 0.1] * 3
    frame["psnr_db"] = [one.mean() for one in frame["psnr_by_image"]]
    table = analysis.front_probability(frame, generator(), **CHOSEN)
    assert table["probability"].tolist() == [0.0, 1.0]
    first = frame[frame["replicate_id"] == "c0"]
    found = analysis.hypervolume_interval(first, {"psnr_db": 0.0}, generator(), maximise=["psnr_db"], draws=100_000)
    half = student.ppf(0.975, 5) * np.std(images, ddof=1) / np.sqrt(6)
    assert found["high"] - found["low"] == pytest.approx(2 * half, rel=0.05)
    still = analysis.hypervolume_interval(first, {"psnr_db": 0.0}, generator(), maximise=["psnr_db"], images=False)
    assert still["low"] == still["high"] == pytest.approx(still["hypervolume"])


def test_an_interval_follows_from_the_generator_alone() -> None:
    frame = study((1.0, SEEDS), (2.0, [31.0, 31.5, 31.2]))
    before = frame.copy()
    found = [
        analysis.hypervolume_interval(rows, REFERENCE, generator(seed), **CHOSEN)
        for rows, seed in ((frame, 0), (frame, 0), (frame, 1))
    ]
    assert found[0] == found[1] != found[2]
    assert found[0]["low"] < found[0]["hypervolume"] == found[2]["hypervolume"] < found[0]["high"]
    pd.testing.assert_frame_equal(frame, before)


def test_rows_without_figures_are_left_out() -> None:
    whole = study((1.0, SEEDS), (2.0, [31.0, 31.5, 31.2]))
    gaps = pd.concat([study((9.0, [np.nan])).assign(replicate_id="none"), whole], ignore_index=True)
    gaps = pd.concat([gaps, whole[:1].assign(replicate_id=None, psnr_db=40.0)], ignore_index=True)
    for rows in (whole, gaps):
        found = analysis.hypervolume_interval(rows, REFERENCE, generator(), **CHOSEN)
        assert found == analysis.hypervolume_interval(whole, REFERENCE, generator(), **CHOSEN)
        assert analysis.front_probability(rows, generator(), **CHOSEN)["replicate_id"].tolist() == ["c0", "c1"]


@pytest.mark.parametrize("few", [[31.0], [31.0, 31.2]], ids=["one", "two"])
def test_one_or_two_seeds_say_nothing_of_others(few: list[float]) -> None:
    frame = study((1.0, SEEDS), (2.0, few))
    found = analysis.hypervolume_interval(frame, REFERENCE, generator(), **CHOSEN)
    assert found["hypervolume"] > 0
    assert np.isnan([found["low"], found["high"]]).all()
    assert analysis.front_probability(frame, generator(), **CHOSEN)["probability"].isna().tolist() == [False, True]


@pytest.mark.parametrize("frame", [pd.DataFrame(), study((1.0, SEEDS))[:0]], ids=["no columns", "no rows"])
def test_without_rows_nothing_is_found(frame: pd.DataFrame) -> None:
    assert len(analysis.front_probability(frame, generator(), **CHOSEN)) == 0
    found = analysis.hypervolume_interval(frame, REFERENCE, generator(), **CHOSEN)
    assert found["hypervolume"] == 0.0
    assert np.isnan([found["low"], found["high"]]).all()


def test_mistakes_are_named() -> None:
    frame = study((1.0, SEEDS), (2.0, SEEDS))
    with pytest.raises(KeyError, match="no column nonsense"):
        analysis.front_probability(frame, generator(), **CHOSEN, by="nonsense")
    with pytest.raises(KeyError, match="no column ssim"):
        analysis.hypervolume_interval(frame, {"ssim": 0.0}, generator(), maximise=["ssim"])
    with pytest.raises(ValueError, match="draws is 0"):
        analysis.front_probability(frame, generator(), **CHOSEN, draws=0)
    with pytest.raises(ValueError, match="level is 95"):
        analysis.hypervolume_interval(frame, REFERENCE, generator(), **CHOSEN, level=95)
    for lists, said in (([[1.0, 2.0]] * 7 + [None], "0 or 2 images"), ([[1.0]] * 8, "one image")):
        with pytest.raises(ValueError, match=said):
            analysis.front_probability(frame.assign(psnr_by_image=lists), generator(), **CHOSEN)


def test_the_page_s_example_runs(study_storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study_storage.parent)
    found: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/explanation/how_sure.md").read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, found)
    assert len(found["front"]) > 0
    assert set(found["probable"]["replicate_id"]) == set(found["rows"]["replicate_id"])
    assert found["gained"]["hypervolume"] > 0


TRADE: dict[str, Any] = {"minimise": ["parameters"], "maximise": ["psnr_db"]}


def shared_trainings() -> pd.DataFrame:
    """Six searches of one seed that found one architecture, and its training; another architecture with three seeds."""
    rows = [("a", f"trial {i}", "one training", "FF", 9.0, 25.0) for i in range(6)]
    rows += [("b", "b0", "b0", "PF", 8.0, 24.0), ("b", "b1", "b1", "PF", 8.0, 26.0), ("b", "b2", "b2", "PF", 8.0, 25.0)]
    names = [KEY, "trial_id", "train_key", "architecture", "parameters", "psnr_db"]
    return pd.DataFrame(rows, columns=names)


def test_one_training_of_many_trials_is_one_seed_and_says_no_probability() -> None:
    for by in (KEY, "architecture"):
        table = analysis.front_probability(shared_trainings(), np.random.default_rng(0), **TRADE, by=by)
        assert table["seeds"].tolist() == [1, 3]
        assert np.isnan(table["probability"][0])
        assert 0 < table["probability"][1] <= 1


def test_a_trial_of_two_studies_counts_once() -> None:
    rows = shared_trainings()
    again = pd.concat([rows.assign(study="s"), rows.assign(study="t"), rows.assign(study="u")], ignore_index=True)
    for frame in (again, again.drop(columns="train_key")[~again["trial_id"].str.match("trial [1-5]")]):
        table = analysis.front_probability(frame, np.random.default_rng(0), **TRADE)
        assert table["seeds"].tolist() == [1, 3]
        pd.testing.assert_frame_equal(table, analysis.front_probability(rows, np.random.default_rng(0), **TRADE))
    point = {"parameters": 10.0, "psnr_db": 20.0}
    one, many = (
        analysis.hypervolume_interval(frame[frame[KEY] == "b"], point, np.random.default_rng(0), **TRADE)
        for frame in (rows, again)
    )
    assert one == many
    assert one["low"] < one["hypervolume"] < one["high"]


def test_configurations_of_the_same_trainings_are_as_sure_as_one() -> None:
    """Drawn apart, the best of six equal ones would seem better than the one that they are."""
    rows = shared_trainings()
    twins = pd.concat([rows[rows[KEY] == "b"].assign(**{KEY: f"b{i}"}) for i in range(6)], ignore_index=True)
    alone, point = twins[twins[KEY] == "b0"], {"parameters": 10.0, "psnr_db": 20.0}
    found = [analysis.hypervolume_interval(frame, point, np.random.default_rng(0), **TRADE) for frame in (alone, twins)]
    assert found[0] == pytest.approx(found[1])
    assert analysis.front_probability(twins, np.random.default_rng(0), **TRADE)["probability"].tolist() == [1.0] * 6


def test_the_order_of_rows_does_not_change_how_sure_configurations_of_the_same_trainings_are() -> None:
    figures = [27.61, 27.70000001, 27.663, 27.1, 27.9, 27.31]
    rows = pd.DataFrame({"train_key": list("uvwxyz"), "parameters": 9.0, "psnr_db": figures})
    orders = ([0, 1, 2, 3, 4, 5], [5, 3, 1, 0, 2, 4], [2, 4, 0, 5, 1, 3])
    twins = pd.concat([rows.iloc[order].assign(**{KEY: f"c{i}"}) for i, order in enumerate(orders)], ignore_index=True)
    twins = twins.assign(trial_id=twins.index.astype(str))
    table = analysis.front_probability(twins, np.random.default_rng(0), **TRADE)
    assert table["probability"].tolist() == [1.0] * 3
    assert table["on_front"].all()

"""The paper's tables from rows whose answers are known, and the report of a real study."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from latex import check_latex
from scipy import stats

import analysis
from analysis import paired_difference
from analysis.rows.comparable import protocol_groups
from analysis.rows.configurations import BELOW_INPUT
from analysis.rows.published import published
from analysis.tables.paper import tables
from analysis.tables.results import results_table
from analysis.tables.typesetting import Table

PAIRS = [(0.0, 0.0), (0.01, 0.0), (0.1, 0.0), (0.01, 0.01), (0.1, 0.1)]
BASE = {"status": "finished", "task": "denoise", "test_set": "bsds500", "sigma": 30.0, "protocol": "clip8"}
BASE |= {"image_channels": 1, "grayscale": "pillow", "test_border": "crop64", "test_images": 200, "self_ensemble": 8}
BASE |= {
    "test_limit": 0,
    "test_time_size": "448×320",
    "test_time_images": 4,
    "device": "a GPU",
    "train_device": "a GPU",
}


def row(kind: str, seed: int, pair: tuple[float, float] | None = None, **others: object) -> dict:
    generator = np.random.default_rng([seed, len(kind), *(int(1000 * value) for value in pair or ())])
    figures = {"psnr_db": 28 + generator.normal(), "ssim": 0.8 + 0.01 * generator.normal(), "psnr_patch_db": 29.0}
    figures |= {"test_time_ms": 40 + generator.normal(), "parameters": 6_307_968}
    lambdas = dict(zip(("lambda1", "lambda2"), pair or (np.nan, np.nan), strict=True))
    made = {**BASE, **figures, **lambdas, "kind": kind, "seed": seed, "architecture": "FP-FF", **others}
    return {**made, "trial_id": str([made[name] for name in made if name not in ("psnr_db", "device")])}


def framed(rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows).astype({"psnr_db": float, "test_images": "Int64"})


def study(seeds: int = 3, **others: object) -> pd.DataFrame:
    searched = [row("searched", seed, pair, **others) for pair in PAIRS for seed in range(seeds)]
    texts = [(seed, i, text) for seed in range(seeds) for i, text in enumerate(["FF-PF", "PP-PF"])]
    drawn = [row("random", seed, architecture=text, psnr_db=27.0 + seed + i, **others) for seed, i, text in texts]
    return framed(searched + drawn)


def one(found: list[Table], name: str) -> Table:
    (table,) = (table for table in found if table.name == name)
    return table


def holds_published(table: Table, wanted: pd.DataFrame, figures: dict[str, str]) -> None:
    """Every published row and figure of `wanted` stands in the table, and no other."""
    frame = table.frame[table.frame["kind"] == "published"].set_index("method")
    assert set(frame.index) == set(wanted["method"])
    for name, column in figures.items():
        expected = wanted.set_index("method")[name].reindex(frame.index)
        pd.testing.assert_series_equal(frame[column], expected, check_names=False, check_exact=True)
    assert frame["doubts"].notna().all()


def test_an_ablation_has_means_intervals_and_paired_gains() -> None:
    rows = study()
    frame = one(tables(rows), "table5").frame
    assert frame["method"].tolist()[:2] == ["λ1 = 0, λ2 = 0", "λ1 = 0.01, λ2 = 0"]
    for (lambda1, lambda2), shown in zip(PAIRS, frame.to_dict("records"), strict=False):
        own = rows[(rows["lambda1"] == lambda1) & (rows["lambda2"] == lambda2)]["psnr_db"]
        low, high = stats.t.interval(0.95, 2, own.mean(), own.sem())
        found = [shown[name] for name in ("psnr_db", "psnr_db_low", "psnr_db_high")]
        assert found == pytest.approx([own.mean(), low, high])
        assert shown["seeds"] == 3
        assert shown["parameters"] == shown["parameters_low"] == shown["parameters_high"] == 6_307_968
    gain = paired_difference(rows[(rows["lambda2"] == 0)], "lambda1", 0.1, 0.0)
    shown = frame.iloc[2]
    found = [shown[name] for name in ("gain_db", "gain_db_low", "gain_db_high")]
    assert found == pytest.approx([gain.difference, gain.low, gain.high])
    assert pd.isna(frame.iloc[0]["gain_db"])
    drawn = frame[frame["kind"] == "random"].iloc[0]
    assert drawn["psnr_db"] == pytest.approx(28.5)  # seeds 27.5, 28.5, 29.5
    assert drawn["psnr_db_high"] - drawn["psnr_db"] == pytest.approx(stats.t.ppf(0.975, 2) / 3**0.5)
    assert drawn["method"] == "random, 2 architectures"


def test_the_published_ablation_stands_beside_its_configurations() -> None:
    frame = one(tables(study()), "table5").frame
    wanted = published()[lambda rows: rows["source"].str.endswith("Table 5")]
    for expected in wanted.to_dict("records"):
        random = pd.isna(expected["lambda1"])
        same = (frame["lambda1"] == expected["lambda1"]) & (frame["lambda2"] == expected["lambda2"])
        here = frame["kind"] == "random" if random else same
        (shown,) = frame[here].to_dict("records")
        for name in ("psnr_db", "ssim", "parameters", "test_time_s"):
            assert shown[f"published_{name}"] == expected[name]
        assert shown["doubts"] == expected["doubts"]
    assert len(frame) == len(wanted)
    text = one(tables(study()), "table5").markdown()
    assert re.search(r"\| 28\.54 \|.*\| 0\.8203 \|.*\| 6\.31 \|.*\| 5\.28 \|", text)


def test_a_published_configuration_that_did_not_run_stands_alone() -> None:
    frame = one(tables(study().query("lambda1 == 0.1 and lambda2 == 0")), "table5").frame
    assert len(frame) == 6
    assert frame["psnr_db"].notna().sum() == 1
    assert frame["published_psnr_db"].notna().all()
    assert frame["gain_db"].isna().all(), "λ1 = λ2 = 0 did not run"


def test_table_1_holds_every_published_figure_of_each_noise_level() -> None:
    rows = pd.concat([study(sigma=sigma) for sigma in (30.0, 50.0, 70.0)], ignore_index=True)
    found = tables(rows)
    assert [table.name for table in found] == ["table1", "table1_patches", "table5_1", "table5_2", "table5_3"]
    whole, patches = one(found, "table1"), one(found, "table1_patches")
    known = published()[lambda frame: frame["source"].str.contains("Table [12]")]
    for sigma, wanted in known.groupby("sigma"):
        end = f"_sigma{sigma:g}"
        of_patches = wanted["method"] == "CLEARER-P"
        for table, rows_, names in (
            (whole, wanted[~of_patches], ("psnr_db", "ssim")),
            (patches, wanted[of_patches], ("psnr_patch_db", "ssim_patch")),
        ):
            holds_published(table, rows_, {name: f"{name}{end}" for name in names})
    own = whole.frame[whole.frame["kind"] == "searched"]
    assert own["method"].tolist() == ["searched, λ1 = 0.01, λ2 = 0"]
    assert "misprint" in whole.markdown().split("\n\n")[-2]
    assert "σ = 30, 50, 70" in whole.caption
    assert "not comparable digit by digit" in whole.caption
    assert "published_psnr_db" not in [column.name for column in one(found, "table5_2").columns]


def test_other_sets_and_deraining_have_tables_of_their_own() -> None:
    others = [study(sigma=50.0, test_set=name, test_images=images) for name, images in (("set12", 12), ("bsd68", 68))]
    rain = study(task="derain", test_set="rain800", sigma=np.nan, protocol=None, image_channels=3, psnr_y_db=24.0)
    found = tables(pd.concat([*others, rain], ignore_index=True))
    table3, table4, known = one(found, "table3"), one(found, "table4"), published()
    for name in ("set12", "bsd68"):
        wanted = known[(known["dataset"] == name) & (known["method"] != "CLEARER-P")]
        holds_published(table3, wanted, {"psnr_db": f"psnr_db_{name}", "ssim": f"ssim_{name}"})
    assert "bsd68, set12 test, 68, 12 images" in table3.caption
    holds_published(table4, known[known["task"] == "derain"], {"psnr_db": "psnr_db", "ssim": "ssim"})
    assert [column.name for column in table4.columns] == ["method", "psnr_db", "ssim", "psnr_y_db"]
    for table in found:
        check_latex(table.latex(), len(table.columns))


def test_another_test_set_has_its_tables_and_nothing_published() -> None:
    found = tables(study(test_set="embedded"))
    assert [table.name for table in found] == ["table1", "table5"]
    for table in found:
        assert "The paper has no such figures on embedded at σ = 30" in table.caption
        assert not table.notes
        assert "published" not in table.markdown()
        assert "published" not in set(table.frame["kind"])


DIFFERING = [{"protocol": "float"}, {"self_ensemble": 1}, {"test_limit": 3, "test_images": 3}, {"channels": 8}]


@pytest.mark.parametrize("differing", [*DIFFERING, {"train_iterations": 5}, {"test_pixels_sha256": "p"}])
def test_what_does_not_compare_is_in_tables_apart(differing: dict) -> None:
    same = {"channels": 4, "train_iterations": 300, "test_pixels_sha256": "q"}
    found = tables(pd.concat([study(**same), study(**{**same, **differing})], ignore_index=True))
    assert {"table1_1", "table1_2", "table5_1", "table5_2"} <= {table.name for table in found}
    assert len({table.caption for table in found}) == len(found), "captions say what differs"
    frame = one(found, "table5_1").frame
    assert frame["seeds"].tolist() == [3] * 6


def test_times_of_different_devices_have_columns_of_their_own() -> None:
    rows = study()
    later = rows[["trial_id", "test_time_size", "test_time_images"]].assign(device="another GPU", test_time_ms=7.0)
    table = next(table for table in tables(rows, None, later) if table.name == "table5")
    frame = table.frame
    assert frame["device_1"].str.startswith("a GPU").all()
    assert frame["device_2"].str.startswith("another GPU").all()
    assert (frame["test_time_ms_2"] == 7.0).all()
    assert frame["test_time_ms_1"].between(35, 45).all()
    assert "time on another GPU, 4 × 448×320 pixels (ms)" in [column.heading for column in table.columns]


def test_searches_that_differ_otherwise_are_told_apart() -> None:
    rows = pd.concat([study(complexity="parameters"), study(complexity="authors")], ignore_index=True)
    rows.loc[rows["kind"] == "random", "complexity"] = None
    rows = rows[(rows["kind"] == "searched") | ~rows.duplicated(["kind", "seed", "architecture"])]
    frame = one(tables(rows), "table5").frame
    assert frame["method"].str.endswith("complexity = authors").sum() == len(PAIRS)
    assert (frame["seeds"] == 3).all()
    gains = frame.set_index("method")["gain_db"]
    without = [f"λ1 = 0, λ2 = 0, complexity = {each}" for each in ("authors", "parameters")]
    assert gains.drop([*without, "random, 2 architectures"]).notna().all()


def test_table_5_names_the_unit_beside_each_lambda2() -> None:
    table = one(tables(study(complexity="authors")), "table5")
    methods = table.frame.set_index("lambda2")["method"]
    assert methods[0.0].tolist() == [f"λ1 = {lambda1:g}, λ2 = 0" for lambda1 in (0, 0.01, 0.1)]
    assert methods[[0.01, 0.1]].str.endswith(", complexity = authors").all()
    assert "trained on a GPU; λ2 with complexity = authors." in table.caption


@pytest.mark.parametrize("area", ["centre64", "crop64", "whole"])
def test_a_caption_says_where_the_area_is_not_the_published_one(area: str) -> None:
    caption = one(tables(study(test_border=area)), "table5").caption
    assert ("The released code scores centre64" in caption) == (area != "centre64")
    assert "scores centre64" not in one(tables(study(test_border=area, test_set="embedded")), "table5").caption


def test_one_seed_has_no_interval_and_says_so() -> None:
    for table in tables(study(1)):
        own = table.frame[table.frame["kind"] != "published"]
        assert own.filter(regex="_(low|high)").isna().all(axis=None)
        assert "fewer than three seeds have none" in table.caption
        assert "±" not in table.markdown().replace(table.caption, "")
        assert "(1 seed)" in table.markdown() or table.name == "table5"


def test_a_single_row_is_enough() -> None:
    table = one(tables(framed([row("random", 0, test_set="embedded")])), "table5")
    assert table.frame["method"].tolist() == ["random architecture"]
    check_latex(table.latex(), len(table.columns))


@pytest.mark.parametrize(
    "rows",
    [pd.DataFrame(), study().head(0), study().assign(status="failed"), study().assign(psnr_db=np.nan)],
    ids=["no columns", "no rows", "all failed", "none scored"],
)
def test_nothing_gives_no_table(rows: pd.DataFrame) -> None:
    assert tables(rows) == []


def test_tables_do_not_depend_on_the_order_of_rows_and_leave_them_alone() -> None:
    rows = study()
    before = rows.copy(deep=True)
    found, mixed = tables(rows), tables(rows.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(rows, before)
    for table, other in zip(found, mixed, strict=True):
        assert table.caption == other.caption
        pd.testing.assert_frame_equal(table.frame, other.frame)


def test_trials_that_two_studies_share_count_once() -> None:
    twice = tables(pd.concat([study(), study()], ignore_index=True))
    for table, other in zip(tables(study()), twice, strict=True):
        pd.testing.assert_frame_equal(table.frame, other.frame)


def test_the_report_of_a_study_holds_its_tables(study_storage: Path, tmp_path: Path) -> None:
    rows, references = analysis.load(study_storage), analysis.load_references(study_storage)
    report = study_storage / "studies/lambda_pareto/report"
    found = tables(rows, references)
    assert [table.name for table in found] == ["table1", "table5"]
    for table in found:
        assert table.save(tmp_path) == [f"{table.name}.{ending}" for ending in ("csv", "md", "tex", "parquet")]
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"{table.name}.parquet"), table.frame)
        for ending in ("csv", "md", "tex"):
            assert (report / f"{table.name}.{ending}").read_text() == (tmp_path / f"{table.name}.{ending}").read_text()
    assert set(references["method"]) <= set(found[0].frame["method"])
    ((_, group),) = protocol_groups(rows)
    pd.testing.assert_frame_equal(pd.read_parquet(report / "results.parquet"), results_table(group, references))
    shown = results_table(group, references).shape[1] - 1
    check_latex((report / "results.tex").read_text(), shown)


def test_networks_below_their_input_are_marked_in_every_table() -> None:
    rows = study(test_set="embedded").assign(degraded_psnr_db=18.0)
    rows.loc[rows["lambda1"] == 0.01, "psnr_db"] = 15.0
    for table in tables(rows):
        marked = table.frame[table.frame["doubts"].notna()]
        assert set(marked["method"].str.removeprefix("searched, ")) <= {"λ1 = 0.01, λ2 = 0", "λ1 = 0.01, λ2 = 0.01"}
        assert len(marked)
        assert table.notes == (BELOW_INPUT,)
        assert "[1]" in table.markdown()
        assert r"\textsuperscript{1}" in table.latex()


def test_two_seeds_are_both_said_and_have_no_interval() -> None:
    rows = study(2)
    frame = one(tables(rows), "table5").frame
    first = frame.iloc[0]
    own = rows[(rows["lambda1"] == 0) & (rows["lambda2"] == 0)]["psnr_db"]
    assert first[["psnr_db_min", "psnr_db_max"]].tolist() == pytest.approx(sorted(own))
    assert frame.filter(regex="_(low|high)").isna().all(axis=None)
    text = one(tables(rows), "table5").markdown()
    assert f"{own.mean():.2f} ({own.min():.2f}, {own.max():.2f})" in text


def test_gains_over_a_shared_training_are_no_observations() -> None:
    rows = study(4)
    rows["train_key"] = rows["trial_id"]
    zero, other = (rows[(rows["lambda1"] == value) & (rows["lambda2"] == 0)].index for value in (0.0, 0.1))
    rows.loc[other[0], ["train_key", "psnr_db"]] = rows.loc[zero[0], ["train_key", "psnr_db"]].tolist()
    gain = paired_difference(rows[rows["lambda2"] == 0], "lambda1", 0.1, 0.0)
    assert gain.effective_seeds == 3
    shown = one(tables(rows), "table5").frame.iloc[2]
    found = [shown[name] for name in ("gain_db", "gain_db_low", "gain_db_high")]
    assert found == pytest.approx([gain.difference, gain.low, gain.high])

import pandas as pd
import pytest

from analysis.rows.published import COLUMNS, published


@pytest.fixture(scope="module")
def frame():
    return published()


def one(frame, **wanted):
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_every_published_figure_is_a_row(frame):
    assert list(frame.columns) == COLUMNS
    counts = frame["source"].str.extract(r"Table (\d)")[0].value_counts()
    assert counts.to_dict() == {"1": 27, "2": 6, "3": 18, "4": 9, "5": 6}
    assert (frame["kind"] == "published").all()
    assert not frame.duplicated(["method", "dataset", "sigma"]).any()


@pytest.mark.parametrize(
    ("method", "dataset", "sigma", "psnr_db", "ssim"),
    [
        ("BM3D", "bsds500", 30, 27.31, 0.7755),
        ("HiNAS", "bsds500", 70, 25.48, 0.7129),
        ("CLEARER", "bsds500", 50, 26.40, 0.7465),
        ("NLRN", "set12", 50, 27.64, 0.7980),
        ("CLEARER", "bsd68", 50, 26.31, 0.7352),
        ("CLEARER, λ1 = 0.1, λ2 = 0.1", "bsds500", 30, 28.16, 0.8041),
    ],
)
def test_figures_are_those_of_the_tables(frame, method, dataset, sigma, psnr_db, ssim):
    row = one(frame, method=method, dataset=dataset, sigma=sigma)
    assert (row["psnr_db"], row["ssim"]) == (psnr_db, ssim)


def test_figures_are_possible(frame):
    assert frame["psnr_db"].dropna().between(18, 30).all()
    assert frame["ssim"].dropna().between(0.3, 0.9).all()
    assert frame["psnr_db"].notna().sum() + frame["psnr_patch_db"].notna().sum() == len(frame)
    denoising = frame[(frame["task"] == "denoise") & (frame["dataset"] == "bsds500")]
    for _, values in denoising.dropna(subset="psnr_db").groupby("method")["psnr_db"]:
        assert values.is_monotonic_decreasing  # more noise, less PSNR


def test_patch_means_stand_apart(frame):
    patch = frame[frame["method"] == "CLEARER-P"]
    assert patch[["psnr_db", "ssim"]].isna().all(axis=None)
    assert patch["psnr_patch_db"].tolist() == [29.68, 27.49, 26.09, 28.08, 27.25]
    assert frame[frame["method"] != "CLEARER-P"]["psnr_patch_db"].isna().all()
    assert patch["doubts"].str.contains("does not compare with whole-image").all()


def test_the_ablation_has_counts_times_and_weights(frame):
    table = frame[frame["source"].str.endswith("Table 5")]
    assert table["parameters"].tolist() == [7_250_000, 6_310_000, 6_070_000, 4_590_000, 4_360_000, 7_630_000]
    assert table["test_time_s"].tolist() == [4.28, 5.28, 5.98, 6.70, 5.62, 4.44]
    assert table[["lambda1", "lambda2"]].isna().sum().tolist() == [1, 1]  # the random architecture
    assert frame["parameters"].notna().sum() == len(table)
    default = one(table, lambda1=0.01, lambda2=0.0)
    assert default["psnr_db"] == one(frame, method="CLEARER", dataset="bsds500", sigma=30)["psnr_db"]


def test_every_row_says_what_is_doubtful(frame):
    assert frame["doubts"].str.len().gt(20).all()
    assert frame[frame["task"] == "denoise"]["doubts"].str.contains("clips it").all()
    assert "misprint" in one(frame, method="WNNM", sigma=70)["doubts"]
    assert frame[frame["dataset"] == "bsd68"]["doubts"].str.contains("validation").all()
    assert not any(pd.isna(frame["doubts"]))


def test_rows_of_clearer_say_how_the_released_code_chooses_and_augments(frame):
    own = frame["method"].str.startswith("CLEARER")
    for told in ("crops of the test folder", "never the image as it is"):
        assert (frame["doubts"].str.contains(told) == own).all()
    derained = frame["doubts"].str.contains("200,000 iterations")
    assert frame[derained][["method", "dataset"]].to_numpy().tolist() == [["CLEARER", "rain800"]]


def test_the_noise_of_table_1_is_not_taken_for_known(frame):
    for sigma, clip8, float_ in ((30, 27.49, 27.71), (50, 25.13, 25.45)):
        row = one(frame, method="BM3D", dataset="bsds500", sigma=sigma)
        assert f"{clip8} under clip8, {float_} under float" in row["doubts"]
        assert abs(row["psnr_db"] - clip8) < abs(row["psnr_db"] - float_)


def test_rows_with_lambda2_say_that_its_unit_is_not_sure(frame):
    doubted = frame["doubts"].str.contains("What λ2 weighs is not sure")
    assert (doubted == (frame["lambda2"] > 0)).all()

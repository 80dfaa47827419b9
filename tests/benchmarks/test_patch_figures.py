import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from benchmarks.patch_figures import draw, gains, main, patch_gain, text_table

ROOT = Path(__file__).resolve().parents[2]
PAGE, ROWS = next((ROOT / "docs").rglob("clearer_p.md")), ROOT / "docs" / "clearer_p.csv"


def made(**changed):
    row = {"method": "a", "kind": "classical", "seed": None, "image": "1"}
    about = {"dataset": "x", "sigma": 30, "protocol": "clip8"}
    whole = {"psnr_db": 20.0, "psnr_patch_db": 21.14, "ssim_zero_padded": 0.5, "ssim_zero_padded_patch": 0.6}
    return {**row, **about, **whole, "psnr_tiled_db": None, "psnr_tiled_patch_db": None, **changed}


@pytest.fixture(scope="module")
def frame():
    network = {"method": "n", "kind": "network", "psnr_tiled_db": 19.0}
    rows = [made(), made(image="2", psnr_db=22.0, psnr_patch_db=22.0)]
    return pd.DataFrame([*rows, *(made(**network, seed=seed, psnr_db=20.0 + seed) for seed in (0, 1))])


def test_gains_are_means_over_images_and_seeds(frame):
    classical, network = gains(frame).to_dict("records")
    assert classical["gain_db"] == pytest.approx(0.57)
    assert classical["share"] == pytest.approx(0.5)
    assert (classical["images"], classical["seeds"]) == (2, 0)
    assert pd.isna(classical["tiled_gain_db"])
    assert network["tiled_gain_db"] == pytest.approx(-1.5)
    assert (network["images"], network["seeds"]) == (1, 2)
    assert network["ssim_gain"] == pytest.approx(0.1)


def test_the_table_puts_the_published_gain_below_the_measured_ones(frame):
    lines = text_table(gains(frame)).splitlines()[2:]
    assert [line.split(" | ")[1] for line in lines] == ["a", "n", "published: CLEARER-P over CLEARER"]
    assert "+0.57 | 50%" in lines[0]
    assert "+1.14" in lines[-1]


def test_the_published_gain_of_patches():
    assert patch_gain() == {30: 1.14, 50: 1.09, 70: 1.03}
    assert patch_gain("ssim") == {30: 0.0236, 50: 0.0303, 70: 0.0373}


def test_the_figure_has_a_panel_for_each_noise_level(frame):
    figure = draw(pd.concat([frame, frame.assign(sigma=50)]))
    assert isinstance(figure, Figure)
    assert [axes.get_title() for axes in figure.axes] == ["σ = 30", "σ = 50"]
    published = [axes.lines[-1].get_xdata()[0] for axes in figure.axes]
    assert published == [1.14, 1.09]


def test_the_command_writes_the_same_figure_twice(frame, tmp_path, capsys):
    frame.to_csv(tmp_path / "rows.csv", index=False)
    files = []
    for _ in range(2):
        assert main([str(tmp_path / "rows.csv"), "--out", str(tmp_path)]) == 0
        files.append([(tmp_path / f"clearer_p.{kind}").read_bytes() for kind in ("png", "svg")])
    assert files[0] == files[1]
    assert capsys.readouterr().out.count("published") == 2 * 2


def test_the_page_holds_the_table_of_its_rows():
    assert text_table(gains(pd.read_csv(ROWS))) in PAGE.read_text()
    links = re.findall(r"\]\(([\w./]*clearer_p\.\w+)\)", PAGE.read_text())
    assert {Path(link).suffix for link in links} == {".png", ".svg", ".csv"}
    assert all((PAGE.parent / link).is_file() for link in links)


def test_no_measured_patch_mean_is_below_its_whole_image():
    rows = pd.read_csv(ROWS)
    assert (rows["psnr_patch_db"] >= rows["psnr_db"] - 1e-9).all()
    tiled = rows.dropna(subset="psnr_tiled_db")
    assert (tiled["psnr_tiled_patch_db"] >= tiled["psnr_tiled_db"] - 1e-9).all()


def test_the_measurement_runs(tmp_path):
    small = "--dataset embedded --limit 1 --validation-limit 1 --sigmas 30 --seeds 1 --iterations 1 --out"
    command = [sys.executable, "-m", "benchmarks.patch_artefact", *small.split(), str(tmp_path / "rows.csv")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert set(rows["kind"]) == {"classical", "network"}
    assert (rows["psnr_patch_db"] >= rows["psnr_db"]).all()
    assert list(rows.columns) == list(pd.read_csv(ROWS).columns)

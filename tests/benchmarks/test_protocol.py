import numpy as np
import pytest

from analysis.rows.published import published
from benchmarks.protocol import main, measured, table
from clearer.configuration import Configuration
from clearer.images.sets import ImageSet
from clearer.tasks.task import Method


@pytest.fixture(scope="module")
def images():
    generator = np.random.default_rng(0)
    pixels = tuple(generator.integers(0, 256, (24, 24, 1), dtype=np.uint8) for _ in range(3))
    return ImageSet(tuple("abc"), pixels)


def test_both_protocols_stand_beside_the_published_figure(images):
    c = Configuration(dataset="bsds500", sigma=50.0, test_border="whole")
    rows = list(measured("BM3D", Method(lambda degraded, c: degraded, {}), c, images, images))
    assert [row["protocol"] for row in rows] == ["clip8", "float"]
    paper = published().query("method == 'BM3D' and dataset == 'bsds500' and sigma == 50").iloc[0]
    assert {row["published_psnr_db"] for row in rows} == {paper["psnr_db"]}
    assert {row["published_ssim"] for row in rows} == {paper["ssim"]}
    assert rows[0]["psnr_db"] == pytest.approx(rows[1]["psnr_db"], abs=1)  # 14.15 dB, clipped or not
    assert all(13 < row["psnr_db"] < 17 and row["standard_error_db"] < 1 for row in rows)


def test_the_command_says_how_far_the_published_figure_is(images, capsys, tmp_path):
    assert main(["--dataset", "embedded", "--method", "total variation", "--every", "2", "--sigma", "30",
                 "--out", str(tmp_path / "rows.csv")]) == 0  # fmt: skip
    said = capsys.readouterr().out
    assert "embedded test, 2 images" in said
    assert said.count("| total variation | 30 | ") == 2
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 3
    row = {"method": "m", "sigma": 30, "protocol": "float", "standard_error_db": 0.1, "ssim": 0.5}
    *_, line = table([row | {"psnr_db": 27.5, "published_psnr_db": 27.31, "published_ssim": 0.7}])
    assert line.endswith("| 27.50 ± 0.10 | 0.5000 | 27.31 / 0.7000 | +0.19 |")


def test_a_method_that_is_not_here_is_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--method", "BM4D"])
    assert ended.value.code == 2
    assert "--method BM4D is not here: " in capsys.readouterr().err

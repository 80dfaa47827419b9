"""Panels of restored images: which pictures, which crop, which figures."""

import hashlib
import json
import statistics
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import analysis
from analysis.figures.panels import Picture, detail_window, draw_panels, median_trial, panel_pictures


def rows(*psnrs_db: float, kind: str = "searched") -> pd.DataFrame:
    names = [f"{kind}{n}" for n in range(len(psnrs_db))]
    frame = pd.DataFrame({"trial_id": names, "test_key": names, "psnr_db": psnrs_db})
    frame["psnr_by_image"] = [[psnr_db + 1] for psnr_db in psnrs_db]
    shared = {"kind": kind, "status": "finished", "task": "denoise", "test_pixels_sha256": "pixels"}
    return frame.assign(**shared, architecture="F", lambda1=0.1, lambda2=0.0)


def kept(storage: Path, frame: pd.DataFrame) -> None:
    """What a store holds of the tests of `frame`: the restored image's gray is the trial's number."""
    for number, key in enumerate(frame["test_key"]):
        folder = storage / "stages/test" / key
        folder.mkdir(parents=True)
        pixels = np.full((8, 3 * 10), number, np.uint8)
        pixels[:, :10], pixels[:, 10:20] = 200, 100
        Image.fromarray(pixels).save(folder / "example.png")
        about = {"images": ["a.png"], "by_image": {"degraded_psnr_db": [18.5]}}
        (folder / "result.json").write_text(json.dumps(about))


def denoised(storage: Path, key: str, pixels: str | None, figures: dict[str, float]) -> None:
    """What a store holds of denoisers without training: the gray of their image is 50 and up."""
    folder = storage / "stages/reference" / hashlib.sha256(key.encode()).hexdigest()
    folder.mkdir(parents=True)
    found = [{"method": name, "psnr_db": psnr_db, "chosen": f"of {name}"} for name, psnr_db in figures.items()]
    result: dict[str, object] = {"rows": [{"method": "noisy input", "psnr_db": 40.0, "chosen": ""}, *found]}
    if pixels is not None:
        pictures = [{"file": f"{n}.png", "method": row["method"], "psnr_db": 20.0 + n} for n, row in enumerate(found)]
        result |= {"pixels_sha256": pixels, "pictures": pictures}
        for number in range(len(found)):
            Image.fromarray(np.full((8, 10), 50 + number, np.uint8)).save(folder / f"{number}.png")
    (folder / "result.json").write_text(json.dumps(result))


@pytest.mark.parametrize("psnrs_db", [(5.0,), (1.0, 9.0), (7.0, 1.0, 3.0), (4.0, 1.0, 2.0, 3.0)])
def test_the_trial_of_a_kind_is_its_median_and_of_two_the_lower(psnrs_db: tuple[float, ...]) -> None:
    assert median_trial(rows(*psnrs_db))["psnr_db"] == statistics.median_low(psnrs_db)


def test_pictures_are_clean_degraded_the_best_denoiser_and_the_median_of_each_kind(tmp_path: Path) -> None:
    searched, random = rows(1.0, 3.0, 2.0), rows(8.0, kind="random")
    stopped = rows(0.0).assign(status="failed", psnr_db=np.nan)
    for frame in (searched, random):
        kept(tmp_path, frame)
    denoised(tmp_path, "before", None, {"of an earlier version": 99.0})
    denoised(tmp_path, "elsewhere", "other pixels", {"other": 99.0})
    denoised(tmp_path, "here", "pixels", {"weak": 21.0, "strong": 25.0})
    found = panel_pictures(tmp_path, pd.concat([searched, random, stopped]))
    assert [(p.label, p.psnr_db, int(p.pixels[0, 0])) for p in found] == [
        ("clean", None, 200),
        ("degraded input", 18.5, 100),
        ("strong", 21.0, 51),
        ("random architecture", 9.0, 0),
        ("searched architecture", 3.0, 2),
    ]
    assert found[-1].detail == "median of 3, λ1 = 0.1, λ2 = 0\nF"


def test_what_a_store_has_no_picture_of_is_left_out(tmp_path: Path) -> None:
    frame = rows(1.0)
    assert panel_pictures(tmp_path, frame) == []
    assert panel_pictures(tmp_path, frame[:0]) == []
    assert panel_pictures(tmp_path, pd.DataFrame()) == []
    kept(tmp_path, frame)
    labels = [picture.label for picture in panel_pictures(tmp_path, frame)]
    assert labels == ["clean", "degraded input", "searched architecture"]


def test_rows_of_other_pixels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="different pixels"):
        panel_pictures(tmp_path, rows(1.0, 2.0).assign(test_pixels_sha256=["a", "b"]))


@pytest.mark.parametrize("channels", [(), (3,)])
def test_the_crop_is_where_the_clean_image_has_most_detail(channels: tuple[int, ...]) -> None:
    flat = np.full((90, 120, *channels), 128, np.uint8)
    assert detail_window(flat, 16) == (0, 0, 16, 16), "the first of equals"
    rough = flat.copy()
    rough[40:56, 70:86] = np.random.default_rng(0).integers(0, 256, (16, 16, *channels))
    top, left, *size = detail_window(rough, 18)
    assert size == [18, 18]
    assert top <= 40 <= 56 <= top + 18
    assert left <= 70 <= 86 <= left + 18
    assert detail_window(flat[:10, :30], 64) == (0, 0, 10, 30)


@pytest.mark.parametrize("shape", [(321, 481), (481, 321, 3), (20, 30)])
@pytest.mark.parametrize("count", [2, 4, 5, 7])
def test_a_panel_draws_every_picture_s_crop_and_figure(shape: tuple[int, ...], count: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    others = [Picture(f"method {n}", pixels, 20.0 + n, "-".join(["F" * 16] * 4)) for n in range(count - 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clean = Picture("clean", pixels, detail="an_image_with_a_very_long_name_of_a_file.png")
        figure = draw_panels([clean, *others], "the protocol")
        figure.draw_without_rendering()
    drawn = [axes for axes in figure.axes if axes.images]
    crops, (whole, *errors) = drawn[:count], drawn[count:]
    top, left, height, width = detail_window(pixels)
    np.testing.assert_array_equal(crops[0].images[0].get_array(), pixels[top : top + height, left : left + width])
    frame = whole.patches[-1]
    box = (frame.get_x() + 0.5, frame.get_y() + 0.5, frame.get_width(), frame.get_height())  # type: ignore[attr-defined]
    assert box == (left, top, width, height)
    below = [axes.get_xlabel().splitlines()[0] for axes in crops]
    assert below == ["the truth", *(f"{20 + n}.00 dB" for n in range(count - 1))]
    assert [axes.get_xlabel() for axes in errors] == ["error: 0.0 levels on average"] * (count - 1)
    page = figure.bbox
    for axes in drawn:
        for text in (axes.title, axes.xaxis.label):
            box = text.get_window_extent()
            assert page.x0 <= box.x0
            assert box.x1 <= page.x1


def test_a_panel_shows_where_the_error_is_on_one_scale() -> None:
    clean = np.full((20, 20, 3), 100, np.uint8)
    noisy, restored = clean.copy(), clean.copy()
    noisy[:], restored[3, 4] = 200, (130, 100, 100)
    pictures = [Picture("clean", clean), Picture("noisy input", noisy, 8.0), Picture("restored", restored, 30.0)]
    figure = draw_panels(pictures, "the protocol")
    first, second = (axes.images[0] for axes in figure.axes[4:6])
    assert np.argwhere(second.get_array()).tolist() == [[3, 4]]
    assert second.get_array()[3, 4] == 10, "the mean over channels"
    assert (first.get_array() == 100).all()
    assert first.get_clim() == second.get_clim()
    assert second.get_clim()[1] <= 10, "the degraded picture does not set the scale"


def test_a_panel_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="one size"):
        draw_panels([], "")


def test_a_study_keeps_what_a_panel_shows(study_storage: Path) -> None:
    """The figure of each picture is that of its float pixels: of the 8-bit ones it is the same but for rounding."""
    found = panel_pictures(study_storage, analysis.load(study_storage))
    best = analysis.load_references(study_storage).query("method != 'noisy input'").sort_values("psnr_db").iloc[-1]
    labels = [picture.label for picture in found]
    assert labels[:3] == ["clean", "degraded input", best["method"]]
    assert labels[-1] == "searched architecture"
    clean = found[0].pixels.astype(float)
    for picture in found[2:]:
        error = np.square(picture.pixels - clean).mean()
        assert picture.psnr_db == pytest.approx(10 * np.log10(255**2 / error), abs=0.02)

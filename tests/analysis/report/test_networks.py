"""What the page shows of every network."""

import base64
import io
from pathlib import Path

from PIL import Image

import analysis
from analysis.report.networks import networks, pictures
from tests.analysis.reports import STUDY


def test_a_network_has_its_file_its_curve_and_its_numbers(study_storage: Path) -> None:
    results = analysis.Results(study_storage, STUDY)
    rows = results.groups[0][1].set_index("trial_id")
    found = networks(results, results.groups[0][1])
    assert [one["values"]["psnr_db"] for one in found] == sorted(rows["psnr_db"], reverse=True)
    curves = results.curves[results.curves["stage"] == "train"]
    for one in found:
        row = rows.loc[one["trial"]]
        assert (study_storage / one["weights"]).is_file()
        assert one["curve"][0] == sorted(curves[curves["trial_id"] == one["trial"]]["iteration"])
        assert one["values"]["lambda1"] == (None if row["kind"] != "searched" else row["lambda1"])
        assert f"{row['psnr_db']:.2f} dB" in one["figures"]
    assert len({(one["colour"], one["symbol"]) for one in found if one["kind"] == "searched"}) == 2, "two λ1"


def test_pictures_are_the_parts_of_what_the_store_keeps(study_storage: Path) -> None:
    results = analysis.Results(study_storage, STUDY)
    rows = results.groups[0][1]
    found = pictures(results, rows)
    assert set(found) == {"clean", "degraded", *rows["test_key"]}
    with Image.open(study_storage / "stages" / "test" / rows["test_key"].iloc[0] / "example.png") as whole:
        size = (whole.width // 3, whole.height)
    for address in found.values():
        with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as part:
            assert part.width / part.height == size[0] / size[1]
            assert max(part.size) <= 640

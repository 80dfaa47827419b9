import hashlib
import subprocess
import sys

import pytest
from pictures import picture, save

from clearer.__main__ import main
from clearer.images import command as data_command
from clearer.images.archives import manifest
from clearer.images.command import set_digest
from clearer.images.reading import bt601


@pytest.fixture
def data(tmp_path):
    """bsds500 without its test split's images, a folder of pairs, a folder of photographs, and other things."""
    for seed, path in enumerate(
        ("bsds500/train/1.jpg", "bsds500/train/2.jpg", "bsds500/val/3.jpg", "bsds500/test/4.jpg")
    ):
        save(tmp_path / path, picture(seed, 120, 100), "JPEG")
    save(tmp_path / "mine" / "again.png", bt601(picture(1, 120, 100)))
    for part in ("clean", "degraded"):
        save(tmp_path / "pairs" / part / "1.png", picture(7, 30, 40))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "text.txt").write_text("text")
    return tmp_path


def printed(capsys, *arguments, status=0):
    assert main(["data", *map(str, arguments)]) == status
    out, err = capsys.readouterr()
    assert err == ""
    return out


def rows(text):
    """The cells of the rows of all tables."""
    lines = (line.strip("│┃ ") for line in text.splitlines() if line.startswith(("│", "┃")))
    return [[cell.strip() for cell in line.replace("┃", "│").split("│")] for line in lines]


def test_what_is_found_is_listed_with_counts_terms_and_citation(capsys, data):
    text = printed(capsys, "--data", data)
    listed = {row[0]: row[1:] for row in rows(text)}
    assert listed["bsds500 train"][:2] == ["2", "200"]
    assert listed["bsds500 train"][3] == "200 missing, 2 not as published, such as train/1.jpg"
    assert listed["mine"][:2] == ["1", ""]
    assert listed["pairs"][0] == "1"
    assert listed["rain800"] == ["-", "800", "", "not here"]
    assert "notes" not in text
    assert "Arbelaez" in text
    assert "non-commercial" in text
    assert str(data / "bsds500") in text


def test_without_a_folder_the_embedded_images_are_listed(capsys):
    text = printed(capsys)
    assert {row[0]: row[1] for row in rows(text)}["embedded train"] == "7"
    assert "--data DIR" in text


def test_overlaps_are_named_with_counts(capsys, data):
    text = printed(capsys, "--data", data, "--check-overlap")
    assert ["bsds500 train", "1", "mine", "1", "1 recompressed"] in rows(text)
    assert "bsds500 train = mine: 2.jpg = again.png\n" in text


def test_sets_that_share_nothing_are_said_to(capsys):
    assert "No image of one set shows a scene of another." in printed(capsys, "--check-overlap")


def test_a_set_that_is_not_usable_is_named_and_the_rest_is_listed(capsys, data):
    (data / "bsds500" / "test" / "4.jpg").unlink()
    text = printed(capsys, "--data", data, status=1)
    assert f"not usable: {data}/bsds500/test: holds no image" in text
    assert ["mine", "1"] in [row[:2] for row in rows(text)]


@pytest.mark.parametrize("damage", ["garbage", "empty", "dangling", "control"])
def test_a_file_that_is_not_usable_is_named_and_the_others_are_listed(capsys, data, damage):
    name, bad = "a\tb.png" if damage == "control" else "bad.png", data / "mine" / "bad.png"
    told = str(data / "mine" / name).replace("\t", "\\t")
    save(data / "other" / "good.png", picture(3, 40, 40))
    if damage == "dangling":
        bad.symlink_to(data / "nowhere.png")
    else:
        (data / "mine" / name).write_bytes(b"" if damage == "empty" else b"text")
    text = printed(capsys, "--data", data, status=1)
    (problem,) = [line for line in text.splitlines() if line.startswith("not usable: ")]
    assert problem.startswith(f"not usable: {told}: ")
    assert ["other", "1"] in [row[:2] for row in rows(text)]
    assert (["mine", "1"] in [row[:2] for row in rows(text)]) == (damage != "control")


def test_a_file_that_ends_too_soon_does_not_stop_the_overlaps(capsys, data):
    whole = (data / "mine" / "again.png").read_bytes()
    (data / "mine" / "cut.png").write_bytes(whole[: len(whole) // 2])
    text = printed(capsys, "--data", data, "--check-overlap", status=1)
    assert f"not usable: {data}/mine/cut.png: not a readable image" in text
    assert ["bsds500 train", "1", "mine", "1", "1 recompressed"] in rows(text)


def test_a_set_of_bad_files_alone_leaves_the_rest(capsys, data):
    (data / "mine" / "again.png").write_bytes(b"text")
    text = printed(capsys, "--data", data, status=1)
    assert "mine/again.png: not a readable image" in text
    assert ["bsds500 val", "1"] in [row[:2] for row in rows(text)]


def test_what_is_not_used_is_listed(capsys, data):
    save(data / "mine" / "sub" / "a.png", picture(5, 30, 30))
    save(data / "far" / "below" / "b.png", picture(6, 30, 30))
    text = printed(capsys, "--data", data)
    assert "mine: 1 images; not used: sub/ (1 .png)\n" in text
    assert "far: no dataset, holds no image itself; not used: below/ (1 .png)\n" in text


def test_pairs_in_splits_are_listed_and_one_without_its_partner_is_named(capsys, data):
    rain = data / "rain"
    for place, path in enumerate(("train/{}/1.png", "train/{}/2.png", "test/{}/3.png")):
        for part in ("clean", "degraded"):
            save(rain / path.format(part), picture(20 + place, 30, 40))
    text = printed(capsys, "--data", data)
    assert "rain: train/ 2, test/ 1 pairs\n" in text
    assert [row[:2] for row in rows(text) if row[0].startswith("rain ")] == [["rain train", "2"], ["rain test", "1"]]
    (rain / "test" / "degraded" / "3.png").rename(rain / "test" / "degraded" / "4.png")
    text = printed(capsys, "--data", data, status=1)
    problem = f"not usable: {rain}/test/clean/3.png: no 3.png in {rain}/test/degraded"
    assert [line for line in text.splitlines() if line.startswith("not usable: ")] == [problem]
    assert ["mine", "1"] in [row[:2] for row in rows(text)]


def test_the_digest_of_a_complete_set_is_that_of_its_manifest(tmp_path, data):
    folder = data / "bsds500"
    hashes = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in data.rglob("*.jpg")}
    lines = "".join(
        f"{hashes[folder / path]}  {path}\n" for path in ("test/4.jpg", "train/1.jpg", "train/2.jpg", "val/3.jpg")
    )
    assert set_digest(folder, hashes) == hashlib.sha256(lines.encode()).hexdigest()
    text = "".join(f"{digest}  {path}\n" for path, digest in sorted(manifest("bsd68").items()))
    assert hashlib.sha256(text.encode()).hexdigest().startswith("7db47364c17c50e5")


def test_fetching_says_what_was_missing(capsys, data, monkeypatch):
    monkeypatch.setattr(data_command, "fetch", lambda name, folder, url: {"bsd68": 68, "rain800": 0}[name])
    text = printed(capsys, "--data", data, "fetch", "bsd68", "rain800")
    assert "bsd68: 68 images fetched and verified" in text
    assert "rain800: complete already, verified" in text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--data", "/nowhere/at/all"], "--data /nowhere/at/all: no such folder"),
        (["--data", "/nowhere/at/all", "--check-overlap"], "no such folder"),
        (["fetch", "bsds500"], "needs --data DIR"),
        (["--data", ".", "fetch"], "needs a name; bsds500, bsd68, rain800"),
        (["--data", ".", "fetch", "set12"], "set12: no published checksums"),
        (["--data", ".", "fetch", "bsd500"], "bsd500: not a dataset"),
        (["--data", ".", "get", "bsds500"], "get: unknown"),
        (["--data", ".", "--from", "ftp://host/x", "fetch", "bsd68", "bsds500"], "--from"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line_and_exit_2(capsys, tmp_path, monkeypatch, arguments, named):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["data", *arguments])
    out, err = capsys.readouterr()
    assert stopped.value.code == 2
    assert out == ""
    assert named in err
    assert err.count("\n") == 1


def test_describing_and_listing_do_not_wait_for_torch():
    listing = "import sys; from clearer.__main__ import main; main(['data', '--check-overlap'])"
    code = f"{listing}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

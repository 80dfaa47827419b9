import os
import re
from pathlib import Path

import numpy as np
import pytest
from pictures import picture, save, side_by_side

from clearer.images.archives import manifest
from clearer.images.datasets import (
    DATASETS,
    EMBEDDED,
    SPLITS,
    contents_line,
    dataset_folder,
    folder_files,
    scored_files,
    split_files,
    stored_sets,
)
from clearer.images.reading import ImageError, ImageFile


def names(files):
    return [file.path.name for file in files]


def fill(folder, *seeds, pairs=False):
    """Pictures of the seeds; equal seeds show one scene, under other compressions or other rain."""
    for place, seed in enumerate(seeds):
        clean = picture(seed, 100, 120)
        pixels = side_by_side(clean, place) if pairs else clean
        save(folder / f"{place:02}.jpg", pixels, "JPEG", quality=70 + place)
    return folder


def test_files_are_taken_by_name(tmp_path):
    for name in ("good.png", "b.PNG", "a.bmp", "c.txt", "._a.png"):
        save(tmp_path / "bsds500" / "train" / name, np.zeros((4, 4)).astype(np.uint8))
    assert names(split_files("bsds500", "train", tmp_path)) == ["a.bmp", "b.PNG", "good.png"]


def test_a_missing_or_empty_folder_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"bsds500/val: no such folder; --data DIR must hold bsds500/val"):
        split_files("bsds500", "validation", tmp_path)
    (tmp_path / "bsds500" / "val").mkdir(parents=True)
    (tmp_path / "bsds500" / "val" / "readme.txt").write_text("no image")
    with pytest.raises(ImageError, match=r"bsds500/val: holds no image"):
        split_files("bsds500", "validation", tmp_path)
    with pytest.raises(ImageError, match="needs --data DIR"):
        split_files("bsds500", "train", None)


def test_a_name_that_is_no_dataset_is_named_with_those_that_are(tmp_path):
    with pytest.raises(
        ImageError, match=r"bsd500: no such folder; the known datasets are bsds500, bsd68.*did you mean bsds500"
    ):
        split_files("bsd500", "train", tmp_path)
    with pytest.raises(
        ImageError, match=r"dataset bsd500: neither one of bsds500, .*did you mean bsds500.* absolute path"
    ):
        split_files("bsd500", "train", None)


def test_a_folder_is_absolute_or_below_the_data_folder(tmp_path, monkeypatch):
    own = fill(tmp_path / "mine" / "photographs", 1)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, data in (
        (str(own), None),
        (str(own), Path("/nowhere")),
        ("mine/photographs", tmp_path),
        ("~/mine/photographs", None),
    ):
        assert names(scored_files(name, data)) == ["00.jpg"], name
    assert dataset_folder("bsd68", tmp_path) == tmp_path / "bsd68"


def test_a_folder_of_splits_has_them(tmp_path):
    for place, inner in enumerate(("train", "val", "test")):
        fill(tmp_path / inner, *range(10 * place, 10 * place + place + 1))
    assert [len(split_files(str(tmp_path), split, None)) for split in SPLITS] == [1, 2, 3]
    assert list(stored_sets(str(tmp_path), None)) == [f"{tmp_path} {inner}" for inner in ("train", "val", "test")]


def test_a_split_that_is_not_there_is_named(tmp_path):
    fill(tmp_path / "train", *range(8))
    assert len(split_files(str(tmp_path), "validation", None)) == 1
    with pytest.raises(ImageError, match=r"has train/ but no test/$"):
        split_files(str(tmp_path), "test", None)
    with pytest.raises(ImageError, match=r"has train/ but no test/$"):
        scored_files(str(tmp_path), None)


@pytest.mark.parametrize("called", ["val", "valid", "validation"])
def test_the_validation_split_has_three_names(tmp_path, called):
    for place, inner in enumerate(("train", called, "test")):
        fill(tmp_path / inner, *range(10 * place, 10 * place + place + 1))
    assert [len(split_files(str(tmp_path), split, None)) for split in SPLITS] == [1, 2, 3]
    assert contents_line(str(tmp_path), None) == f"{tmp_path}: train/ 1, {called}/ 2, test/ 3 images"


def test_what_a_folder_holds_and_is_not_used_is_counted(tmp_path):
    for place, inner in enumerate(("train", "val", "valid", "test", "more/below")):
        fill(tmp_path / "mine" / inner, *range(place + 1))
    fill(tmp_path / "mine", 1)
    for name in ("train/a.webp", "train/b.WEBP", "train/c.txt", "more/d", ".hidden/e.png", "test/.f.png"):
        save(tmp_path / "mine" / name, picture(0, 8, 8), "PNG")
    rest = "1 .jpg, more/ (5 .jpg, 1 without ending), train/ (2 .webp, 1 .txt), valid/ (3 .jpg)"
    found = f"mine: train/ 1, val/ 2, test/ 4 images; not used: {rest}"
    assert contents_line("mine", tmp_path) == found
    scored = contents_line("mine", tmp_path, splits={"test"})
    assert scored.startswith("mine: test/ 4 images; not used: 1 .jpg, ")
    assert scored.endswith("val/ (2 .jpg), valid/ (3 .jpg)")


def test_nothing_is_told_of_embedded_images_and_nothing_more_of_a_folder_that_is_used_whole(tmp_path):
    assert contents_line("embedded", None) == ""
    fill(tmp_path / "clean", 1, 2)
    fill(tmp_path / "degraded", 1, 2)
    assert contents_line(str(tmp_path), None, "folders") == f"{tmp_path}: 2 pairs"


def test_a_folder_of_other_endings_says_which(tmp_path):
    for name in ("a.webp", "b.gif", "c.webp"):
        save(tmp_path / name, picture(0, 8, 8), "PNG")
    with pytest.raises(ImageError, match=r"holds no image \(.*\.tiff\), but 2 \.webp, 1 \.gif$"):
        scored_files(str(tmp_path), None)


@pytest.mark.parametrize("name", [b"\xff.png", b"a\nb.png", b"a\x1b[2J.png", "a\u2028b.png".encode()], ids=repr)
def test_an_image_whose_name_no_text_can_hold_is_refused_in_one_line(tmp_path, name):
    save(tmp_path / os.fsdecode(name), picture(0, 8, 8))
    with pytest.raises(
        ImageError, match=r"\.png: its name is not UTF-8, or has a control character; rename it$"
    ) as stop:
        scored_files(str(tmp_path), None)
    assert str(stop.value).isprintable()


@pytest.mark.parametrize("name", ["a b", "a%s", "a?b#c", "$x_$", "[/x]", "-a", "~nobody", "~", "nb\u00a0sp", "ü"])
def test_a_folder_may_have_a_strange_name(tmp_path, name):
    fill(tmp_path / name, 1)
    assert names(scored_files(name, tmp_path)) == ["00.jpg"]
    assert contents_line(name, tmp_path) == f"{name}: 1 images"


def test_a_user_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"~no-such-user/a\): no such folder; the known"):
        scored_files("~no-such-user/a", tmp_path)
    with pytest.raises(ImageError, match=r"^dataset ~no-such-user: neither one of"):
        scored_files("~no-such-user", None)


def test_an_undivided_folder_is_a_test_set_or_is_drawn_from(tmp_path):
    fill(tmp_path, *range(14))
    assert len(scored_files(str(tmp_path), None)) == 14
    splits = [names(split_files(str(tmp_path), split, None)) for split in SPLITS]
    assert [len(split) for split in splits] == [10, 2, 2]
    assert sorted(name for split in splits for name in split) == names(scored_files(str(tmp_path), None))
    assert all(split == sorted(split) for split in splits)
    assert splits == [names(split_files(str(tmp_path), split, None)) for split in SPLITS]


def test_drawing_keeps_scenes_together(tmp_path):
    seeds = [0, 1, 2, 0, 1, 2, 3, 4, 0, 5, 6, 0, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    fill(tmp_path / "train", *seeds, pairs=True)
    drawn = [split_files(str(tmp_path), split, None, "clean_left") for split in ("train", "validation")]
    assert [len(files) for files in drawn] == [18, 3]
    scenes = [{seeds[int(file.path.stem)] for file in files} for files in drawn]
    assert not scenes[0] & scenes[1]


def test_too_few_scenes_to_draw_from_are_named(tmp_path):
    fill(tmp_path, 1, 1, 1, 1, 1, 1)
    with pytest.raises(ImageError, match=r"1 scenes are too few to draw a test split|too few"):
        split_files(str(tmp_path), "train", None)


@pytest.mark.parametrize(("pairing", "half"), [("clean_left", "left"), ("clean_right", "right"), ("", "")])
def test_pairs_beside_each_other(tmp_path, pairing, half):
    fill(tmp_path, 1, 2)
    assert folder_files(tmp_path, pairing) == [ImageFile(tmp_path / f"0{i}.jpg", half=half) for i in range(2)]


def test_pairs_in_two_folders(tmp_path):
    for part in ("clean", "degraded"):
        fill(tmp_path / "test" / part, 1, 2)
    inner = tmp_path / "test"
    assert scored_files(str(tmp_path), None, "folders") == [
        ImageFile(inner / "clean" / f"0{i}.jpg", inner / "degraded" / f"0{i}.jpg") for i in range(2)
    ]
    (inner / "clean" / "01.jpg").unlink()
    with pytest.raises(ImageError, match=re.escape(f"{inner}/degraded/01.jpg: no 01.jpg in {inner}/clean")):
        scored_files(str(tmp_path), None, "folders")
    with pytest.raises(ImageError, match=r"test: holds no image"):
        scored_files(str(tmp_path), None, "clean_left")


def test_the_facts_agree_with_the_manifests():
    for name in ("bsds500", "bsd68", "rain800"):
        paths = list(manifest(name))
        for inner, count in DATASETS[name].folders.items():
            assert sum(path.rpartition("/")[0] == inner for path in paths) == count
        assert len(paths) == DATASETS[name].images
    assert manifest("set12") == {}
    assert list(DATASETS["embedded"].folders.values()) == list(map(len, EMBEDDED.values()))


def test_the_published_datasets_have_their_sizes(benchmarks):
    for name in ("bsds500", "bsd68", "rain800"):
        counts = {label: len(files) for label, files in stored_sets(name, benchmarks).items()}
        assert counts == {f"{name} {inner}".strip(): count for inner, count in DATASETS[name].folders.items()}
    assert len(scored_files("bsd68", benchmarks)) == 68

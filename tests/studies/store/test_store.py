"""The store, in a folder and on S3: whole or not at all, never half-read."""

import json
import resource
from pathlib import Path

import pyarrow as pa
import pytest

import analysis
from analysis.storage.files import FORMAT, tell
from analysis.storage.places import StorageError, redacted
from studies.store.rows import ROW, curve_table, row_table
from studies.store.store import Store, storage_of

T = "0123456789ab"
"""A trial."""


def test_a_place_that_takes_files_is_left_as_it_was(store: Store) -> None:
    store.check_writable()
    assert store.files("") == []


def test_a_place_that_takes_no_files_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=f"^--storage {tmp_path}/file: can't be written"):
        Store(tmp_path / "file").check_writable()


def test_a_stage_is_there_when_it_is_finished_and_not_before(store: Store) -> None:
    assert store.result("train", "k") is None
    store.save_checkpoint("train", "k", 1, b"one")
    assert store.result("train", "k") is None
    store.finish("train", "k", {"seconds": 1.5}, {"network.safetensors": b"weights"})
    assert store.result("train", "k") == {"seconds": 1.5, "format": FORMAT}
    assert store.read("stages/train/k/network.safetensors") == b"weights"
    assert store.names("stages/train/k") == ["network.safetensors", "result.json"]


def test_the_newest_checkpoint_comes_first_and_one_before_it_is_kept(store: Store) -> None:
    for iteration in (5, 10, 100, 1000):
        store.save_checkpoint("search", "c", iteration, str(iteration).encode())
    assert store.checkpoints("search", "c") == [b"1000", b"100"]


def test_a_worker_that_was_replaced_changes_nothing_when_it_writes_late(store: Store) -> None:
    store.save_checkpoint("train", "late", 5, b"five")
    store.finish("train", "late", {"host": "replacement"}, {"network.safetensors": b"weights"})
    store.save_checkpoint("train", "late", 7, b"seven")
    assert store.names("stages/train/late") == ["network.safetensors", "result.json"]
    store.write("stages/train/late/checkpoint-000000008", b"killed before it looked")
    store.finish("train", "late", {"host": "replaced"}, {"network.safetensors": b"other"})
    assert (store.result("train", "late") or {})["host"] == "replacement"
    assert store.read("stages/train/late/network.safetensors") == b"weights"
    assert store.names("stages/train/late") == ["network.safetensors", "result.json"]


def test_checkpoints_after_an_iteration_can_be_forgotten(store: Store) -> None:
    assert store.saved_iteration("search", "f") == 0
    for iteration in (5, 10):
        store.save_checkpoint("search", "f", iteration, str(iteration).encode())
    assert store.saved_iteration("search", "f") == 10
    store.forget_checkpoints("search", "f", after=7)
    assert (store.saved_iteration("search", "f"), store.checkpoints("search", "f")) == (5, [b"5"])


def test_a_stage_of_a_newer_format_is_refused_in_one_line(store: Store) -> None:
    store.write("stages/train/newer/result.json", json.dumps({"format": FORMAT + 1}).encode())
    with pytest.raises(
        StorageError, match=f"stages/train/newer/result.json has format {FORMAT + 1}, this version knows {FORMAT}"
    ) as refusal:
        store.result("train", "newer")
    assert "\n" not in str(refusal.value)
    store.write("stages/train/older/result.json", b'{"seconds": 1}')
    assert store.result("train", "older") == {"seconds": 1}, "the first versions wrote no number"


def test_what_is_not_finite_is_not_written(store: Store) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.finish("train", "nan", {"seconds": float("nan")}, {})
    assert store.result("train", "nan") is None


def test_a_file_is_removed_once_or_twice(store: Store) -> None:
    store.write("folder/file", b"")
    store.remove("folder/file")
    store.remove("folder/file")
    assert store.names("folder") == []


def test_one_listing_finds_the_finished_stages_and_their_bytes(store: Store) -> None:
    store.finish("listed", "a", {}, {"network.safetensors": b"weights"})
    store.finish("listed", "b", {}, {})
    store.save_checkpoint("listed", "under way", 1, b"one")
    alone = len(store.read("stages/listed/b/result.json") or b"")
    assert store.finished("listed") == {"a": len("weights") + alone, "b": alone}
    assert store.finished("no such stage") == {}


def test_a_row_that_is_there_stays_as_it_is(store: Store) -> None:
    curve = curve_table([{"stage": "train", "iteration": 1}], T)
    for value in ("first", "second"):
        store.end_trial("s", T, pa.table({"study": [value]}), curve)
    assert store.trial_ids("s") == {T}
    assert store.rows("s", {T, "missing"}) == [dict.fromkeys(ROW.names) | {"study": "first", "trial_id": T}]
    assert store.curve(f"studies/s/curves/{T}.parquet")[0]["iteration"] == 1
    store.forget_trial("s", T)
    assert store.trial_ids("s") == set()


def test_names_of_others_and_unfinished_files_are_no_rows_and_no_stages(store: Store) -> None:
    store.end_trial("s", T, pa.table({"study": ["s"]}), curve_table([], T))
    store.write("studies/s/trials/notes.txt", b"")
    store.write("studies/s/trials/u.parquet.0.partial", b"")
    store.write("stages/search/README", b"")
    assert store.trial_ids("s") == {T}
    assert store.finished("search") == {}


def test_some_columns_of_some_rows_are_read_and_compacted_copies_change_nothing(store: Store) -> None:
    ids = [12 * str(number) for number in range(4)]
    for number in range(4):
        row = pa.table({"study": ["s"], "trial_id": [ids[number]], "psnr_db": [20.0 + number]})
        store.end_trial("s", ids[number], row, curve_table([], ids[number]))
    wanted = store.rows("s", {ids[1], ids[3], "missing"}, ["psnr_db", "no such column"])
    assert wanted == [{"psnr_db": value, "no such column": None} for value in (21.0, 23.0)]
    assert len(store.sampled_rows(["psnr_db"], 3)) == 3
    store.compact("s")
    assert {"trials.parquet", "curves.parquet"} <= set(store.names("studies/s"))
    assert store.rows("s", {ids[1], ids[3]}, ["psnr_db", "no such column"]) == wanted
    assert len(store.sampled_rows(["psnr_db"], 0)) == 4, "of the copy all, and no other file is read"
    store.forget_trial("s", ids[1])
    assert store.rows("s", {ids[1], ids[3]}, ["psnr_db", "no such column"]) == wanted[1:]


def test_a_copy_that_can_not_be_written_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path))
    store.end_trial("s", T, pa.table({"study": ["s"]}), curve_table([], T))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write", full)
    store.compact("s")
    assert store.names("studies/s") == ["curves", "trials"]


def test_a_storage_is_an_absolute_folder_or_a_uri_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage_of("runs") == str(tmp_path / "runs")
    assert storage_of("~/runs") == str(Path.home() / "runs")
    assert storage_of("s3://bucket/x") == "s3://bucket/x"


def test_what_was_cut_short_leaves_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write("kept", b"old")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, usual[1]))  # the disk takes no more than this of a file
    try:
        with pytest.raises(OSError, match="File too large"):
            store.write("kept", bytes(2**18))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert (tmp_path / "kept").read_bytes() == b"old"
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):  # written, and the rename refused
        store.write("folder", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "kept"]


def test_a_storage_of_no_known_kind_is_named_without_its_secrets() -> None:
    with pytest.raises(StorageError, match=r"gopher://\*\*\*@host") as refusal:
        Store("gopher://user:hunter2@host/x")
    assert "hunter2" not in str(refusal.value)
    assert redacted("s3://key:pw@b/p?secret_key=abc&region=x") == "s3://***@b/p?secret_key=***&region=x"
    assert redacted("s3://key:a/b+c@b/p -> abfs://c/p?sig=x%2F&se=1") == "s3://***@b/p -> abfs://c/p?sig=***&se=1"
    assert redacted("x?X-Amz-Credential=a&X-Amz-Signature=b") == "x?X-Amz-Credential=***&X-Amz-Signature=***"
    for harmless in ("http://127.0.0.1:5000 a@b", "sigma=30", "s3://b/p?endpoint_override=127.0.0.1:9000&scheme=http"):
        assert redacted(harmless) == harmless


FOREIGN = (
    "._{}.parquet {} (1).parquet {}-HOST.parquet {}.parquet~ .{}.parquet.swp .{}.parquet.Ab12cD .DS_Store desktop.ini"
)


def test_what_other_programs_leave_beside_rows_changes_no_answer(store: Store) -> None:
    row = row_table({"study": "s", "trial_id": T, "status": "finished", "psnr_db": 25.0})
    store.end_trial("s", T, row, curve_table([{"stage": "train", "iteration": 1}], T))
    before = store.rows("s", {T})
    for kind in ("trials", "curves"):
        for name in FOREIGN.replace(" (", "_(").split():
            data = store.read(f"studies/s/{kind}/{T}.parquet") or b""
            store.write(f"studies/s/{kind}/{name.format(T).replace('_(', ' (')}", data)
    store.write("studies/.DS_Store", b"")
    for _ in ("files", "the copy"):
        assert store.trial_ids("s") == {T}
        assert store.rows("s", {T}) == store.sampled_rows(ROW.names, 9) == before
        assert len(analysis.load(store.storage)) == len(analysis.load_curves(store.storage)) == 1
        store.compact("s")


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_a_damaged_row_is_named_left_out_and_written_again(
    share: float, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    tell.cache_clear()
    other, name = "b" * 12, f"studies/s/trials/{T}.parquet"
    for trial_id in (T, other):
        row = row_table({"study": "s", "trial_id": trial_id, "status": "finished"})
        store.end_trial("s", trial_id, row, curve_table([], trial_id))
    whole = store.read(name) or b""
    store.write(name, whole[: int(share * len(whole))])
    assert [row["trial_id"] for row in store.rows("s", {T, other})] == [other]
    assert analysis.load(store.storage)["trial_id"].tolist() == [other]
    (said,) = caplog.messages
    assert f"{name} is damaged and left out" in said
    store.end_trial("s", T, row_table({"study": "s", "trial_id": T}), curve_table([], T))
    assert len(store.rows("s", {T, other})) == 2


def test_a_row_under_the_name_of_another_trial_is_no_row(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    tell.cache_clear()
    store.end_trial("s", T, row_table({"study": "s", "trial_id": T}), curve_table([], T))
    store.write(f"studies/s/trials/{'c' * 12}.parquet", store.read(f"studies/s/trials/{T}.parquet") or b"")
    assert analysis.load(store.storage)["trial_id"].tolist() == [T]
    assert f"{'c' * 12}.parquet is left out: it holds trial {T}" in caplog.text


def test_a_stage_is_finished_only_where_its_key_says(store: Store) -> None:
    store.finish("train", "k", {}, {})
    for name in (".DS_Store", ".stversions/old/result.json", "k/.DS_Store", "k/result (1).json"):
        store.write(f"stages/train/{name}", b"")
    assert store.finished("train").keys() == {"k"}
    assert store.result("train", "k") == {"format": FORMAT}
    store.write("stages/train/k/result.json", b"")
    with pytest.raises(StorageError, match=r"stages/train/k/result\.json is damaged"):
        store.result("train", "k")

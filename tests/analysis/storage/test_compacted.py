"""The compacted copy saves reading and never changes an answer, whatever happens to rows, to copies and beside them."""

import os
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis
from analysis.storage.compacted import joined
from analysis.storage.files import tell
from studies.store.rows import ROW, curve_table, row_table
from studies.store.store import CURVES_BYTES, Store

STUDY = "compacted"
IDS = A, B, C, D = tuple(12 * letter for letter in "abcd")


def end(store: Store, trial_id: str, error: str) -> None:
    """Ends a trial with a row and a curve that hold `error`'s length, as a trial that has failed."""
    row = row_table({"study": STUDY, "trial_id": trial_id, "status": "failed", "error": error})
    curve = curve_table([{"stage": "train", "iteration": i} for i in (1, 2)], trial_id)
    store.end_trial(STUDY, trial_id, row, curve)


def copies(store: Store) -> list[str]:
    """The names of the compacted copies in a store."""
    return store.names(f"studies/{STUDY}", r".*\.parquet")


def seen(store: Store) -> dict[str, str]:
    """What `analysis` and the store say of every trial, which must agree."""
    frame = analysis.load(store.storage, STUDY)
    rows = store.rows(STUDY, store.trial_ids(STUDY))
    assert [row["trial_id"] for row in rows] == sorted(store.trial_ids(STUDY))
    assert (frame["trial_id"].tolist() if len(frame) else []) == [row["trial_id"] for row in rows]
    return {row["trial_id"]: row["error"] for row in rows}


def test_new_forgotten_and_rewritten_rows_after_compaction(store: Store) -> None:
    for trial_id in (A, B, C):
        end(store, trial_id, "first")
    store.compact(STUDY)
    assert copies(store) == ["curves.parquet", "trials.parquet"]
    assert seen(store) == dict.fromkeys((A, B, C), "first")
    store.forget_trial(STUDY, A)
    store.forget_trial(STUDY, B)
    assert seen(store) == {C: "first"}
    end(store, B, "the second time")
    end(store, D, "new")
    assert seen(store) == {B: "the second time", C: "first", D: "new"}
    store.compact(STUDY)
    assert seen(store) == {B: "the second time", C: "first", D: "new"}
    curves = analysis.load_curves(store.storage, STUDY)
    assert list(zip(curves["trial_id"], curves["iteration"], strict=True)) == [(t, i) for t in IDS for i in (1, 2)]


def test_a_copy_saves_reading(tmp_path: Path) -> None:
    """Rows come from the copy alone: a row file of the same size and time may hold anything."""
    store = Store(str(tmp_path))
    for trial_id in IDS:
        end(store, trial_id, "kept")
    store.compact(STUDY)
    for path in (tmp_path / "studies" / STUDY / "trials").iterdir():
        stat = path.stat()
        path.write_bytes(bytes(stat.st_size))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert seen(store) == dict.fromkeys(IDS, "kept")
    assert store.rows(STUDY, {B}, ("trial_id", "error")) == [{"trial_id": B, "error": "kept"}]


def test_a_row_written_again_with_the_same_size_is_read_again(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    path = tmp_path / "studies" / STUDY / "trials" / f"{A}.parquet"
    sizes = []
    for error in ("first", "other"):
        end(store, A, error)
        sizes.append(path.stat().st_size)
        assert seen(store) == {A: error}
        store.compact(STUDY)
        store.forget_trial(STUDY, A)
    assert sizes[0] == sizes[1]


@given(st.floats(0, 1, exclude_max=True))
def test_a_damaged_copy_changes_nothing(cut: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        for trial_id in IDS:
            end(store, trial_id, f"reason of {trial_id}")
        expected = analysis.load(folder, STUDY)
        store.compact(STUDY)
        path = Path(folder, "studies", STUDY, "trials.parquet")
        whole = path.read_bytes()
        path.write_bytes(whole[: int(cut * len(whole))])
        pd.testing.assert_frame_equal(analysis.load(folder, STUDY), expected)
        pages = whole.index(b"reason of " + A.encode())
        path.write_bytes(whole[:pages] + b"REASON" + whole[pages + 6 :])
        pd.testing.assert_frame_equal(analysis.load(folder, STUDY), expected)


@given(st.lists(st.tuples(st.sampled_from(["end", "forget", "compact", "stale"]), st.sampled_from(IDS)), max_size=14))
def test_two_drivers_at_one_store_in_any_order(steps: list[tuple[str, str]]) -> None:
    """`stale`: another driver writes a copy that it made before what happened since."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        end(store, A, "0")
        expected, older = {A: "0"}, b""
        for number, (step, trial_id) in enumerate(steps, start=1):
            if step == "end" and trial_id not in expected:
                expected[trial_id] = f"{number}"
                end(store, trial_id, expected[trial_id])
            elif step == "forget" and trial_id in expected:
                del expected[trial_id]
                store.forget_trial(STUDY, trial_id)
            elif step == "compact":
                older = store.read(f"studies/{STUDY}/trials.parquet") or b""
                store.compact(STUDY)
            elif step == "stale" and older:
                store.write(f"studies/{STUDY}/trials.parquet", older)
            assert seen(store) == expected


def test_curves_that_are_too_many_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CURVES_BYTES > 10_000
    monkeypatch.setattr("studies.store.store.CURVES_BYTES", 10)
    store = Store(str(tmp_path))
    end(store, A, "x")
    store.compact(STUDY)
    assert copies(store) == ["trials.parquet"]
    assert len(analysis.load_curves(tmp_path, STUDY)) == 2


def told(**about: str) -> pa.Table:
    return pa.table([pa.array([1])], schema=pa.schema([pa.field("a", pa.int64(), metadata=about or None)]))


def test_what_files_say_of_a_column_outlives_joining_in_any_order() -> None:
    for tables in ([told(), told(stages="train")], [told(stages="train"), told()], [told(stages="train")] * 3):
        assert joined(tables).schema.field("a").metadata == {b"stages": b"train"}
    assert joined([told(stages="train"), told(pixels="1")]).schema.field("a").metadata.keys() == {b"stages", b"pixels"}
    assert not joined([told(), told()]).schema.field("a").metadata


def test_what_rows_say_of_their_fields_outlives_compaction(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    end(store, B, "x")
    folder = tmp_path / "studies" / STUDY / "trials"
    pq.write_table(pa.table({"trial_id": [A], "error": ["of a version that says nothing"]}), folder / f"{A}.parquet")
    store.compact(STUDY)
    copy = pq.read_schema(tmp_path / "studies" / STUDY / "trials.parquet")
    assert copy.field("train_iterations").metadata[b"stages"] == b"train"
    assert seen(store) == {A: "of a version that says nothing", B: "x"}


OURS = {"trial_id": pa.string(), "seed": pa.int64(), "psnr_db": pa.float64(), "alpha": pa.list_(pa.float64())}
OTHER_TYPES = {
    "trial_id": [pa.large_string(), pa.dictionary(pa.int32(), pa.string())],
    "seed": [pa.int32(), pa.uint8()],
    "psnr_db": [pa.float32()],
    "alpha": [pa.large_list(pa.float32())],
}


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kinds in OTHER_TYPES.items() for kind in kinds])
def test_types_of_other_versions_and_programs_become_ours(name: str, kind: pa.DataType, tmp_path: Path) -> None:
    folder = tmp_path / "studies" / STUDY / "trials"
    folder.mkdir(parents=True)
    for trial_id, types in ((A, OURS), (B, {**dict(reversed(OURS.items())), name: kind})):
        row = {"trial_id": trial_id, "seed": 1, "psnr_db": 0.5, "alpha": [0.5]}
        pq.write_table(pa.table({n: pa.array([row[n]], of) for n, of in types.items()}), folder / f"{trial_id}.parquet")
    for _ in ("files", "the copy"):
        frame = analysis.load(tmp_path)
        assert frame["trial_id"].tolist() == [A, B]
        assert frame[["seed", "psnr_db"]].to_numpy(float).tolist() == [[1, 0.5]] * 2
        assert [list(one) for one in frame["alpha"]] == [[0.5]] * 2
        assert str(frame["seed"].dtype) == "Int64"
        Store(str(tmp_path)).compact(STUDY)


def test_a_value_of_another_kind_is_named_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tell.cache_clear()
    folder = tmp_path / "studies" / STUDY / "trials"
    folder.mkdir(parents=True)
    for trial_id, value in ((A, 20.0), (B, "unknown"), (C, "22"), (D, 21.0)):
        pq.write_table(pa.table({"trial_id": [trial_id], "psnr_db": [value]}), folder / f"{trial_id}.parquet")
    pq.write_table(pa.table({"trial_id": ["e" * 12], "psnr_db": [23.0]}), folder / f"{'e' * 12}.parquet")
    assert analysis.load(tmp_path)["psnr_db"].fillna(-1).tolist() == [20.0, -1.0, 22.0, 21.0, 23.0]
    assert f"psnr_db is left out of trial {B}" in caplog.text


def test_a_column_that_every_row_lacks_is_null(tmp_path: Path) -> None:
    folder = tmp_path / "studies" / STUDY / "trials"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"status": ["finished"]}), folder / f"{A}.parquet")
    (row,) = Store(str(tmp_path)).rows(STUDY, {A})
    assert row == dict.fromkeys(ROW.names) | {"trial_id": A, "status": "finished"}
    frame = analysis.load(tmp_path)
    added_later = {column.name for column in ROW if b"before" in (column.metadata or {})}
    assert set(ROW.names) - added_later <= set(frame)
    assert frame["trial_id"].tolist() == [A]
    assert frame[["energy_wh", "train_key", "seed"]].isna().all(axis=None)

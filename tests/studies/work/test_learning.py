"""Packs that learn: a packed job is any other, interrupted or not, and fails alone."""

import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small import SMALL, search_of, train_of

from clearer.search import Search as SearchRun
from studies.store.store import Store
from studies.work import learning
from studies.work.jobs import Ended, Event, Failure, Learning, Pack, Progressed, References, Search, Train
from studies.work.keys import Fingerprints
from studies.work.learning import compute_pack
from studies.work.place import Place, fingerprints


@pytest.fixture(scope="module")
def data() -> Fingerprints:
    return fingerprints(SMALL, None)


def jobs_of(data: Fingerprints, stage: str) -> tuple[Learning, ...]:
    """Three jobs of one shape."""
    cs = [SMALL.with_values(seed=seed, lambda1=0.1 * seed) for seed in range(3)]
    return tuple(search_of(c, data) if stage == "search" else train_of(c, "PF", data) for c in cs)


def told(pack: Pack, place: Place) -> list[Event]:
    """All that a pack tells."""
    return [event for events in compute_pack(pack, place) for event in events]


def ends(events: Sequence[Event]) -> dict[str, Failure | None]:
    """How jobs have ended, in that order; each once."""
    found = [event for event in events if isinstance(event, Ended)]
    assert len({event.key for event in found}) == len(found)
    return {event.key: event.failure for event in found}


def steps(pack: Pack, place: Place, count: int) -> list[list[Event]]:
    """The first so many steps of a pack, which is left then."""
    run = compute_pack(pack, place)
    found = [next(run) for _ in range(count)]
    run.close()
    return found


def kept(store: Store, job: Learning) -> tuple[Any, ...]:
    """What is in the store of a job, without clocks."""
    result = store.result(job.stage, job.key)
    assert result is not None
    name = "supernet.pt" if job.stage == "search" else "network.safetensors"
    clocks = ("seconds", "recorded_at")
    curve = [
        {name: value for name, value in record.items() if name not in clocks}
        for record in store.learnt_curve(job.stage, job.key)
    ]
    tests = [(store.result(stage, key) or {})["by_image"] for stage, key in job.stages if stage == "test"]
    return result["architecture"], result["pack"], store.read(f"stages/{job.stage}/{job.key}/{name}"), curve, tests


@pytest.mark.parametrize("stage", ["search", "train"])
def test_a_pack_that_was_left_goes_on_in_any_company(stage: str, data: Fingerprints, tmp_path: Path) -> None:
    jobs = jobs_of(data, stage)
    whole, broken = (Place(str(tmp_path / name), None, checkpoint_seconds=0) for name in ("whole", "broken"))
    events = told(Pack(jobs, 4), whole)
    rows = [(event.key, event.iteration) for event in events if isinstance(event, Progressed)]
    assert sorted(rows) == sorted((job.key, iteration) for job in jobs for iteration in (2, 4, 6, 8))
    assert ends(events) == {job.key: None for job in jobs}
    store = Store(broken.storage)
    steps(Pack(jobs, 4), broken, 2)
    store.forget_checkpoints(stage, jobs[0].key, after=3)  # as if killed before the others had written theirs
    steps(Pack(jobs[:2], 4), broken, 1)
    assert {store.saved_iteration(stage, job.key) for job in jobs[:2]} == {4}
    told(Pack(jobs[1:], 4), broken)
    told(Pack(jobs, 4), broken)
    assert [kept(store, job) for job in jobs] == [kept(Store(whole.storage), job) for job in jobs]
    assert store.files("stages") == Store(whole.storage).files("stages")


def test_a_row_says_how_far_the_pack_is(data: Fingerprints, tmp_path: Path) -> None:
    jobs = jobs_of(data, "search")
    rows = [event for event in told(Pack(jobs, 4), Place(str(tmp_path), None)) if isinstance(event, Progressed)]
    assert {row.iterations for row in rows} == {8}
    assert [row.seconds for row in rows] == sorted(row.seconds for row in rows)
    assert all(row.record["psnr_db"] > 0 and row.record["stage"] == "search" for row in rows)
    result = Store(str(tmp_path)).result("search", jobs[0].key)
    assert result is not None
    assert result["seconds"] == pytest.approx(rows[-1].seconds / 3, rel=0.01), "its share of the pack's"


def test_what_is_there_is_told_and_not_computed(data: Fingerprints, tmp_path: Path) -> None:
    jobs, place = jobs_of(data, "train"), Place(str(tmp_path), None)
    told(Pack(jobs, 4), place)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert told(Pack(jobs, 4), place) == [Ended(job.key) for job in jobs]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_training_ends_when_it_is_tested(data: Fingerprints, tmp_path: Path) -> None:
    (job, *_) = jobs_of(data, "train")
    store, place = Store(str(tmp_path)), Place(str(tmp_path), None)
    for events in compute_pack(Pack((job,)), place):
        if any(isinstance(event, Ended) for event in events):
            assert all(store.result(stage, key) is not None for stage, key in job.stages)
    ensemble = SMALL.with_values(self_ensemble=8)
    both = Train(job.key, SMALL, data, "PF", (*job.tests, *train_of(ensemble, "PF", data).tests))
    assert told(Pack((both,)), place) == [Ended(job.key)]
    assert len(store.finished("test")) == 2


def test_one_search_that_diverges_fails_alone_with_its_curve(data: Fingerprints, tmp_path: Path) -> None:
    jobs = jobs_of(data, "search")
    wild = Search("wild", SMALL.with_values(lambda1=1e39), data)  # infinite in fp32
    place, alone = Place(str(tmp_path / "runs"), None), Place(str(tmp_path / "alone"), None)
    events = told(Pack((jobs[0], wild, jobs[1]), 4), place)
    failure = Failure("search diverged: weights are not finite by iteration 3")
    assert ends(events) == {"wild": failure, jobs[0].key: None, jobs[1].key: None}
    (end,) = [event for event in events if isinstance(event, Ended) and event.key == "wild"]
    assert [record["iteration"] for record in end.curve] == [2]
    told(Pack((jobs[1],), 4), alone)
    assert kept(Store(place.storage), jobs[1]) == kept(Store(alone.storage), jobs[1])


def test_where_all_diverge_each_says_so(data: Fingerprints, tmp_path: Path) -> None:
    wild = tuple(Search(str(n), SMALL.with_values(lambda1=1e39, seed=n), data) for n in range(2))
    failures = ends(told(Pack(wild, 2), Place(str(tmp_path), None)))
    assert failures.keys() == {"0", "1"}
    assert all(failure is not None and "diverged" in failure.reason for failure in failures.values())


def test_a_search_that_has_diverged_does_not_send_its_pack_back(data: Fingerprints, tmp_path: Path) -> None:
    place = Place(str(tmp_path), None, checkpoint_seconds=0)
    wild = Search("wild", SMALL.with_values(lambda1=1e39), data)
    pack = Pack((jobs_of(data, "search")[0], wild), 4)
    first = steps(pack, place, 3)
    assert [{event.iteration for event in events if isinstance(event, Progressed)} for events in first] == [
        {2},
        set(),
        {4},
    ]
    assert list(ends(first[1])) == ["wild"]
    again = told(pack, place)
    assert [event.iteration for event in again if isinstance(event, Progressed)] == [6, 8]
    failures = ends(again)
    assert failures[pack.jobs[0].key] is None
    assert "weights are not finite" in failures["wild"].reason  # type: ignore[union-attr]


def test_a_search_that_has_its_answer_stops_and_the_others_go_on(data: Fingerprints, tmp_path: Path) -> None:
    fast = {"report_iterations": 3, "search_iterations": 60, "warmup_iterations": 5, "alpha_learning_rate": 0.3}
    patient = SMALL.with_values(**fast, search_patience=6, lambda1=3.0)
    job, place = search_of(patient, data), Place(str(tmp_path), None)
    last = max(event.iteration for event in told(Pack((job,)), place) if isinstance(event, Progressed))
    result = Store(str(tmp_path)).result("search", job.key)
    assert result is not None
    assert patient.warmup_iterations + patient.search_patience < last == result["iterations"] < 60


def test_what_the_memory_does_not_hold_is_computed_in_halves(
    data: Fingerprints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_of(data, "search")
    place, narrow = Place(str(tmp_path / "runs"), None), Place(str(tmp_path / "narrow"), None)
    step, failed, alive = SearchRun._advance, [], []

    def short_of_memory(run: SearchRun) -> None:
        if run.width > 4 and run.iteration == 2:
            failed.append(weakref.ref(run.network))
            raise torch.OutOfMemoryError("CUDA out of memory")
        step(run)

    monkeypatch.setattr(SearchRun, "_advance", short_of_memory)
    monkeypatch.setattr(learning, "take_memory", lambda share: alive.append(failed[-1]() is not None))
    assert ends(told(Pack(jobs, 8), place)) == {job.key: None for job in jobs}
    assert alive == [False], "what failed is freed before its halves begin"
    monkeypatch.undo()
    told(Pack(jobs[:1], 4), narrow)
    assert kept(Store(place.storage), jobs[0]) == kept(Store(narrow.storage), jobs[0])


def test_what_no_memory_holds_is_a_failure_of_each_job(
    data: Fingerprints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short_of_memory(run: SearchRun, every: int | None = None) -> Iterator[Any]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(SearchRun, "advance", short_of_memory)
    jobs = jobs_of(data, "search")
    failure = Failure("OutOfMemoryError: CUDA out of memory")
    assert ends(told(Pack(jobs, 4), Place(str(tmp_path), None))) == {job.key: failure for job in jobs}


def test_the_memory_of_a_shared_gpu_is_asked_for_again(
    data: Fingerprints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short_of_memory(run: SearchRun, every: int | None = None) -> Iterator[Any]:
        asked.append(0.25)
        raise torch.OutOfMemoryError("CUDA out of memory")

    asked: list[float] = []
    waited: list[float] = []
    (job, *_), place = jobs_of(data, "search"), Place(str(tmp_path), None, gpus=0.25)
    monkeypatch.setattr(Place, "device", "cpu")
    monkeypatch.setattr(SearchRun, "advance", short_of_memory)
    monkeypatch.setattr(learning, "take_memory", waited.append)
    for is_free in (False, True):
        monkeypatch.setattr(learning, "is_free", lambda share, is_free=is_free: is_free)
        failure = Failure("OutOfMemoryError: CUDA out of memory", permanent=is_free)
        assert ends(told(Pack((job,)), place)) == {job.key: failure}, "where neighbours take of it, not for good"
    assert len(asked) == 2 * learning.ATTEMPTS
    assert waited == asked[:-2]


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(data: Fingerprints, tmp_path: Path) -> None:
    (job, *_) = jobs_of(data, "search")
    whole, broken = (Place(str(tmp_path / name), None, checkpoint_seconds=0) for name in ("whole", "broken"))
    told(Pack((job,)), whole)
    steps(Pack((job,)), broken, 3)  # iterations 2, 4 and 6; the checkpoints of 4 and 6 are kept
    store, folder = Store(broken.storage), f"stages/search/{job.key}"
    newest = tmp_path / "broken" / folder / store.names(folder)[-1]
    newest.write_bytes(newest.read_bytes()[:-7])
    *rows, end = told(Pack((job,)), broken)
    assert [event.iteration for event in rows if isinstance(event, Progressed)] == [6, 8]
    assert end == Ended(job.key)
    assert kept(store, job) == kept(Store(whole.storage), job)
    assert store.names(folder) == Store(whole.storage).names(folder)


def test_a_checkpoint_of_another_width_is_not_gone_on_with(data: Fingerprints, tmp_path: Path) -> None:
    """A result's bits depend on the width of its pack."""
    (job, *_) = jobs_of(data, "search")
    place, alone = (Place(str(tmp_path / name), None, checkpoint_seconds=0) for name in ("runs", "alone"))
    steps(Pack((job,), 4), place, 2)
    told(Pack((job,), 1), place)
    told(Pack((job,), 1), alone)
    assert kept(Store(place.storage), job) == kept(Store(alone.storage), job)


def test_no_checkpoint_is_written_before_its_time(data: Fingerprints, tmp_path: Path) -> None:
    (job, *_) = jobs_of(data, "search")
    run = compute_pack(Pack((job,)), Place(str(tmp_path), None, checkpoint_seconds=600))
    next(run), next(run)
    assert Store(str(tmp_path)).saved_iteration("search", job.key) == 0
    run.close()
    assert Store(str(tmp_path)).saved_iteration("search", job.key) == 4, "but where it is left"


def test_a_job_that_does_not_learn_is_computed_and_told(
    data: Fingerprints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearer.references.available", lambda task: {})  # the noisy input alone
    store, place = Store(str(tmp_path)), Place(str(tmp_path), None)
    assert told(Pack((References("r", SMALL, data),)), place) == [Ended("r")]
    assert store.result("reference", "r") is not None


def test_an_image_that_changes_during_the_study_is_named(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        (tmp_path / "own" / split).mkdir(parents=True)
        for number in range(2):
            pixels = np.random.default_rng([number, len(split)]).integers(0, 256, (64, 64), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "own" / split / f"{split}{number}.png")
    c = SMALL.with_values(dataset="own")
    job = search_of(c, fingerprints(c, tmp_path))
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "own/val/val1.png")
    events = told(Pack((job,)), Place(str(tmp_path / "runs"), str(tmp_path)))
    assert events == [Ended(job.key, Failure("val1.png: changed during the study"))]
    assert not list((tmp_path / "runs").glob("stages/search/*/result.json"))


def test_a_failure_of_the_disk_is_not_for_good(
    data: Fingerprints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    (job, *_) = jobs_of(data, "search")
    monkeypatch.setattr(Store, "finish", full)
    failure = ends(told(Pack((job,)), Place(str(tmp_path), None)))[job.key]
    assert failure == Failure("OSError: [Errno 28] No space left on device", permanent=False)

"""Packs of a study: how wide, of what, and that a packed study is any other, interrupted or not."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from running import MEASURED, TINY, run_study

import analysis
from clearer.architecture import Architecture
from clearer.configuration import Configuration
from clearer.packing import full_width
from clearer.presets import PROXY, QUICK
from clearer.search import Search
from studies.planning.packs import CPU_BYTES, WIDEST, Packing, packs
from clearer.probe import step_bytes
from studies.store.store import Store
from studies.work import learning, stages
from studies.work.jobs import Failure, Job, Pack
from studies.work.learning import run_pack
from studies.work.stages import Fingerprints, Place

C = Configuration(**QUICK)
DATA = Fingerprints("w", "a", "t")
SMALL = Configuration(
    **{
        **QUICK, "channels": 2, "cells": 1, "columns": 2, "batch_size": 2, "patch_size": 16, "report_iterations": 2,
        "search_iterations": 8, "warmup_iterations": 2, "train_iterations": 8, "test_limit": 1,
    }
)  # fmt: skip


def grid(lambdas: int, seeds: int, **values: Any) -> list[Configuration]:
    return [
        C.with_values(lambda1=n / 100, seed=s, **values) for n, s in itertools.product(range(lambdas), range(seeds))
    ]


@pytest.mark.parametrize(
    ("count", "widths"),
    [(1, [1]), (2, [1] * 2), (3, [2] * 2 + [1]), (4, [2] * 4), (6, [4] * 4 + [2] * 2), (8, [4] * 8), (12, [8] * 8 + [4] * 4),
     (13, [8] * 13), (16, [8] * 16), (100, [8] * 96 + [4] * 4)], ids=str,
)  # fmt: skip
def test_searches_are_packed_where_that_is_faster_on_two_cores(count: int, widths: list[int]) -> None:
    assert list(Packing().searches(grid(count, 1)).values()) == widths


def test_the_width_follows_from_what_is_wanted() -> None:
    wanted = [*grid(3, 2), *grid(3, 2, cells=2)]
    assert list(Packing().searches(wanted).values()) == [4, 4, 4, 4, 2, 2] * 2
    assert Packing().searches([*wanted, *wanted]) == Packing().searches(wanted), "one search is one, however often"
    assert list(Packing(asked=3).searches(wanted).values()) == [4] * 12, "filled up to whole vectors"
    assert set(Packing(asked=1).searches(wanted).values()) == {1}
    assert set(Packing().searches(grid(12, 1, channels=32)).values()) == {1}
    assert list(Packing().searches(grid(12, 1, channels=8)).values()) == [8] * 8 + [4] * 4
    assert set(Packing().searches(grid(12, 1, channels=3)).values()) == {1}, "no power of two"
    assert set(Packing().searches(grid(4, 1, precision="bf16")).values()) == {1}, (
        "2 are too few in bf16, and 4 too many"
    )


def test_a_pack_fits_its_memory() -> None:
    large = C.with_values(batch_size=32, patch_size=64, channels=16)
    width = max(Packing().searches([large.with_values(lambda1=n / 100) for n in range(40)]).values())
    assert width <= int(CPU_BYTES / step_bytes("search", large)) < 2 * width < WIDEST
    assert step_bytes("search", C.with_values(batch_size=16)) == pytest.approx(2 * step_bytes("search", C), rel=0.05)


def test_what_a_step_keeps_is_counted_as_it_is() -> None:
    c = Configuration(**{**PROXY, "dataset": "embedded", "columns": 1})
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    images = stages.unchanged_sets(c, stages.fingerprints(c, None), None)
    run = Search([c], images[0], images[1])
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        run.network(torch.rand(c.batch_size, 1, c.patch_size, c.patch_size))
    actual = sum(tensor.numel() * tensor.element_size() for tensor in kept.values())
    assert step_bytes("search", c) == pytest.approx(actual, rel=0.02)


def test_trainings_of_one_architecture_are_packed_over_their_seeds() -> None:
    one, other = Architecture.parse("FPFP-FPFF-PFFP"), Architecture.parse("PPPP-PPPP-PPPP")
    wanted = [*((c, one) for c in grid(2, 4)), *((c, other) for c in grid(1, 2)), (C.with_values(sigma=50), other)]
    widths = Packing().trainings(wanted)
    jobs = [Job("train", str(n), c, DATA, str(a)) for n, (c, a) in enumerate(wanted)]
    distinct = [jobs[0], jobs[1], jobs[2], jobs[3], *jobs[8:]]
    assert [(len(pack.jobs), pack.width) for pack in packs(distinct, widths)] == [(3, 4), (4, 4)], "PPPP has more to do"
    assert list(Packing(asked=2).trainings(wanted).values()) == [2] * 6 + [1]
    assert set(Packing(asked=1).trainings(wanted).values()) == {1}
    halved = [Job("train", "h", C.with_values(train_halving=2), DATA, str(one), reduction=2)]
    assert packs(halved, widths) == [Pack(tuple(halved), 1)], "rivals are not packed"


def test_what_takes_longest_is_first() -> None:
    wanted = grid(4, 3)
    jobs = [
        Job("reference", "r", C, DATA),
        *(Job("train", f"{a} {c.seed}", c, DATA, a) for a in ("FFFF-FFFF-FFFF", "PPPP-PPPP-PPPP") for c in grid(1, 2)),
        *(Job("search", str(n), c, DATA) for n, c in enumerate(wanted)),
    ]
    trainings = [(job.configuration, Architecture.parse(job.architecture)) for job in jobs if job.stage == "train"]
    widths = Packing().searches(wanted) | Packing().trainings(trainings)
    assert [(pack.jobs[0].stage, pack.jobs[0].architecture[:1], len(pack.jobs), pack.width) for pack in packs(jobs, widths)] == [
        ("search", "", 8, 8), ("search", "", 4, 4), ("train", "P", 2, 2), ("train", "F", 2, 2), ("reference", "", 1, 1)
    ]  # fmt: skip


@given(st.lists(st.sampled_from([2, 3, 4]), min_size=1, max_size=20), st.integers(1, 5))
def test_every_job_is_in_one_pack_of_its_shape(cells: list[int], width: int) -> None:
    jobs = [Job("search", str(n), C.with_values(cells=s, lambda1=n), DATA) for n, s in enumerate(cells)]
    jobs += [Job("reference", "r", C, DATA)]
    found = packs(jobs, Packing(asked=width).searches(job.configuration for job in jobs))
    assert sorted(job.key for pack in found for job in pack.jobs) == sorted(job.key for job in jobs)
    for pack in found:
        assert len({job.configuration.cells for job in pack.jobs}) == 1
        assert len(pack.jobs) <= pack.width
        assert pack.width == (1 if pack.jobs[0].stage == "reference" else full_width(width, C.channels))


@pytest.fixture(scope="module")
def data() -> Fingerprints:
    return stages.fingerprints(SMALL, None)


def jobs_of(data: Fingerprints, stage: str) -> tuple[Job, ...]:
    cs = [SMALL.with_values(seed=seed, lambda1=0.1 * seed) for seed in range(3)]
    if stage == "search":
        return tuple(Job("search", stages.search_key(c, data), c, data) for c in cs)
    architecture = Architecture.parse("PF")
    keys = [stages.train_key(c, architecture, data) for c in cs]
    return tuple(
        Job("train", key, c, data, "PF", ((stages.test_key(c, key, data), c),)) for key, c in zip(keys, cs, strict=True)
    )


def kept(store: Store, job: Job) -> tuple[Any, ...]:
    """What is in the store of a job, without clocks."""
    result = store.result(job.stage, job.key)
    assert result is not None
    name = "supernet.pt" if job.stage == "search" else "network.safetensors"
    curve = [
        {k: v for k, v in r.items() if k not in ("seconds", "recorded_at")}
        for r in learning.load_curve(store, job.stage, job.key)
    ]
    tests = [(store.result("test", key) or {})["by_image"] for key, _ in job.tests]
    return result["architecture"], result["pack"], store.read(f"stages/{job.stage}/{job.key}/{name}"), curve, tests


@pytest.mark.parametrize("stage", ["search", "train"])
def test_a_pack_that_was_left_goes_on_in_any_company(stage: str, data: Fingerprints, tmp_path: Path) -> None:
    jobs = jobs_of(data, stage)
    whole, broken = (Place(str(tmp_path / name), None, checkpoint_seconds=0) for name in ("whole", "broken"))
    events = list(run_pack(Pack(jobs, 4), whole))
    assert [sorted(event["records"]) for event in events if "records" in event] == [sorted(j.key for j in jobs)] * 4
    assert [event["ended"] for event in events if "ended" in event] == [{job.key: None} for job in jobs]
    store = Store(broken.storage)
    run = run_pack(Pack(jobs, 4), broken)
    for _ in range(2):
        next(run)
    run.close()
    store.forget_checkpoints(stage, jobs[0].key, after=3)  # as if killed before the others had written theirs
    next(left := run_pack(Pack(jobs[:2], 4), broken))
    left.close()
    assert {store.saved_iteration(stage, job.key) for job in jobs[:2]} == {4}
    list(run_pack(Pack(jobs[1:], 4), broken))
    list(run_pack(Pack(jobs, 4), broken))
    assert [kept(store, job) for job in jobs] == [kept(Store(whole.storage), job) for job in jobs]
    assert store.files("stages") == Store(whole.storage).files("stages")


def test_one_search_that_diverges_fails_alone(data: Fingerprints, tmp_path: Path) -> None:
    jobs = jobs_of(data, "search")
    wild = SMALL.with_values(lambda1=1e39)  # infinite in fp32
    place, alone = Place(str(tmp_path / "runs"), None), Place(str(tmp_path / "alone"), None)
    bad = Job("search", "wild", wild, data)
    ends = [event["ended"] for event in run_pack(Pack((jobs[0], bad, jobs[1]), 4), place) if "ended" in event]
    reasons = {key: failure for end in ends for key, failure in end.items()}
    assert reasons.pop("wild") == Failure("search diverged: restoration_loss is nan by iteration 4")
    assert reasons == {jobs[0].key: None, jobs[1].key: None}
    list(run_pack(Pack((jobs[1],), 4), alone))
    assert kept(Store(place.storage), jobs[1]) == kept(Store(alone.storage), jobs[1])


def test_a_search_that_has_diverged_does_not_send_its_pack_back(data: Fingerprints, tmp_path: Path) -> None:
    place = Place(str(tmp_path), None, checkpoint_seconds=0)
    wild = Job("search", "wild", SMALL.with_values(lambda1=1e39), data)
    pack = Pack((jobs_of(data, "search")[0], wild), 4)
    run = run_pack(pack, place)
    told = [next(run) for _ in range(4)]
    run.close()
    assert [event.get("iteration") for event in told] == [2, 4, None, 6]
    again = list(run_pack(pack, place))
    assert [event["iteration"] for event in again if "records" in event] == [8]
    ends = {key: failure for event in again for key, failure in event.get("ended", {}).items()}
    assert ends[pack.jobs[0].key] is None
    assert "restoration_loss is nan" in ends["wild"].reason


def test_what_the_memory_does_not_hold_is_computed_in_halves(
    data: Fingerprints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_of(data, "search")
    place, narrow = Place(str(tmp_path / "runs"), None), Place(str(tmp_path / "narrow"), None)
    advance = Search.advance

    def short_of_memory(run: Search, every: int | None = None) -> Any:
        if run.width > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return advance(run, every)

    monkeypatch.setattr(Search, "advance", short_of_memory)
    ends = [event["ended"] for event in run_pack(Pack(jobs, 8), place) if "ended" in event]
    assert ends == [{job.key: None} for job in jobs]
    monkeypatch.undo()
    list(run_pack(Pack(jobs[:1], 4), narrow))
    assert kept(Store(place.storage), jobs[0]) == kept(Store(narrow.storage), jobs[0])


@pytest.mark.drill
def test_a_packed_study_records_its_widths(tmp_path: Path) -> None:
    done = run_study(
        tmp_path / "runs", "--tracking-uri", "none", "--seeds", "2", "--random", "0",
        settings=("channels=4", *TINY[1:-3], "lambda1=0,0.1,0.2,0.3,0.4", "lambda2=0"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = analysis.load(tmp_path / "runs")
    searched = rows[rows["kind"] == "searched"]
    assert searched["search_pack"].value_counts().to_dict() == {4: 8, 2: 2}
    assert rows.loc[rows["kind"] != "searched", "search_pack"].isna().all()
    replicates = rows.drop_duplicates(["architecture", "seed"]).groupby("architecture")["seed"].nunique()
    assert rows["train_pack"].tolist() == list(rows["architecture"].map(replicates))
    again = run_study(
        tmp_path / "one", "--tracking-uri", "none", "--pack", "4", "--random", "0",
        settings=("channels=4", *TINY[1:-3], "lambda1=0.1", "lambda2=0", "seed=1"),
    )  # fmt: skip
    assert again.returncode == 0, again.stdout + again.stderr
    alone = analysis.load(tmp_path / "one").set_index("trial_id")
    same = [name for name in alone.columns if name in ("alpha", "architecture", "search_pack")]
    mine = rows.set_index("trial_id").loc[alone.index]
    of_search = alone["kind"] == "searched"
    assert of_search.sum() == 1
    assert mine.loc[of_search, same].astype(str).equals(alone.loc[of_search, same].astype(str)), "one row by itself"
    assert set(MEASURED) <= set(rows.columns)

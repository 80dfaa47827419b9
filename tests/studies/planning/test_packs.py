"""Packs of a study: how wide, of what, and in which order."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from running import MEASURED, TINY, run_study
from small import NO_DATA, search_of, train_of

import analysis
from clearer.configuration import Configuration
from clearer.packing import full_width
from clearer.presets import Edition, preset_values
from clearer.probe import step_bytes
from clearer.search import Search as SearchRun
from studies.planning.packs import CPU_BYTES, WIDEST, Packing, pack_time, packs
from studies.work import stages
from studies.work.jobs import Learning, References, Search, Train
from studies.work.place import fingerprints

C = Configuration(**preset_values(Edition("quick", 1)))
ONE, OTHER = "FPFP-FPFF-PFFP", "PPPP-PPPP-PPPP"
REFERENCES = References("r", C, NO_DATA)


def grid(lambdas: int, seeds: int, **values: Any) -> list[Configuration]:
    """Configurations, the seeds of each λ1 together."""
    both = itertools.product(range(lambdas), range(seeds))
    return [C.with_values(lambda1=n / 100, seed=seed, **values) for n, seed in both]


def searches(configurations: Sequence[Configuration], packing: Packing | None = None) -> list[int]:
    """The widths of the packs of some searches, in order, one for each that differs."""
    return list((packing or Packing()).searches(map(search_of, configurations)).values())


def widths_of(packing: Packing, jobs: Sequence[Learning]) -> dict[str, int]:
    """The widths of all packs of some jobs."""
    trainings = [job for job in jobs if isinstance(job, Train)]
    return packing.searches(job for job in jobs if isinstance(job, Search)) | packing.trainings(trainings)


FEW = [(1, [1]), (2, [1] * 2), (3, [2] * 2 + [1]), (4, [2] * 4), (6, [4] * 4 + [2] * 2), (8, [4] * 8)]
MANY = [(12, [8] * 8 + [4] * 4), (13, [8] * 13), (16, [8] * 16), (100, [8] * 96 + [4] * 4)]


@pytest.mark.parametrize(("count", "widths"), [*FEW, *MANY], ids=str)
def test_searches_are_packed_where_that_is_faster_on_two_cores(count: int, widths: list[int]) -> None:
    assert searches(grid(count, 1)) == widths


def test_the_width_follows_from_what_is_planned() -> None:
    planned = [*grid(3, 2), *grid(3, 2, cells=2)]
    assert searches(planned) == [4, 4, 4, 4, 2, 2] * 2
    assert searches([*planned, *planned]) == searches(planned), "one search is one, however often"
    assert searches(planned, Packing(asked=3)) == [4] * 12, "filled up to whole vectors"
    assert set(searches(planned, Packing(asked=1))) == {1}
    assert set(searches(grid(12, 1, channels=32))) == {1}
    assert searches(grid(12, 1, channels=8)) == [8] * 8 + [4] * 4
    assert set(searches(grid(12, 1, channels=3))) == {1}, "no power of two"
    assert set(searches(grid(4, 1, precision="bf16"))) == {1}, "2 are too few in bf16, and 4 too many"


def test_a_search_has_one_width_on_whatever_images() -> None:
    elsewhere = [search_of(c, stages.Fingerprints("x", "y", "z")) for c in grid(4, 1)]
    assert Packing().searches(elsewhere) == Packing().searches(map(search_of, grid(4, 1)))


def test_a_pack_fits_its_memory() -> None:
    large = C.with_values(batch_size=32, patch_size=64, channels=16)
    width = max(searches([large.with_values(lambda1=n / 100) for n in range(40)]))
    assert width <= int(CPU_BYTES / step_bytes("search", large)) < 2 * width < WIDEST
    assert step_bytes("search", C.with_values(batch_size=16)) == pytest.approx(2 * step_bytes("search", C), rel=0.05)


def test_a_share_of_a_gpu_holds_a_share_of_its_memory() -> None:
    large = [C.with_values(channels=16, batch_size=32, patch_size=64, lambda1=n / 100) for n in range(16)]
    whole, small = (max(searches(large, Packing(gpus=gpus, slots=1))) for gpus in (1.0, 0.1))
    assert 1 <= small < whole <= WIDEST


ON_GPUS = [(8, 8, [1] * 8), (12, 8, [2] * 12), (20, 8, [4] * 20), (40, 8, [8] * 40), (12, 32, [1] * 12), (12, 1, None)]


@pytest.mark.parametrize(("count", "slots", "widths"), ON_GPUS, ids=str)
def test_no_gpu_is_idle_for_a_pack(count: int, slots: int, widths: list[int] | None) -> None:
    on_gpus = Packing(gpus=1.0, slots=slots)
    assert searches(grid(count, 1), on_gpus) == (widths or [8] * 8 + [4] * 4)
    of_one = [train_of(c, ONE) for c in grid(1, count)]
    assert list(on_gpus.trainings(of_one).values()) == searches(grid(count, 1), on_gpus), "trainings are no other"


def test_shapes_share_the_slots_of_gpus() -> None:
    planned = [*grid(4, 1), *grid(4, 1, cells=2)]
    assert searches(planned, Packing(gpus=0.5, slots=8)) == [1] * 8
    assert searches(planned, Packing(gpus=0.5, slots=2)) == [4] * 8
    assert searches(planned, Packing(slots=8)) == searches(planned), "cores are not counted"


@given(st.integers(1, 40), st.integers(1, 16))
def test_packs_on_gpus_take_no_longer_than_searches_alone(count: int, slots: int) -> None:
    widths = searches(grid(count, 1), Packing(gpus=1.0, slots=slots))
    took, left = [0.0] * slots, list(widths)
    while left:
        took[took.index(min(took))] += pack_time(left[0])
        del left[: left[0]]
    assert max(took) <= math.ceil(count / slots)


def test_wide_networks_are_not_packed_on_gpus_of_which_nothing_is_measured() -> None:
    assert set(searches(grid(12, 1, channels=32), Packing(gpus=1.0, slots=1))) == {1}


def test_what_a_step_keeps_is_counted_as_it_is() -> None:
    c = Configuration(**{**preset_values("proxy"), "dataset": "embedded", "columns": 1})
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    images = stages.unchanged_sets(c, fingerprints(c, None), None)
    run = SearchRun([c], images[0], images[1])
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        run.network(torch.rand(c.batch_size, 1, c.patch_size, c.patch_size))
    actual = sum(tensor.numel() * tensor.element_size() for tensor in kept.values())
    assert step_bytes("search", c) == pytest.approx(actual, rel=0.02)


def test_trainings_of_one_architecture_are_packed_over_their_seeds() -> None:
    of_one = [train_of(c, ONE) for c in grid(2, 4)]  # λ1 is not of a training: each seed twice
    of_other = [train_of(c, OTHER) for c in [*grid(1, 2), C.with_values(sigma=50)]]
    planned = [*of_one, *of_other]
    widths = Packing().trainings(planned)
    found = packs(list({job.key: job for job in planned}.values()), widths)
    assert [(len(pack.jobs), pack.width) for pack in found] == [(3, 4), (4, 4)], "PPPP has more to do"
    assert list(Packing(asked=2).trainings(planned).values()) == [2] * 6 + [1]
    assert set(Packing(asked=1).trainings(planned).values()) == {1}


def test_what_takes_longest_is_first() -> None:
    trainings = [train_of(c, text) for text in ("FFFF-FFFF-FFFF", OTHER) for c in grid(1, 2)]
    jobs = [REFERENCES, *trainings, *map(search_of, grid(4, 3))]
    found = packs(jobs, widths_of(Packing(), jobs[1:]))
    about = [(type(pack.jobs[0]), len(pack.jobs), pack.width) for pack in found]
    assert about == [(Search, 8, 8), (Search, 4, 4), (Train, 2, 2), (Train, 2, 2), (References, 1, 1)]
    assert [job.architecture for pack in found[2:4] for job in pack.jobs] == [OTHER] * 2 + ["FFFF-FFFF-FFFF"] * 2


def test_what_others_wait_for_is_before_what_takes_longer() -> None:
    long = [train_of(c.with_values(train_iterations=10**6), OTHER) for c in grid(1, 1)]
    found = packs([*long, *map(search_of, grid(1, 1))], {})
    assert [type(pack.jobs[0]) for pack in found] == [Search, Train]


def test_a_job_without_a_width_is_alone() -> None:
    jobs = [search_of(c) for c in grid(3, 1)]
    found = packs(jobs, {job.name: 4 for job in jobs[:2]})
    assert [(pack.jobs, pack.width) for pack in found] == [(tuple(jobs[:2]), 4), ((jobs[2],), 1)]


@given(st.lists(st.sampled_from([2, 3, 4]), min_size=1, max_size=20), st.integers(1, 5))
def test_every_job_is_in_one_pack_of_its_shape(cells: list[int], width: int) -> None:
    jobs = [search_of(C.with_values(cells=s, lambda1=n)) for n, s in enumerate(cells)]
    found = packs([*jobs, REFERENCES], Packing(asked=width).searches(jobs))
    assert sorted(job.key for pack in found for job in pack.jobs) == sorted(job.key for job in [*jobs, REFERENCES])
    for pack in found:
        assert len({job.configuration.cells for job in pack.jobs}) == 1
        assert len(pack.jobs) <= pack.width
        assert pack.width == (1 if pack.jobs[0] == REFERENCES else full_width(width, C.channels))


@pytest.mark.drill
def test_a_packed_study_records_its_widths(tmp_path: Path) -> None:
    flags = ("--tracking-uri", "none", "--random", "0")
    swept = ("channels=4", *TINY[1:-3], "lambda1=0,0.1,0.2,0.3,0.4", "lambda2=0")
    done = run_study(tmp_path / "runs", *flags, "--seeds", "2", settings=swept)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = analysis.load(tmp_path / "runs")
    searched = rows[rows["kind"] == "searched"]
    assert searched["search_pack"].value_counts().to_dict() == {4: 8, 2: 2}
    assert rows.loc[rows["kind"] != "searched", "search_pack"].isna().all()
    replicates = rows.drop_duplicates(["architecture", "seed"]).groupby("architecture")["seed"].nunique()
    assert rows["train_pack"].tolist() == list(rows["architecture"].map(replicates))
    one = ("channels=4", *TINY[1:-3], "lambda1=0.1", "lambda2=0", "seed=1")
    again = run_study(tmp_path / "one", *flags, "--pack", "4", settings=one)
    assert again.returncode == 0, again.stdout + again.stderr
    alone = analysis.load(tmp_path / "one").set_index("trial_id")
    same = [name for name in alone.columns if name in ("alpha", "architecture", "search_pack")]
    mine = rows.set_index("trial_id").loc[alone.index]
    of_search = alone["kind"] == "searched"
    assert of_search.sum() == 1
    assert mine.loc[of_search, same].astype(str).equals(alone.loc[of_search, same].astype(str)), "one row by itself"
    assert set(MEASURED) <= set(rows.columns)

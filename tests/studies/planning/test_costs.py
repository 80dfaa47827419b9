"""What stages cost: by what was measured of their shape on their device, else by a probe; what they take in a store."""

from pathlib import Path
from typing import Any

import pytest
from small import NO_DATA, SMALL, put_row

from clearer.architecture import Architecture, supernet_parameters
from clearer.configuration import Configuration
from clearer.machine import device_name
from studies.planning.costs import ROW_BYTES, SAME, Costs, stage_bytes
from studies.planning.packs import Packing
from studies.planning.plan import STAGES, Plan
from studies.store.store import Store
from studies.work.keys import Trial
from studies.work.place import Place

HERE = device_name("cpu", 1)
GPU = "NVIDIA Something"
C = SMALL.with_values(search_iterations=160, warmup_iterations=60, train_iterations=300)


def row(store: Store, c: Configuration = C, number: int = 0, device: str = HERE, **values: Any) -> None:
    """A row of a trial whose search took 10 s and whose training 3 s."""
    keys = {f"{stage}_key": f"{stage}{number}" for stage in ("search", "train", "test")}
    devices = {"search_device": device, "train_device": device, "device": device}
    usual = {**keys, **devices, "search_seconds": 10.0, "train_seconds": 3.0, "test_time_ms": 50.0}
    put_row(store, "one", c.with_values(lambda1=number / 10), found="PF", **{**usual, **values})


def costs(store: Store, gpus: float = 0.0, elsewhere: bool = False) -> Costs:
    return Costs(Plan(store, []), Place(store.storage, None, gpus), elsewhere)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def test_learning_is_reckoned_by_the_pace_that_was_measured_here(store: Store) -> None:
    row(store), row(store, number=1, search_seconds=20.0)
    found = costs(store)
    assert found.of("search", C).seconds == pytest.approx(15)
    assert found.of("search", C.with_values(lambda2=0.5, seed=7)) == found.of("search", C), "they change no step"
    twice = C.with_values(search_iterations=290, train_iterations=600)  # 2 · 290 - 60 passes instead of 2 · 160 - 60
    assert found.of("search", twice).seconds == pytest.approx(30)
    assert found.of("train", twice).seconds == pytest.approx(6)
    assert found.of("search", C).basis == f"measured: 2 of this shape on {HERE}"


def test_a_search_that_was_stopped_early_is_not_taken_for_a_fast_one(store: Store) -> None:
    row(store, search_stopped_at=80)
    assert costs(store).of("search", C).seconds == pytest.approx(10 * (2 * 160 - 60) / (2 * 80 - 60))


@pytest.mark.parametrize("other", [{"channels": 4}, {"columns": 1}, {"batch_size": 4}, {"patch_size": 24}])
def test_another_shape_is_probed(store: Store, other: dict[str, Any]) -> None:
    row(store)
    found = costs(store).of("search", C.with_values(**other))
    assert found.basis == f"probe: 3 steps on {HERE}"
    assert found.seconds is not None
    assert found.seconds > 0
    assert "of a network at half fusion" in costs(store).of("train", C.with_values(**other)).basis


def test_what_another_device_took_does_not_count(store: Store) -> None:
    row(store, device="another machine, 1 thread")
    assert costs(store).of("search", C).basis.startswith("probe")
    assert costs(store).of("time", C).basis.startswith("reckoned")


def test_times_tests_and_references_that_nobody_has_measured_are_reckoned(store: Store) -> None:
    row(store, train_seconds=1.0, test_time_ms=None)  # a pace that is known
    rate = 1.0 / C.train_iterations / (3 * C.batch_size * C.patch_size**2)
    image, found = rate * 150_000 * C.self_ensemble, {s: costs(store).of(s, C) for s in ("test", "time", "reference")}
    assert found["test"].seconds == pytest.approx(C.test_limit * (image + 0.05) if C.test_limit else 3 * (image + 0.05))
    assert found["reference"].seconds == pytest.approx(2.0 * (C.reference_images + (C.test_limit or 3)))
    assert [one.basis.split()[0] for one in found.values()] == ["reckoned:", "reckoned:", "assumed:"]
    assert all(costs(store).bytes_of(stage, C) > 0 for stage in found)


def test_what_a_pack_took_is_reckoned_back_to_one_job_alone(store: Store) -> None:
    row(store, search_pack=8, search_seconds=3.8)
    row(store, number=1, search_pack=None, search_seconds=8.0)
    assert costs(store).of("search", C).seconds == pytest.approx(8.0)


def test_the_outlook_counts_packs_and_architectures_that_searches_are_likely_to_share(store: Store) -> None:
    searches = [C.with_values(lambda1=n / 100) for n in range(8)]
    plan = Plan(store, [Trial(c, NO_DATA) for c in searches])
    found = Costs(plan, Place(store.storage, None), False).outlook(Packing(8))
    alone = costs(store).of("search", C).seconds
    assert found["search"].jobs == 8
    space = 2 ** sum(C.columns_by_cell)
    assert found["train"].jobs == pytest.approx(space * (1 - (1 - 1 / space) ** 8))
    assert alone is not None
    assert found["search"].seconds < alone


def test_tests_references_and_times_are_reckoned_by_others_like_them(store: Store) -> None:
    row(store, test_set_seconds=2.0), row(store, number=1, test_set_seconds=2.0)
    for number in range(2):
        store.finish("test", f"test{number}", {"seconds": 4.0 + number, "device": HERE}, {})
    fields = C.of_stage("test") | C.of_stage("reference")
    store.finish("reference", "r", {"seconds": 7.0, "fields": fields}, {})
    found = costs(store)
    assert found.of("test", C).seconds == pytest.approx(4.5)
    assert found.of("reference", C).seconds == pytest.approx(7)
    assert found.of("reference", C.with_values(sigma=50)).seconds == pytest.approx(7), "noise changes no cost"
    assert found.of("reference", C.with_values(dataset="other")).basis.startswith("assumed")
    calls = C.time_series * (C.time_calls + 1) * C.time_images
    assert found.of("time", C).seconds == pytest.approx(calls * 0.05 + 2)


def test_a_share_of_a_gpu_counts_where_it_was_measured_and_else_any(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    row(store, device=GPU, gpu_seconds=6.5), row(store, number=1, device=GPU, gpu_seconds=13.0, search_seconds=2.0)
    half = costs(store, gpus=0.5, elsewhere=True).of("search", C)
    assert (half.seconds, half.basis) == (pytest.approx(10), f"measured: 1 of this shape on {GPU}, 0.5 GPU a trial")
    any_share = costs(store, gpus=0.25, elsewhere=True).of("search", C)
    assert any_share.basis.startswith(f"measured: 2 of this shape on {GPU}, 0.5, ")
    assert costs(store).of("search", C).basis.startswith("probe"), "a trial without a GPU"


def test_bytes_are_those_of_stages_like_it_and_else_follow_from_the_weights(store: Store) -> None:
    guessed = costs(store).bytes_of("search", C)
    assert guessed == stage_bytes("search", C)
    assert guessed > 4 * supernet_parameters(C.columns_by_cell, C.channels, C.image_channels)
    row(store)
    store.finish("search", "search0", {}, {"supernet.pt": bytes(5000)})
    assert costs(store).bytes_of("search", C) == store.finished("search")["search0"] > 5000
    weights = 4 * Architecture.parse("PF").parameters(C.channels, C.image_channels)
    assert stage_bytes("train", C) - weights == stage_bytes("train", C.with_values(channels=64)) - 4 * (
        Architecture.parse("PF").parameters(64, 1)
    )
    assert stage_bytes("checkpoint", C) > 3 * 4 * supernet_parameters(C.columns_by_cell, C.channels, 1) - 1


def needed_bytes(store: Store, trials: list[Trial], slots: int) -> float:
    """The bytes that trials need of a store."""
    plan = Plan(store, trials)
    return Costs(plan, Place(store.storage, None), False).needed_bytes(slots)


def test_the_space_that_is_needed_is_of_what_is_missing_and_what_is_under_way(store: Store) -> None:
    trials = [Trial(C.with_values(lambda1=n / 10), NO_DATA) for n in range(5)]
    needed = needed_bytes(store, trials, 2)
    shared = [*trials, *(Trial(C.with_values(lambda1=n / 10, self_ensemble=8), NO_DATA) for n in range(5))]
    further = needed_bytes(store, shared, 2) - needed
    one = stage_bytes("test", C) + stage_bytes("time", C) + ROW_BYTES
    assert further == pytest.approx(5 * one + stage_bytes("reference", C)), "a search and a training serve two tests"
    two = 2 * 2 * stage_bytes("checkpoint", C)
    assert needed_bytes(store, trials, 4) - needed == pytest.approx(two), "two checkpoints of each under way"
    assert needed_bytes(store, trials, 9) == needed_bytes(store, trials, 5), "no more is under way than there is"
    for trial in trials:
        store.finish("search", str(trial.search_key), {"architecture": "PF"}, {})
    assert needed_bytes(store, trials, 2) < needed
    assert needed_bytes(store, [], 2) == 0


def test_costs_compare_by_fields_that_a_row_has(store: Store) -> None:
    row(store)
    (found,) = store.rows("one", store.trial_ids("one"))
    assert {name for names in SAME.values() for name in names} <= found.keys()
    assert set(SAME) == set(STAGES)
    assert "channels" in SAME["search"]
    assert "lambda1" not in SAME["search"]

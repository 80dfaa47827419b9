"""What a study needs, what the store has of it, and the jobs that are left: from listings, not from reading objects."""

from pathlib import Path

import pytest
from counting import counted
from small import NO_DATA, SMALL, put_row, search_of, train_of

from clearer.configuration import Configuration
from studies.planning.packs import Packing
from studies.planning.plan import Plan
from studies.store.store import Store
from studies.work.jobs import References, Search, Train
from studies.work.keys import Fingerprints, Trial

GIVEN = SMALL.with_values(kind="given", architecture="PF")


def trials_of(*configurations: Configuration, data: Fingerprints = NO_DATA) -> list[Trial]:
    return [Trial(c, data) for c in configurations]


def search_ends(store: Store, trial: Trial, architecture: str) -> None:
    """A search finishes in the store."""
    store.finish("search", str(trial.search_key), {"architecture": architecture}, {})


def training_ends(store: Store, trial: Trial, architecture: str, *, is_tested: bool = True) -> None:
    """A training finishes in the store, and its test."""
    key = trial.train_key(architecture)
    store.finish("train", key, {"architecture": architecture}, {})
    if is_tested:
        store.finish("test", trial.tested_key(key), {}, {})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def test_an_empty_store_lacks_the_searches_the_references_and_what_is_given(store: Store) -> None:
    searched, given = trials_of(SMALL, GIVEN)
    tasks = Plan(store, [searched, given]).tasks()
    search, train = search_of(SMALL), train_of(GIVEN, "PF")
    references = References(searched.reference_key, SMALL, NO_DATA)
    assert {key: task.job for key, task in tasks.items()} == {job.key: job for job in (references, search, train)}
    assert [task.trials for task in tasks.values()] == [[searched, given], [searched], [given]]
    assert all(task.is_new and not task.has_ended for task in tasks.values())


def test_a_training_can_be_computed_once_its_architecture_is_found(store: Store) -> None:
    (trial,) = trials_of(SMALL)
    assert Plan(store, [trial]).architecture(trial) is None
    assert not [task for task in Plan(store, [trial]).tasks().values() if isinstance(task.job, Train)]
    search_ends(store, trial, "FF")
    plan = Plan(store, [trial])
    assert plan.architecture(trial) == "FF"
    assert [task.job for task in plan.tasks().values() if not isinstance(task.job, References)] == [
        train_of(SMALL, "FF")
    ]


def test_trials_that_need_one_stage_are_one_task(store: Store) -> None:
    first, second = trials_of(SMALL, SMALL.with_values(lambda1=0.5))
    given = Trial(SMALL.with_values(kind="given", architecture="FF"), NO_DATA)
    for trial in (first, second):
        search_ends(store, trial, "FF")
    tasks = Plan(store, [first, second, given]).tasks()
    assert tasks[first.train_key("FF")].trials == [first, second, given]


def test_trials_that_are_tested_differently_share_their_search_and_their_training(store: Store) -> None:
    once, eightfold = trials_of(SMALL, SMALL.with_values(self_ensemble=8))
    (search,) = [task for task in Plan(store, [once, eightfold]).tasks().values() if isinstance(task.job, Search)]
    assert search.trials == [once, eightfold]
    search_ends(store, once, "FF")
    key = once.train_key("FF")
    task = Plan(store, [once, eightfold]).tasks()[key]
    tests = [trial.tested_key(key) for trial in (once, eightfold)]
    assert task.job.stages == [("train", key), *(("test", tested) for tested in tests)]
    training_ends(store, once, "FF")
    task = Plan(store, [once, eightfold]).tasks()[key]
    assert task.job.stages == [("train", key), ("test", tests[1])]
    assert (task.trials, task.is_new) == ([eightfold], False), "what is missing is no more than a test"


def test_of_what_is_all_there_nothing_is_left(store: Store) -> None:
    searched, given = trials_of(SMALL, GIVEN)
    search_ends(store, searched, "PF")
    training_ends(store, given, "PF")
    store.finish("reference", given.reference_key, {}, {})
    plan = Plan(store, [searched, given])
    assert plan.tasks() == {}
    needs = plan.needs()
    found = {stage: (need.needed, len(need.there), len(need.missing)) for stage, need in needs.items()}
    assert found.pop("search") == (1, 1, 0)
    assert found.pop("time") == (2, 0, 1)
    assert found == dict.fromkeys(("train", "test", "reference"), (2, 1, 0))
    assert needs["train"].shared == 1


def test_a_training_without_its_network_is_not_finished_and_a_checkpoint_finishes_nothing(store: Store) -> None:
    (given,) = trials_of(GIVEN)
    store.save_checkpoint("train", given.train_key("PF"), 4, b"state")
    assert given.train_key("PF") in Plan(store, [given]).tasks()


def test_what_follows_from_a_search_that_is_to_run_is_counted_at_most(store: Store) -> None:
    lambdas = (SMALL.with_values(lambda1=value) for value in (SMALL.lambda1, 0.1, 0.2))
    trials = trials_of(*lambdas, SMALL.with_values(self_ensemble=8))
    needs = Plan(store, trials).needs()
    assert [len(needs[stage].missing) for stage in ("search", "train", "test", "time", "reference")] == [3, 3, 4, 4, 2]
    assert needs["search"].shared == 1
    for trial in trials:
        search_ends(store, trial, "FF")
    needs = Plan(store, trials).needs()
    assert [len(needs[stage].missing) for stage in ("search", "train", "test", "time", "reference")] == [0, 1, 2, 2, 2]


def test_a_key_of_the_plan_is_the_key_of_the_stage(store: Store) -> None:
    searched, given = trials_of(SMALL, GIVEN)
    search_ends(store, searched, "PF")
    plan = Plan(store, [searched, given])
    for trial in (searched, given):
        found = plan.keys(trial, lambda threads: "a device")
        train = trial.train_key("PF")
        assert found["train"] == train
        assert found["test"] == trial.tested_key(train)
        assert found["reference"] == trial.reference_key
        assert found.get("search") == trial.search_key
    devices = (lambda threads: "a device", lambda threads: "another", lambda threads: "a device")
    times = [plan.keys(given, device)["time"] for device in devices]
    assert times[0] == times[2] != times[1]
    assert plan.keys(given)["time"] not in times, "without a device no time is known to be there"


def test_times_that_were_taken_on_this_device_are_there(store: Store) -> None:
    (given,) = trials_of(GIVEN)
    key = Plan(store, [given]).keys(given, lambda threads: "mine")["time"]
    store.finish("time", key, {}, {})
    plan = Plan(store, [given])
    assert plan.needs(lambda threads: "mine")["time"].there == {key}
    assert len(plan.needs(lambda threads: "yours")["time"].missing) == 1


def test_a_width_follows_from_what_is_planned_and_not_from_what_is_missing(store: Store) -> None:
    planned = trials_of(*(SMALL.with_values(lambda1=0.1 * n, channels=4) for n in range(8)))
    whole = Plan(store, planned).widths(Packing())
    assert set(whole.values()) == {4}
    assert Plan(store, planned[:1], planned).widths(Packing()) == whole
    assert Plan(store, planned[:1]).widths(Packing()) != whole
    for trial in planned[2:]:
        search_ends(store, trial, "FF")
    assert whole.items() <= Plan(store, planned[:2], planned).widths(Packing()).items()


def test_what_searches_find_does_not_change_the_widths_of_given_trainings(store: Store) -> None:
    given = trials_of(*(GIVEN.with_values(channels=4, seed=seed) for seed in range(2)))
    searched = trials_of(*(SMALL.with_values(channels=4, seed=seed, lambda1=0.1) for seed in range(4)))
    before = Plan(store, [*searched, *given]).widths(Packing())
    names = [train_of(trial.configuration, "PF").name for trial in given]
    for trial in searched:
        search_ends(store, trial, "PF")
    after = Plan(store, [*searched, *given]).widths(Packing())
    assert [after[name] for name in names] == [before[name] for name in names]
    assert before.items() <= after.items()
    assert {train_of(trial.configuration, "PF").name for trial in searched} <= after.keys()


def test_widths_go_by_names_that_hold_on_any_images(store: Store) -> None:
    here = Plan(store, trials_of(SMALL, GIVEN)).widths(Packing())
    assert here == Plan(store, trials_of(SMALL, GIVEN, data=Fingerprints("x", "y", "z"))).widths(Packing())


@pytest.mark.parametrize("is_compacted", [True, False])
def test_architectures_are_read_from_the_compacted_rows_and_else_each_from_its_result(
    tmp_path: Path, is_compacted: bool
) -> None:
    written = Store(str(tmp_path))
    trials = trials_of(*(SMALL.with_values(lambda1=n / 100) for n in range(30)))
    for number, trial in enumerate(trials):
        text = ("FF", "FP", "PF", "PP")[number % 4]
        search_ends(written, trial, text)
        if number:  # one was killed before its row
            put_row(written, "s", trial.configuration, found=text, search_key=trial.search_key)
    if is_compacted:
        written.compact("s")
    with counted() as (read, listed):
        plan = Plan(Store(str(tmp_path)), trials)
        found = [plan.architecture(trial) for trial in trials]
        plan.tasks(), plan.needs(), plan.widths(Packing())
    assert found == [("FF", "FP", "PF", "PP")[number % 4] for number in range(30)]
    assert len(read) == 1 + (1 if is_compacted else 30), read
    assert len(listed) <= 8


def test_a_plan_of_nothing_reads_nothing(tmp_path: Path) -> None:
    with counted() as (read, _):
        plan = Plan(Store(str(tmp_path)), trials_of(SMALL, GIVEN))
        plan.tasks(), plan.needs()
    assert read == []

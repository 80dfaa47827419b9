"""Jobs: what each computes and claims, which can be one pack, and what a failure is."""

from pathlib import Path
from typing import Any

import pytest
from small import NO_DATA, SMALL, search_of, train_of

from clearer.architecture import Architecture
from clearer.checkpoint import unpack_state
from clearer.images.reading import ImageError
from clearer.networks import Supernet
from clearer.oneshot import renew_statistics
from clearer.splits import learning_images, scored_images
from clearer.testing import score
from studies.store.store import Store
from studies.work.jobs import Failure, OneShot, Pack, References, Train, failure_of
from studies.work.keys import Fingerprints, Trial
from studies.work.learning import compute_pack
from studies.work.place import Place, fingerprints

REFERENCES = References("r", SMALL, NO_DATA)


def test_a_job_claims_all_that_it_computes() -> None:
    search, train = search_of(SMALL), train_of(SMALL, "PF")
    assert search.stages == [("search", search.key)]
    assert search.claims == {f"search/{search.key}"}
    assert train.stages == [("train", train.key), ("test", train.tests[0][0])]
    assert train.claims == {f"train/{train.key}", f"test/{train.tests[0][0]}"}
    assert REFERENCES.claims == {"reference/r"}
    assert OneShot("o", SMALL, NO_DATA).claims == {"oneshot/o"}


def test_others_wait_for_searches_and_a_trial_needs_all_but_references() -> None:
    jobs = (search_of(SMALL), train_of(SMALL, "PF"), REFERENCES, OneShot("o", SMALL, NO_DATA))
    assert [job.others_wait for job in jobs] == [True, False, False, False]
    assert [job.is_a_trial_s for job in jobs] == [True, True, False, True]
    assert REFERENCES.text == "references on embedded"


@pytest.mark.parametrize(
    "values", [{"lambda1": 0.5}, {"lambda2": 0.5}, {"seed": 7}, {"sigma": 50.0}, {"self_ensemble": 8}]
)
def test_jobs_whose_networks_are_alike_have_one_shape(values: dict[str, Any]) -> None:
    other = SMALL.with_values(**values)
    assert search_of(other).shape == search_of(SMALL).shape
    assert train_of(other, "PF").shape == train_of(SMALL, "PF").shape


@pytest.mark.parametrize(
    "values", [{"channels": 4}, {"batch_size": 4}, {"search_iterations": 9, "train_iterations": 9}]
)
def test_jobs_whose_networks_differ_have_shapes_of_their_own(values: dict[str, Any]) -> None:
    other = SMALL.with_values(**values)
    assert search_of(other).shape != search_of(SMALL).shape
    assert train_of(other, "PF").shape != train_of(SMALL, "PF").shape


def test_trainings_of_different_architectures_have_different_shapes_and_names() -> None:
    one, other = train_of(SMALL, "PF"), train_of(SMALL, "FP")
    assert one.shape != other.shape
    assert one.name != other.name
    assert one.shape == train_of(SMALL.with_values(seed=1), "PF").shape, "whatever of it was asked for first"
    assert one.shape == one.shape


def test_a_name_is_that_of_a_configuration_on_any_images() -> None:
    elsewhere = Fingerprints("x", "y", "z")
    for one, moved in (
        (search_of(SMALL), search_of(SMALL, elsewhere)),
        (train_of(SMALL, "PF"), train_of(SMALL, "PF", elsewhere)),
    ):
        assert one.name == moved.name
        assert one.key != moved.key
    assert search_of(SMALL).name != search_of(SMALL.with_values(lambda1=0.5)).name
    assert train_of(SMALL, "PF").name == train_of(SMALL.with_values(lambda1=0.5), "PF").name


def test_what_has_more_to_do_counts_more() -> None:
    def times(job: Any, values: dict[str, Any]) -> float:
        return job(SMALL.with_values(**values)).operations / job(SMALL).operations

    assert times(search_of, {"batch_size": 4}) == 2
    assert times(search_of, {"search_iterations": 15}) == (2 * 15 - 2) / (2 * 8 - 2)
    assert times(lambda c: train_of(c, "PF"), {"train_iterations": 24}) == 3
    assert train_of(SMALL, "PP").operations > train_of(SMALL, "FF").operations


def test_a_pack_is_of_one_job_unless_its_width_is_said() -> None:
    assert Pack((search_of(SMALL),)).width == 1


@pytest.mark.parametrize(
    ("error", "reason", "permanent"),
    [
        (ImageError("1.png: not an image"), "1.png: not an image", True),
        (ArithmeticError("search diverged"), "search diverged", True),
        (ValueError("first line\nsecond line"), "ValueError: first line", True),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device", False),
        (ConnectionError(), "ConnectionError: no detail", False),
    ],
)
def test_a_failure_is_one_line_and_what_the_disk_or_the_network_did_may_be_mended(
    error: Exception, reason: str, permanent: bool
) -> None:
    assert failure_of(error) == Failure(reason, permanent)


# One-shot scores, with a real tiny search.

C = SMALL.with_values(columns=3, batch_size=4, report_iterations=4)
ARCHITECTURES = ("FFF", "PPF", "PPP")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(str(tmp_path_factory.mktemp("store")), None)


def test_architectures_are_scored_with_the_weights_of_the_search(place: Place) -> None:
    store, data = Store(place.storage), fingerprints(C, None)
    job = OneShot(Trial(C, data).oneshot_key(ARCHITECTURES), C, data, ARCHITECTURES)
    with pytest.raises(FileNotFoundError, match="supernet"):
        job.compute(place)
    search = search_of(C, data)
    list(compute_pack(Pack((search,)), place))
    job.compute(place)
    result = store.result("oneshot", job.key)
    assert result is not None
    assert [found["architecture"] for found in result["scores"]] == list(ARCHITECTURES)

    supernet = Supernet(C.columns_by_cell, C.channels, C.image_channels, C.mixing, C.skip)
    supernet.load_state_dict(unpack_state(store.read(f"stages/search/{search.key}/supernet.pt") or b"", "cpu"))
    tested = scored_images(C, None)
    for found in result["scores"]:
        network = supernet.derive(Architecture.parse(found["architecture"]))
        assert found["oneshot_kept_psnr_db"] == score(C, network, tested).means()["psnr_db"]
        renew_statistics(network, C, learning_images(C, "train", None), "cpu")
        assert found["oneshot_psnr_db"] == score(C, network, tested).means()["psnr_db"]
    assert len({found["oneshot_psnr_db"] for found in result["scores"]}) == 3
    assert result["supernet_psnr_db"] == score(C, supernet, tested).means()["psnr_db"]
    written = (Path(place.storage) / f"stages/oneshot/{job.key}/result.json").stat().st_mtime_ns
    job.compute(place)
    assert (Path(place.storage) / f"stages/oneshot/{job.key}/result.json").stat().st_mtime_ns == written, "once"


def test_a_training_is_tested_as_often_as_it_is_asked(place: Place) -> None:
    store, data = Store(place.storage), fingerprints(SMALL, None)
    once, eightfold = train_of(SMALL, "PF", data), train_of(SMALL.with_values(self_ensemble=8), "PF", data)
    list(compute_pack(Pack((once,)), place))
    Train(once.key, SMALL, data, "PF", eightfold.tests).compute(place)
    scores = [store.result("test", key) or {} for key, _ in (*once.tests, *eightfold.tests)]
    assert scores[0]["by_image"]["psnr_db"] != scores[1]["by_image"]["psnr_db"]
    assert scores[0]["pixels_sha256"] == scores[1]["pixels_sha256"]


def test_references_are_computed_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearer.references.available", lambda task: {})
    data = fingerprints(SMALL, None)
    job = References(Trial(SMALL, data).reference_key, SMALL, data)
    job.compute(place)
    (row,) = (Store(place.storage).result("reference", job.key) or {})["rows"]
    assert row["method"] == "noisy input"
    monkeypatch.setattr("clearer.references.scored", None)
    job.compute(place)

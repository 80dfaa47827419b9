"""What a run of a study has at hand, opened when it is first needed and closed at its end."""

import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from in_process import InProcess, said, session_of
from small import SMALL, put_row

from analysis.storage.places import StorageError
from clearer.images.reading import ImageError
from studies.driver import session as session_module
from studies.nodes.connection import ClusterError
from studies.store.claims import Claims
from studies.store.study_file import write_study


def test_a_session_says_where_things_are(tmp_path: Path) -> None:
    session = session_of(tmp_path / "runs", pack=4, gpus_per_trial=0.5, checkpoint_seconds=5.0)
    place = session.place
    assert (place.storage, place.data, place.gpus, place.checkpoint_seconds) == (str(tmp_path / "runs"), None, 0.5, 5.0)
    assert (session.packing.asked, session.packing.gpus) == (4, 0.5)
    assert not (tmp_path / "runs").exists(), "nothing is written before it is needed"


def test_a_relative_storage_is_below_the_folder_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert session_of(Path("runs")).place.storage == str(tmp_path / "runs")


def test_a_storage_or_data_that_can_not_be_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="gopher"):
        session_of("gopher://x/y")  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="no such folder"):
        session_of(tmp_path, data=str(tmp_path / "nowhere"))


def test_a_study_is_tracked_beside_its_store_or_where_it_is_said(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert session_of(runs, tracking_uri=None).tracking_uri == f"sqlite:///{runs}/mlflow.db"
    assert session_of(runs, tracking_uri="http://host:5000").tracking_uri == "http://host:5000"
    assert session_of(runs, tracking_uri="none").tracking_uri is None
    elsewhere = session_of(runs, tracking_uri=None)
    elsewhere.store.is_local = False
    assert elsewhere.tracking_uri is None, "no database lies on S3"


@pytest.mark.parametrize(
    ("address", "is_local"), [(None, True), ("local", True), ("auto", False), ("1.2.3.4:5", False)]
)
def test_ray_is_started_here_unless_an_address_is_given(address: str | None, is_local: bool, tmp_path: Path) -> None:
    assert session_of(tmp_path, address=address).is_local == is_local


def test_there_is_room_for_one_trial_at_least(tmp_path: Path) -> None:
    assert session_of(tmp_path, InProcess(slots=0)).slots([SMALL]) == 1
    assert session_of(tmp_path, InProcess(slots=3)).slots([]) == 3


def test_packs_on_gpus_are_made_for_as_many_slots_as_at_the_first_run(tmp_path: Path) -> None:
    def slots(held: int, **options: Any) -> int | None:
        options = {"address": "auto", "gpus_per_trial": 1.0, **options}
        session = session_of(tmp_path, InProcess(slots=held), **options)
        session.settle_packs("s", [SMALL])
        write_study(session.store, "s", [SMALL], preset="quick", command="", packing=asdict(session.packing))
        return session.packing.slots

    assert slots(4) == 4
    assert slots(8) == 4, "widths do not change with the cluster"
    assert slots(8, slots=6) == slots(8) == 6, "but where that is asked"
    assert slots(16, gpus_per_trial=0.5) == 16, "of another share there is another number"
    assert slots(8) == 6
    on_cpus = session_of(tmp_path, InProcess(slots=4))
    on_cpus.settle_packs("s", [SMALL])
    assert on_cpus.packing.slots is None


@pytest.mark.parametrize(
    ("share", "said_of_it"), [(0.3, "holds 3 such trials, and 0.1 of it stays idle"), (0.6, "holds 1 "), (0.25, "")]
)
def test_a_share_that_leaves_a_part_of_each_gpu_idle_is_said(tmp_path: Path, share: float, said_of_it: str) -> None:
    text = said(session_of(tmp_path, gpus_per_trial=share))
    assert said_of_it in text
    assert bool(text) == bool(said_of_it)


def test_the_node_that_takes_times_is_of_the_kind_that_took_the_others(tmp_path: Path) -> None:
    session, on_gpus = session_of(tmp_path), session_of(tmp_path, gpus_per_trial=1.0)
    assert session.timed_on("s") == ""
    for number, device in enumerate(["EPYC, 1 thread", "EPYC, 1 thread", "Xeon, 2 threads", "A100", None]):
        put_row(session.store, "s", SMALL.with_values(seed=number), device=device)
    assert (session.timed_on("s"), on_gpus.timed_on("s")) == ("EPYC, 1 thread", "A100")


def test_what_has_no_row_is_missing_and_failures_where_they_are_tried_again(tmp_path: Path) -> None:
    trials = [SMALL.with_values(lambda1=n / 10) for n in range(3)]
    session = session_of(tmp_path)
    put_row(session.store, "s", trials[0])
    put_row(session.store, "s", trials[1], status="failed", error="no memory")
    put_row(session.store, "other", trials[2])
    assert [trial.configuration for trial in session.missing("s", trials)] == trials[2:]
    again = session_of(tmp_path, retry_failed=True)
    assert [trial.configuration for trial in again.missing("s", trials)] == trials[1:]
    assert session_of(tmp_path).missing("s", trials[:1]) == []


def test_before_anything_is_computed_this_machine_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Small(InProcess):
        def check_request(self, threads: int) -> None:
            raise ClusterError("too small")

    session = session_of(tmp_path, Small())
    with pytest.raises(ClusterError, match="too small"):
        session.preflight(session.costs(session.missing("s", [SMALL]), [SMALL]))
    asked: list[object] = []
    monkeypatch.setattr(session_module, "check_here", lambda *about: asked.append(about))
    session = session_of(tmp_path)
    assert session.preflight(session.costs(session.missing("s", [SMALL]), [SMALL])) == {}
    assert len(asked) == 1


def test_the_second_run_of_a_study_waits_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.store.claims.POLL_SECONDS", 0.05)
    session, found = session_of(tmp_path), list[bool]()

    def run() -> None:
        with session.alone("s") as has_waited:
            found.append(has_waited)

    with Claims(session.store) as first, first.alone("studies/s", lambda owner: None):
        second = threading.Thread(target=run)
        second.start()
        end = time.monotonic() + 30
        while "waiting" not in said(session) and time.monotonic() < end:
            time.sleep(0.01)
        assert found == []
    second.join(30)
    run()
    assert found == [True, False]
    assert said(session).startswith("s is being run by process ")


def test_tracking_that_failed_is_said_when_the_session_ends(tmp_path: Path) -> None:
    with session_of(tmp_path, tracking_uri="http://someone:word@127.0.0.1:1") as session:
        write_study(session.store, "s", [SMALL], preset="quick", command="command")
        session.track("s")
        session.track("s")
        assert said(session) == ""
    assert said(session).count("tracking at http://***@127.0.0.1:1: ") == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "tracking"]


def test_a_study_that_is_not_tracked_starts_nothing(tmp_path: Path) -> None:
    with session_of(tmp_path, tracking_uri="none") as session:
        session.track("s")
        assert not [thread for thread in threading.enumerate() if thread.name == "tracking"]
    assert said(session) == ""

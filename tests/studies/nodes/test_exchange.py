"""What the driver and Tune's thread hand each other: nothing is lost, and nobody waits for the other in vain."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from small import SMALL, search_of

from studies.nodes.exchange import Exchange
from studies.work.jobs import Ended, Pack, Started

PACKS = [Pack((search_of(SMALL.with_values(seed=seed)),)) for seed in range(4)]


@pytest.fixture
def beside() -> Iterator[Callable[..., Future]]:
    """Calls something in another thread, which is given time to come as far as it can."""
    with ThreadPoolExecutor(1) as pool:

        def call(function: Callable[[], object]) -> Future:
            asked = pool.submit(function)
            time.sleep(0.1)
            return asked

        yield call


def test_packs_and_events_come_in_the_order_in_which_they_were_handed_out() -> None:
    exchange = Exchange()
    exchange.submit(PACKS[:3])
    exchange.submit(PACKS[3:])
    assert [exchange.next_pack() for _ in range(5)] == [*PACKS, None]
    events = [Started(PACKS[0]), Ended("a"), Ended("b")]
    for event in events:
        exchange.tell(event)
    assert [exchange.heard(0) for _ in range(4)] == [*events, None]


def test_there_is_no_pack_now_only_once_the_driver_has_heard_all(beside: Callable[..., Future]) -> None:
    exchange = Exchange()
    exchange.tell(Ended("a"))
    exchange.tell(Ended("b"))
    asked = beside(exchange.next_pack)
    assert exchange.heard() == Ended("a")
    assert not asked.done(), "the driver has an event to make something of"
    assert exchange.heard() == Ended("b")
    time.sleep(0.1)
    assert not asked.done(), "the driver may be about to submit what follows from the last event"
    assert exchange.heard(0) is None
    assert asked.result(5) is None


def test_what_the_driver_makes_of_an_event_finds_the_workers_still_there(beside: Callable[..., Future]) -> None:
    exchange = Exchange()
    exchange.tell(Ended("a"))
    asked = beside(exchange.next_pack)
    exchange.heard()
    exchange.submit(PACKS[:1])
    assert asked.result(5) == PACKS[0]


def test_an_event_that_comes_while_the_driver_waits_is_heard_at_once(beside: Callable[..., Future]) -> None:
    exchange = Exchange()
    asked = beside(exchange.heard)
    assert not asked.done()
    exchange.tell(Ended("a"))
    assert asked.result(5) == Ended("a")


def test_the_driver_waits_no_longer_than_it_says() -> None:
    started = time.monotonic()
    assert Exchange().heard(0.2) is None
    assert 0.2 <= time.monotonic() - started < 5


def test_what_has_ended_tune_is_raised_where_the_driver_hears() -> None:
    exchange = Exchange()
    exchange.tell(Ended("a"))
    exchange.tell(OSError("no space"))
    assert exchange.heard() == Ended("a")
    with pytest.raises(OSError, match="no space"):
        exchange.heard()


def test_closing_lets_a_waiting_tune_go_and_takes_back_what_it_was_not_given(beside: Callable[..., Future]) -> None:
    exchange = Exchange()
    exchange.tell(Ended("unheard"))
    asked = beside(exchange.next_pack)
    assert not asked.done()
    exchange.close()
    assert asked.result(5) is None
    assert exchange.is_closed
    left = Exchange()
    left.submit(PACKS)
    left.close()
    assert left.next_pack() is None


def test_every_pack_is_handed_out_once_and_every_event_heard_once() -> None:
    exchange, heard = Exchange(), []
    jobs = [search_of(SMALL.with_values(seed=seed)) for seed in range(200)]

    def tune() -> None:
        while not exchange.is_closed:
            pack = exchange.next_pack()
            if pack is not None:
                exchange.tell(Started(pack))
                exchange.tell(Ended(pack.jobs[0].key))

    thread = threading.Thread(target=tune)
    thread.start()
    for first in range(0, len(jobs), 20):
        exchange.submit(Pack((job,)) for job in jobs[first : first + 20])
    while len(heard) < 2 * len(jobs):
        event = exchange.heard(5)
        assert event is not None
        heard.append(event)
    assert exchange.heard(0.1) is None
    exchange.close()
    thread.join(5)
    assert not thread.is_alive()
    assert [event.key for event in heard if isinstance(event, Ended)] == [job.key for job in jobs]

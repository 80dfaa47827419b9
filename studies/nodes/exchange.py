"""Between the driver and Ray Tune, which runs in a thread of its own: packs go one way, events come back.

Tune is told that there is no pack now only once the driver has heard all events: what the driver makes of
an event then finds the workers still there.
"""

import threading
from collections import deque
from collections.abc import Iterable

from studies.work.jobs import Event, Pack


class Exchange:
    """What the driver and Tune's thread hand each other; where it `is_closed`, the driver wants nothing more."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._packs: deque[Pack] = deque()
        self._events: deque[Event | BaseException] = deque()
        self._unheard = 0
        self.is_closed = False

    def submit(self, packs: Iterable[Pack]) -> None:
        """Gives Tune more to do."""
        with self._changed:
            self._packs.extend(packs)
            self._changed.notify_all()

    def heard(self, timeout: float | None = None) -> Event | None:
        """The next event; None: none in time. All before count as heard. Raises BaseException: what has ended Tune."""
        with self._changed:
            self._unheard = len(self._events)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._events, timeout)
            if not self._events:
                return None
            event = self._events.popleft()
        if isinstance(event, BaseException):
            raise event
        return event

    def close(self) -> None:
        """Ends what is under way, and lets Tune end."""
        with self._changed:
            self.is_closed = True
            self._packs.clear()
            self._changed.notify_all()

    def tell(self, event: Event | BaseException) -> None:
        with self._changed:
            self._events.append(event)
            self._unheard += 1
            self._changed.notify_all()

    def next_pack(self) -> Pack | None:
        """A pack; None where there is none now, though the driver has heard all events."""
        with self._changed:
            self._changed.wait_for(lambda: self._packs or not self._unheard or self.is_closed)
            return self._packs.popleft() if self._packs else None

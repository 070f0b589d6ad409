"""Entries in the order in which they are due."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator

from engine.workflows.entry import Entry

STAGGER = 0.02
SPREAD = 5.0
"""Seconds between two starts of what is overdue, and within which all of it is started."""


class Agenda:
    """A queue by `Entry.due`; an entry that is put in again leaves its earlier place."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Entry]] = []
        self._tickets = itertools.count(1)

    @property
    def next_due(self) -> float:
        """Monotonic time at which the first entry is due; infinite when there is none."""
        return self._heap[0][0] if self._heap else float("inf")

    def put(self, entry: Entry) -> None:
        entry.ticket = next(self._tickets)
        heapq.heappush(self._heap, (entry.due, entry.ticket, entry))

    def take(self, now: float) -> Iterator[Entry]:
        """Take out what is due at `now`, one after the other."""
        while self._heap and self._heap[0][0] <= now:
            _, ticket, entry = heapq.heappop(self._heap)
            if ticket == entry.ticket:
                yield entry

    def rebuild(self, entries: Iterable[Entry], offset: float, now: float) -> None:
        """Put every entry where its slot says, overdue ones spread out in the order in which they come.

        Args:
            offset: seconds by which wall time is ahead of monotonic time.
        """
        self._heap.clear()
        late = []
        for entry in entries:
            if entry.slot is None:
                continue
            entry.due = entry.slot + entry.jitter - offset
            if entry.due <= now:
                late.append(entry)
            else:
                self.put(entry)
        step = min(STAGGER, SPREAD / max(len(late), 1))
        for number, entry in enumerate(late):
            entry.due = now + number * step
            self.put(entry)

"""Entries in the order in which they are due."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence

from engine.workflows.entry import Entry
from engine.workflows.schedule import IntervalSlots

GATHERED = 4.0
"""Further starts that a slot waits for: five checks in a row find the caches warm, and take a fifth less of
the processor than five apart do (measured: 2.0 ms each instead of 2.5)."""
PATIENCE = 0.2
PATIENCE_SHARE = 0.004
"""Seconds that it waits for them at most, and the share of the shortest interval."""
WORTHWHILE = 0.05
"""Seconds below which it does not wait at all: the scheduler's shortest sleep gathers enough then."""
STAGGER = 0.02
SPREAD = 5.0
"""Seconds between two starts of what is overdue, and within which all of it is started."""


class Agenda:
    """A queue by `Entry.due`; an entry that is put in again leaves its earlier place.

    Where several are due each second, those that lie close together start one right after the other.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Entry]] = []
        self._tickets = itertools.count(1)
        self.patience = 0.0
        """Seconds for which what is due waits for others."""

    @property
    def next_due(self) -> float:
        """Monotonic time at which the first entry is due; infinite when there is none."""
        return self._heap[0][0] if self._heap else float("inf")

    @property
    def next_start(self) -> float:
        """Monotonic time at which it starts, with those that are due meanwhile."""
        return self.next_due + self.patience

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
        entries = list(entries)
        self.patience = _patience([e.slots.seconds for e in entries if isinstance(e.slots, IntervalSlots)])
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


def _patience(intervals: Sequence[float]) -> float:
    """Seconds to wait for others; none where too few would come, or enough at once."""
    if not intervals:
        return 0.0
    rate = sum(1.0 / seconds for seconds in intervals)
    patience = min(GATHERED / rate, PATIENCE, PATIENCE_SHARE * min(intervals))
    return patience if patience >= WORTHWHILE and patience * rate >= GATHERED / 2 else 0.0

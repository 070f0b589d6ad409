"""Slots that were not run: recorded together, so that under overload a skip costs next to nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from engine.config.schema import Workflow
from engine.workflows.entry import Entry

INTERVAL = 10.0
"""Seconds within which further skips of a workflow, for the same reason, become one record."""
WINDOW = 60.0
"""Seconds for which overload is remembered."""
OVERLOAD = "overload"
"""Why a slot was skipped when all places were taken: more was due than can be done."""

Skipped = Callable[[Workflow, float, str, int], None]
"""Told of a workflow, the newest slot that was skipped, why, and of how many slots it speaks."""


@dataclass(slots=True)
class _Held:
    """What was skipped since the last record about it."""

    entry: Entry
    since: float
    slot: float = 0.0
    count: int = 0


class Skips:
    """Records the first skip at once, and further ones of the next 10 s together.

    Args:
        record: keeps a record.
        recorded: told whose skips were recorded together.
    """

    def __init__(self, record: Skipped, recorded: Callable[[Entry], None]) -> None:
        self._record = record
        self._recorded = recorded
        self._held: dict[tuple[str, str], _Held] = {}
        self._overload: deque[list[float]] = deque()

    def add(self, entry: Entry, slot: float, reason: str, now: float) -> bool:
        """Take note of a skipped slot; whether it was recorded at once. `now` is monotonic."""
        if reason == OVERLOAD:
            self._note_overload(now)
        held = self._held.get((entry.workflow.id, reason))
        if held is not None:
            held.slot = slot
            held.count += 1
            return False
        self._held[entry.workflow.id, reason] = _Held(entry, now)
        self._record(entry.workflow, slot, reason, 1)
        return True

    def settle(self, now: float) -> None:
        """Record what was held for 10 s."""
        while self._held:
            key, held = next(iter(self._held.items()))
            if now - held.since < INTERVAL:
                return
            del self._held[key]
            if held.count:
                self._held[key] = _Held(held.entry, now)
                self._tell(key[1], held)

    def flush(self) -> None:
        """Record all that is held."""
        for (_, reason), held in self._held.items():
            if held.count:
                self._tell(reason, held)
        self._held.clear()

    def release(self, entry: Entry) -> None:
        """Record what is held of an entry that leaves."""
        for key in [key for key, held in self._held.items() if held.entry is entry]:
            held = self._held.pop(key)
            if held.count:
                self._tell(key[1], held)

    def overload(self, now: float) -> int:
        """Slots of the last minute that were skipped for want of places."""
        while self._overload and now - self._overload[0][0] > WINDOW:
            self._overload.popleft()
        return int(sum(count for _, count in self._overload))

    def _tell(self, reason: str, held: _Held) -> None:
        self._record(held.entry.workflow, held.slot, reason, held.count)
        self._recorded(held.entry)

    def _note_overload(self, now: float) -> None:
        """Counted by the second, so that a minute of it stays small."""
        if self._overload and now - self._overload[-1][0] < 1.0:
            self._overload[-1][1] += 1
            return
        self.overload(now)
        self._overload.append([now, 1])

"""A workflow as the scheduler keeps it: its slots, and what of it is at work."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from engine.config.schema import Workflow
from engine.workflows.schedule import CronSlots, IntervalSlots, share_of, slots_of


class Turn(NamedTuple):
    """A slot (wall time) and the monotonic time at which it is due."""

    slot: float
    due: float


class Entry:
    """One workflow and its next slot.

    `slot` is in wall time, `due` in monotonic time and later by the workflow's jitter; `slot` is None when
    there is none. `ticket` tells its valid place in the queue from older ones. `queued` waits for the run at
    work to end.
    """

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.slot: float | None = None
        self.due = 0.0
        self.last_slot = float("-inf")
        self.ticket = 0
        self.paused = False
        self.queued: Turn | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.jitter = round(share_of(f"{workflow.id} jitter") * workflow.jitter, 3)
        self._normal = slots_of(workflow)
        every = workflow.every_failing
        self._failing = IntervalSlots(workflow.id, every) if every is not None else None
        self._is_failing = False

    @property
    def slots(self) -> IntervalSlots | CronSlots:
        """Those it follows now."""
        return self._failing if self._is_failing and self._failing is not None else self._normal

    @property
    def places(self) -> int:
        """How many runs may be at work together."""
        kind, _, count = self.workflow.overlap.partition(":")
        return int(count) if kind == "allow" else 1

    def note(self, is_failing: bool) -> bool:
        """Take note of how a run ended; whether other slots are followed from now on."""
        changed = self._failing is not None and is_failing is not self._is_failing
        self._is_failing = is_failing
        return changed

    def is_too_late(self, slot: float, wall: float) -> bool:
        """Whether a slot is no longer to be made up for."""
        limit = self.workflow.catch_up
        return limit is not None and wall - slot - self.jitter > limit

    def missed(self, wall: float) -> float | None:
        """The newest slot that is due, when it is not the next one; what lies before it was missed."""
        assert self.slot is not None
        following = self.slots.after(self.slot)
        if following is None or following + self.jitter > wall:
            return None
        return self.slots.latest(wall - self.jitter) or self.slot

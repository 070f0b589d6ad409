"""A workflow as the scheduler keeps it: its slots, and what of it is at work."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from engine.config.schema import Workflow
from engine.model import ScheduleCursor
from engine.workflows.claims import inherited
from engine.workflows.schedule import CronSlots, IntervalSlots, Slots, share_of, slots_of

BELIEVED = 86_400.0
"""Seconds by which a cron's last slot may lie ahead of a clock that was set back."""


class Turn(NamedTuple):
    """A slot (wall time) and the monotonic time at which it is due."""

    slot: float
    due: float


class Entry:
    """One workflow and its next slot.

    `slot` is in wall time, `due` in monotonic time and later by the workflow's jitter; `slot` is None when
    there is none. `ticket` tells its valid place in the queue from older ones. `queued` waits for the run at
    work to end. What was due up to `inherited` may have been started by an earlier run.
    """

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.slot: float | None = None
        self.due = 0.0
        self.last_slot = float("-inf")
        self.inherited = float("-inf")
        self.ticket = 0
        self.paused = False
        self.queued: Turn | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self._is_failing = False
        self._follow(workflow)

    @property
    def slots(self) -> Slots:
        """Those it follows now."""
        return self._failing if self._is_failing and self._failing is not None else self._normal

    @property
    def places(self) -> int:
        """How many runs may be at work together."""
        kind, _, count = self.workflow.overlap.partition(":")
        return int(count) if kind == "allow" else 1

    def plan(self, cursor: ScheduleCursor | None, wall: float, claimed: float) -> None:
        """Find its first slot; what is new starts at once.

        Args:
            cursor: what was handled before.
            claimed: up to when the last run may have started slots without a cursor to say so.
        """
        is_cron = isinstance(self.slots, CronSlots)
        # The slots of a cron stay where they are when the clock is set back; those of an interval go with it.
        self.inherited = min(claimed, wall + BELIEVED) if is_cron else inherited(claimed, wall)
        if cursor is not None:
            # A cursor ahead of the clock was written before the clock was set back.
            self.last_slot = min(cursor.last_slot, wall + BELIEVED if is_cron else wall)
            self.slot = self.slots.after(self.last_slot)
        elif isinstance(self.slots, IntervalSlots):
            # The one of a moment ago may have been killed before it was known.
            self.slot = max(wall, self.inherited + 0.001)
        else:
            if self.inherited > 0:
                # A run that left no cursor may have started it, and the clock may still be set back.
                self.last_slot = self.slots.latest(max(wall, self.inherited)) or self.last_slot
            self.slot = self.slots.after(max(wall, self.last_slot))

    def adopt(self, workflow: Workflow) -> bool:
        """Be another version of the same workflow from now on; whether its slots are others."""
        before, self.workflow = self.workflow, workflow
        if _timing(before) == _timing(workflow):
            return False
        self._follow(workflow)
        return True

    def _follow(self, workflow: Workflow) -> None:
        self.jitter = round(share_of(f"{workflow.id} jitter") * workflow.jitter, 3)
        self._normal = slots_of(workflow)
        every = workflow.every_failing
        self._failing = IntervalSlots(workflow.id, every) if every is not None else None

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


def _timing(workflow: Workflow) -> tuple[object, ...]:
    return workflow.every, workflow.cron, workflow.timezone, workflow.jitter, workflow.every_failing

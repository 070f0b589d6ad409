"""When a workflow is due: slots of an interval on its own grid, or of a cron expression, in wall time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim

from engine.config.schema import Workflow


class Slots(Protocol):
    """The slots of one workflow; None means there is none."""

    def after(self, start: float) -> float | None:
        """The slot that follows a start at `start`."""
        ...

    def latest(self, moment: float) -> float | None:
        """The last slot at or before `moment`."""
        ...


def share_of(text: str) -> float:
    """A number from 0 up to 1 that is always the same for the same text, and spread evenly over texts."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


class IntervalSlots:
    """Every `seconds`, shifted by an offset that depends on the workflow's id alone, so that not all meet."""

    def __init__(self, workflow_id: str, seconds: float) -> None:
        self.seconds = seconds
        # Whole milliseconds keep slots exact in a float of today's size.
        self._offset = round(share_of(workflow_id) * seconds, 3)

    def after(self, start: float) -> float:
        # A start off the grid (the first one) is followed by half to one and a half intervals of rest.
        return self.latest(start + self.seconds / 2) + self.seconds

    def latest(self, moment: float) -> float:
        return (moment - self._offset) // self.seconds * self.seconds + self._offset


class CronSlots:
    """A cron expression in a time zone; daylight saving as Debian's cron treats it.

    Raises:
        ValueError: the time zone is not known; CronSimError: the expression is not valid.
    """

    def __init__(self, expression: str, timezone: str | None) -> None:
        self._expression = expression
        self._zone = ZoneInfo(timezone) if timezone else UTC
        CronSim(expression, datetime.now(UTC))

    def after(self, start: float) -> float | None:
        return self._first(CronSim(self._expression, datetime.fromtimestamp(start, self._zone)))

    def latest(self, moment: float) -> float | None:
        # Going back excludes the moment itself; a slot lies on whole seconds.
        start = datetime.fromtimestamp(int(moment) + 1, self._zone)
        return self._first(CronSim(self._expression, start, reverse=True))

    @staticmethod
    def _first(slots: Iterator[datetime]) -> float | None:
        found = next(slots, None)
        return found.timestamp() if found else None


class NoSlots:
    """Of a workflow that runs only when it is called, or told to."""

    def after(self, start: float) -> None:
        return None

    def latest(self, moment: float) -> None:
        return None


def slots_of(workflow: Workflow) -> Slots:
    """The slots that a workflow's `every` or `cron` means; none when it is `on_call`."""
    if workflow.on_call:
        return NoSlots()
    if workflow.cron is not None:
        return CronSlots(workflow.cron, workflow.timezone)
    assert workflow.every is not None
    return IntervalSlots(workflow.id, workflow.every)

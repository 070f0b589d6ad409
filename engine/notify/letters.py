"""What the outbox asks the store, put together with the pure rules: who leaves with whom, and why."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.errors import ConflictError
from engine.model import (
    AlertEventKind,
    AlertState,
    Decision,
    Gate,
    Notification,
    NotificationState,
)
from engine.notify.failing import stand_ins
from engine.notify.messages import digest, utc
from engine.notify.pairing import Sorting, again, sort
from engine.store import outgoing
from engine.store.pool import ReadPool
from engine.text import counted

ROWS_A_MESSAGE = 500


def message_key(rows: Sequence[Notification]) -> str:
    """The idempotency key of the message about `rows`; of one row alone, its own."""
    if rows[0].message:
        return rows[0].message
    if len(rows) == 1:
        return rows[0].key
    names = "\n".join(row.key for row in rows)
    return f"{rows[0].key}+{len(rows) - 1}:{hashlib.sha256(names.encode()).hexdigest()[:16]}"


def worded(rows: Sequence[Notification]) -> tuple[str, str]:
    """Title and body of the message about `rows`."""
    return digest(rows) if len(rows) > 1 else (rows[0].title, rows[0].body)


async def revived(pool: ReadPool, key: str, now: float) -> Notification:
    """A row that was given up, queued once more.

    Raises:
        NotFoundError: there is no such row.
        ConflictError: it was not given up, or tells that an alert fires which has ended since.
    """
    row = await outgoing.one(pool, key)
    if row.state is not NotificationState.DEAD:
        raise ConflictError(f"notification {key} is {row.state}", "only one that was given up can be retried")
    alert = (await outgoing.alerts(pool, [row.alert_id])).get(row.alert_id)
    over = alert is None or alert.state is AlertState.RESOLVED
    if over and row.transition is not AlertEventKind.RESOLVED:
        raise ConflictError(f"alert {row.alert_id} has ended", "there is nothing left to tell of it")
    return replace(row, state=NotificationState.QUEUED, tries=0, next_at=now)


def held(row: Notification, limit: int, until: float) -> Notification:
    """A row that waits, since its channel takes no more messages for now; says so where no error does."""
    return replace(row, next_at=until, error=row.error or f"{_too_many(limit)}, it leaves with others")


def _too_many(limit: int) -> str:
    return f"more than {counted(limit, 'message')} a minute"


class Letters:
    """Answers for one database."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    async def groups_told(self) -> tuple[tuple[str, str, int, float], ...]:
        """Channel, group, alert and time of what was told in groups of alerts that have not ended."""
        return await outgoing.groups_told(self._pool)

    async def next_due(self, now: float) -> float:
        """When the next message falls due after `now`; infinity for never."""
        due = await outgoing.next_due(self._pool, now)
        return math.inf if due is None else due

    async def of_message(self, channel: str, message: str) -> tuple[Notification, ...]:
        """The rows of a message that may have been taken, and is to be sent again as it was."""
        return await outgoing.queued(self._pool, channel, message=message, limit=ROWS_A_MESSAGE)

    async def waiting(
        self, channel: str, *, group: str | None = None, due: float = math.inf
    ) -> tuple[Notification, ...]:
        """What nobody has heard of: of a group, or all that is due by `due`."""
        return await outgoing.queued(self._pool, channel, group=group, due=due, limit=ROWS_A_MESSAGE)

    async def sorted(self, rows: Sequence[Notification], now: float) -> Sorting:
        """What of `rows` is told, and what has become pointless."""
        ids = {row.alert_id for row in rows}
        known = await outgoing.about(self._pool, ids)
        if rows[0].message:
            return again(rows, known, now)
        return sort(rows, known, await outgoing.alerts(self._pool, ids), now)

    async def stand_ins(
        self, moved: Sequence[Notification], channel: str, now: float
    ) -> tuple[Notification, ...]:
        """Rows that tell `channel` what another one could not be told."""
        known = await outgoing.about(self._pool, {row.alert_id for row in moved})
        return stand_ins(moved, channel, known, now)

    async def collapses(self, rows: Sequence[Notification], now: float) -> list[Decision]:
        """The record of what is never told, since it was over before."""
        return await self._decisions(
            rows, lambda row: Gate("collapsed", False, f"{row.transition} to {row.channel}: {row.error}"), now
        )

    async def storm(
        self, rows: Sequence[Notification], limit: int, until: float, now: float
    ) -> list[Decision]:
        """The record of what has to wait for others, since there is too much at once."""
        told = f"{_too_many(limit)}: this one leaves with others at {utc(until)}"
        return await self._decisions(rows, lambda row: Gate(f"storm:{row.channel}", False, told), now)

    async def _decisions(
        self, rows: Sequence[Notification], gate: Callable[[Notification], Gate], now: float
    ) -> list[Decision]:
        if not rows:
            return []
        alerts = await outgoing.alerts(self._pool, {row.alert_id for row in rows})
        return [
            Decision(
                at=now,
                rule_id=alert.rule_id,
                subject=alert.subject,
                result=None,
                value=alert.value,
                threshold="",
                explanation=alert.message,
                gates=(gate(row),),
                alert_id=alert.id,
                execution_id=alert.execution_id,
            )
            for row in rows
            if (alert := alerts.get(row.alert_id)) is not None
        ]

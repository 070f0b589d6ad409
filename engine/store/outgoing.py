"""What the outbox asks about messages, beside those that are due."""

# ruff: noqa: S608 - statements are put together from texts of ours; every value is bound

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from engine.errors import NotFoundError
from engine.model import Alert, Notification
from engine.store import decode
from engine.store.pool import ReadPool
from engine.store.where import MAX_ROWS

_OPEN = "state IN ('queued', 'sending', 'dead')"
_MEMBERS = "alert_id IN (SELECT value FROM json_each(?))"


async def queued(
    pool: ReadPool,
    channel: str,
    *,
    group: str | None = None,
    message: str = "",
    due: float = math.inf,
    limit: int,
) -> tuple[Notification, ...]:
    """What waits for a channel, oldest first: all of it, or of one group.

    Args:
        message: the one in which they may have been told already; empty for what nobody has heard.
    """
    rows = await pool.fetch(
        f"SELECT {decode.NOTIFICATION} FROM notifications WHERE {_OPEN} AND state = 'queued'"
        " AND channel = ?1 AND message = ?2 AND (?3 IS NULL OR grp = ?3) AND next_at <= ?4"
        " ORDER BY created_at, id LIMIT ?5",
        (channel, message, group, due, limit),
    )
    return decode.each(decode.notification, rows)


async def about(pool: ReadPool, alert_ids: Iterable[int]) -> tuple[Notification, ...]:
    """Everything that was or will be told of some alerts, in the order in which it was queued."""
    rows = await pool.fetch(
        f"SELECT {decode.NOTIFICATION} FROM notifications WHERE {_MEMBERS} ORDER BY id LIMIT {MAX_ROWS * 10}",
        (json.dumps(sorted(set(alert_ids))),),
    )
    return decode.each(decode.notification, rows)


async def alerts(pool: ReadPool, alert_ids: Iterable[int]) -> dict[int, Alert]:
    """Alerts by their ids; those that are no longer kept are left out."""
    rows = await pool.fetch(
        f"SELECT {decode.ALERT} FROM alerts WHERE {_MEMBERS.removeprefix('alert_')} LIMIT {MAX_ROWS * 10}",
        (json.dumps(sorted(set(alert_ids))),),
    )
    return {alert.id: alert for alert in decode.each(decode.alert, rows)}


async def next_due(pool: ReadPool, now: float) -> float | None:
    """When the next message falls due; None when none waits for a later time."""
    rows = await pool.fetch(
        f"SELECT min(next_at) FROM notifications WHERE {_OPEN} AND state = 'queued' AND next_at > ? LIMIT 1",
        (now,),
    )
    due: float | None = rows[0][0]
    return due


async def groups_told(pool: ReadPool) -> tuple[tuple[str, str, int, float], ...]:
    """Channel, group, alert and time of what was told in groups of alerts that have not ended."""
    rows = await pool.fetch(
        "SELECT n.channel, n.grp, n.alert_id, max(n.sent_at) FROM alerts a JOIN notifications n"
        " ON n.alert_id = a.id WHERE a.state <> 'resolved' AND n.grp <> '' AND n.state = 'sent'"
        f" GROUP BY n.channel, n.grp, n.alert_id LIMIT {MAX_ROWS * 10}"
    )
    return tuple((channel, group, alert_id, at) for channel, group, alert_id, at in rows)


async def dead(pool: ReadPool, limit: int) -> tuple[Notification, ...]:
    """What was given up, oldest first."""
    rows = await pool.fetch(
        f"SELECT {decode.NOTIFICATION} FROM notifications WHERE {_OPEN} AND state = 'dead'"
        " ORDER BY id LIMIT ?",
        (limit,),
    )
    return decode.each(decode.notification, rows)


async def one(pool: ReadPool, key: str) -> Notification:
    """The row of a key. Raises NotFoundError."""
    rows = await pool.fetch(f"SELECT {decode.NOTIFICATION} FROM notifications WHERE key = ? LIMIT 1", (key,))
    if not rows:
        raise NotFoundError(f"there is no notification {key}")
    return decode.notification(rows[0])

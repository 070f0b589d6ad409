"""What becomes of a message that was not taken: tried again, handed on, or given up. Pure.

- It is tried again for 24 hours and at least 3 times, after 10 s, 20 s, 40 s … at most an hour (±10 %), and
  no sooner than the destination asks.
- What was refused for good (a wrong address, 400, 401, 403, 404, 410) is given up at the third try: the first
  refusal may be somebody's mistake that is mended in a moment.
- A channel with a `fallback` hands on at once what was refused for good, and everything once it has been
  failing for `fallback_after`. What was handed on is not handed on again. An end is not handed on either:
  it belongs to whom heard of the fire, and follows a fire that was handed on (`engine.notify.pairing`).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from engine.model import AlertEventKind, Notification, NotificationState
from engine.notify.delivery import DeliveryError
from engine.text import own_words, plain

FIRST_DELAY = 10.0
MAX_DELAY = 3600.0
JITTER = 0.1
GIVE_UP_AFTER = 86_400.0
LEAST_TRIES = 3


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message was not taken, as `engine.notify.delivery.DeliveryError` says it."""

    error: str
    permanent: bool = False
    retry_after: float | None = None
    doubtful: bool = False


def refusal_of(error: Exception) -> Refusal:
    """What a failed try says; of an error that no channel words, that it may have been taken."""
    if isinstance(error, DeliveryError):
        return Refusal(own_words(error), error.permanent, error.retry_after, not error.refused)
    return Refusal(own_words(error), doubtful=True)


@dataclass(frozen=True, slots=True)
class Fallback:
    """The channel to hand on to, and when (wall time) patience with the failing one ends."""

    channel: str
    due_at: float


def after(
    row: Notification, refusal: Refusal, now: float, rng: random.Random, fallback: Fallback | None
) -> Notification:
    """The row as it is after a try that failed: queued, moved or dead."""
    error = plain(refusal.error)
    if row.stands_for or row.transition is AlertEventKind.RESOLVED:
        fallback = None
    if fallback is not None and (refusal.permanent or now >= fallback.due_at):
        return replace(row, state=NotificationState.MOVED, error=f"handed on to {fallback.channel}: {error}")
    expired = refusal.permanent or now - row.created_at >= GIVE_UP_AFTER
    if expired and row.tries >= LEAST_TRIES:
        return replace(row, state=NotificationState.DEAD, error=error)
    delay = min(FIRST_DELAY * 2 ** min(row.tries - 1, 20), MAX_DELAY)
    delay *= rng.uniform(1 - JITTER, 1 + JITTER)
    next_at = now + max(delay, min(refusal.retry_after or 0.0, MAX_DELAY))
    if fallback is not None:
        next_at = min(next_at, max(fallback.due_at, now + FIRST_DELAY))
    return replace(row, state=NotificationState.QUEUED, next_at=next_at, error=error)


def stand_in(row: Notification, channel: str, now: float) -> Notification:
    """The row that tells `channel` what the row's own channel cannot be told; its key says so."""
    return replace(
        row,
        key=f"{row.key}>{channel}",
        channel=channel,
        stands_for=row.channel,
        body=f"{row.body}\n({plain(row.channel)} could not be told)",
        state=NotificationState.QUEUED,
        created_at=now,
        next_at=now,
        tries=0,
        error="",
        group="",
        message="",
        sent_at=None,
        latency=None,
    )


def stand_ins(
    moved: Sequence[Notification], channel: str, known: Iterable[Notification], now: float
) -> tuple[Notification, ...]:
    """Rows for what `channel` is not told on its own account.

    Args:
        known: all rows about the same alerts, on whatever channel.
    """
    told = {(row.alert_id, row.transition) for row in known if row.channel == channel and not row.stands_for}
    return tuple(stand_in(row, channel, now) for row in moved if (row.alert_id, row.transition) not in told)

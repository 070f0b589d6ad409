"""What is known of the channels that fail, and what that means for the rows they were not told."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.model import Notification, NotificationState
from engine.notify.failing import MAX_DELAY, Fallback, Refusal, after

if TYPE_CHECKING:
    from engine.config.schema import Channel

_REMEMBERED = 1_000
GONE = "its channel is no longer configured"


class Setbacks:
    """Since when which channels fail, which want to be left alone, and when messages were given up.

    Args:
        rng: spreads the times of the next tries.
    """

    def __init__(self, channels: Mapping[str, Channel], rng: random.Random) -> None:
        self._channels = channels
        self._rng = rng
        self._failing: dict[str, float] = {}
        self._resting: dict[str, float] = {}
        self._deaths: deque[float] = deque(maxlen=_REMEMBERED)

    def adopt(self, channels: Mapping[str, Channel]) -> None:
        """Go by another configuration from now on."""
        self._channels = channels

    def deaths_since(self, at: float) -> int:
        """Rows given up since then; at most 1,000."""
        return sum(died_at > at for died_at in self._deaths)

    def rests_until(self, channel: str, now: float) -> float | None:
        """Until when a channel asked to be left alone; None when it may be told."""
        until = self._resting.get(channel, now)
        return until if until > now else None

    def recovered(self, channel: str) -> bool:
        """It took a message; whether it had been failing."""
        self._resting.pop(channel, None)
        return self._failing.pop(channel, None) is not None

    def shift(self, seconds: float) -> None:
        """The wall clock was set."""
        self._failing = {channel: since + seconds for channel, since in self._failing.items()}
        self._resting = {channel: until + seconds for channel, until in self._resting.items()}

    def after(self, rows: Sequence[Notification], refusal: Refusal, now: float) -> list[Notification]:
        """The rows of one channel after a try that failed: queued, moved or dead."""
        channel = rows[0].channel
        if channel not in self._channels:
            return [self.orphaned(row, now) for row in rows]
        since = self._failing.setdefault(channel, now)
        if refusal.retry_after:
            self._resting[channel] = now + min(refusal.retry_after, MAX_DELAY)
        destination = self._channels[channel]
        fallback = None
        if destination.fallback is not None:
            fallback = Fallback(destination.fallback, since + destination.fallback_after)
        left = [after(row, refusal, now, self._rng, fallback) for row in rows]
        return [self.dead(row, now) if row.state is NotificationState.DEAD else row for row in left]

    def orphaned(self, row: Notification, now: float) -> Notification:
        """A row whose channel was removed: given up, with the reason."""
        return self.dead(replace(row, error=GONE), now)

    def dead(self, row: Notification, now: float) -> Notification:
        """The row, given up."""
        self._deaths.append(now)
        return replace(row, state=NotificationState.DEAD)


def dissolved(
    claimed: Sequence[Notification], before: Sequence[Notification], refusal: Refusal
) -> list[Notification]:
    """The rows of a message that was not taken, apart again unless somebody may have heard of it.

    Args:
        before: the rows as they were before the try.
    """
    if refusal.doubtful:
        return list(claimed)
    return [replace(row, message=old.message) for row, old in zip(claimed, before, strict=True)]

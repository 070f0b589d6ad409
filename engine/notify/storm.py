"""How many messages a minute a channel is sent; pure, in seconds of a clock that never goes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

MINUTE = 60.0


class StormGuard:
    """Lets so many messages a minute through; what is above waits, and leaves as one when the minute is over.

    Args:
        limits: messages a minute, by channel.
    """

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = limits
        self._sent: dict[str, deque[float]] = {}
        self._storms: dict[str, float] = {}
        self._reported: dict[str, float] = {}

    def adopt(self, limits: Mapping[str, int]) -> None:
        """Go by other limits from now on."""
        self._limits = limits

    def limit(self, channel: str) -> int:
        """Messages a minute."""
        return self._limits[channel]

    def closed_until(self, channel: str, now: float) -> float | None:
        """Until when what is to be sent has to wait; None when it may leave now."""
        ends = self._storms.get(channel)
        if ends is None:
            sent = self._sent.get(channel, deque())
            while sent and sent[0] <= now - MINUTE:
                sent.popleft()
            if len(sent) < self._limits[channel]:
                return None
            ends = self._storms[channel] = sent[0] + MINUTE
        return ends if ends > now else None

    def is_news(self, channel: str) -> bool:
        """Whether a storm began since this was last asked."""
        ends = self._storms[channel]
        known, self._reported[channel] = self._reported.get(channel), ends
        return known != ends

    def gathers(self, channel: str) -> bool:
        """Whether what waits is to leave as one message."""
        return channel in self._storms

    def sent(self, channel: str, now: float) -> None:
        """A message was taken: a storm that was waited out is over."""
        if self._storms.pop(channel, None) is not None:
            self._sent.pop(channel, None)
        self._sent.setdefault(channel, deque()).append(now)

    def disperse(self, channel: str) -> None:
        """What waits shall leave one by one after all."""
        self._storms.pop(channel, None)
        self._sent.pop(channel, None)
